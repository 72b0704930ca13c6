//! Regions: scales, backgrounds, and images beside the pyramid.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use microtome_slide::{Background, Mode, RegionRequest, Scale, Slide};
use support::{
    open_bytes, open_file, read,
    tiff::{CLASSIC, Level, Writer, raw_level, raw_slide},
};

fn region(scale: Scale, (x, y): (i64, i64), (width, height): (u32, u32)) -> RegionRequest {
    RegionRequest { x, y, width, height, scale, mode: Mode::Nearest, background: Background::White }
}

/// Levels of 256, 128 and 64 pixels at 0.499 µm, each of one grey.
async fn greys() -> Slide {
    let mut writer = Writer::new(CLASSIC);
    for (number, edge) in [256, 128, 64].into_iter().enumerate() {
        let level: Level = raw_level((edge, edge), (32, 32));
        level.write(&mut writer, number > 0, |_| vec![10 + 50 * number as u8; 32 * 32 * 3]);
    }
    open_bytes(writer.out).await.unwrap()
}

#[tokio::test]
async fn a_scale_takes_the_coarsest_level_that_is_fine_enough() {
    let slide = greys().await;
    for (scale, grey) in [
        (Scale::Mpp(0.25), 10),
        (Scale::Mpp(0.5), 10),
        (Scale::Mpp(0.9), 10),
        (Scale::Mpp(0.97), 60),
        (Scale::Mpp(1.5), 60),
        (Scale::Mpp(2.0), 110),
        (Scale::Downsample(16.0), 110),
        (Scale::Level(1), 60),
    ] {
        let pixels = slide.read_region(&region(scale, (32, 32), (4, 4))).await.unwrap();
        assert_eq!(pixels, vec![grey; 4 * 4 * 3], "{scale:?}");
    }
}

#[tokio::test]
async fn within_3_per_cent_nothing_is_resampled() {
    let slide = open_bytes(raw_slide(CLASSIC, &[raw_level((100, 70), (32, 16))])).await.unwrap();
    let asked = slide.read_region(&region(Scale::Mpp(0.5), (7, 9), (40, 30))).await.unwrap();
    assert!(asked == read(&slide, 0, (40, 30), &[(7, 9)]).await);
}

#[tokio::test]
async fn a_smaller_scale_is_a_mean_and_keeps_its_place() {
    let slide = open_file("CMU-1-Small-Region.svs").await;
    let fine = read(&slide, 0, (512, 512), &[(400, 300)]).await;
    let coarse = slide.read_region(&region(Scale::Downsample(4.0), (400, 300), (128, 128))).await.unwrap();
    let mut sum = 0;
    for (at, pixel) in coarse.chunks_exact(3).enumerate() {
        let (x, y) = (at % 128 * 4, at / 128 * 4);
        for (sample, value) in pixel.iter().enumerate() {
            let of = |dx: usize, dy: usize| u32::from(fine[((y + dy) * 512 + x + dx) * 3 + sample]);
            let mean = (0..16).map(|at| of(at % 4, at / 4)).sum::<u32>() / 16;
            sum += mean.abs_diff(u32::from(*value));
        }
    }
    // The filter is wider than the square of 16 pixels, so the two differ a little.
    assert!(sum / (128 * 128 * 3) < 6, "{sum}");
}

#[tokio::test]
async fn outside_is_the_background_in_every_mode() {
    let slide = greys().await;
    for scale in [Scale::Level(0), Scale::Level(1), Scale::Mpp(0.5), Scale::Mpp(0.7), Scale::Downsample(3.0)] {
        for mode in [Mode::Exact, Mode::Nearest] {
            for (background, expected) in [(Background::White, vec![255; 48]), (Background::Transparent, vec![0; 64])] {
                let request = RegionRequest { mode, background, ..region(scale, (-5000, 9000), (4, 4)) };
                assert_eq!(slide.read_region(&request).await.unwrap(), expected, "{request:?}");
            }
        }
    }
}

#[tokio::test]
async fn impossible_regions_are_refused() {
    let slide = greys().await;
    for (request, category) in [
        (region(Scale::Level(3), (0, 0), (4, 4)), "Request"),
        (region(Scale::Level(0), (0, 0), (0, 4)), "Request"),
        (region(Scale::Mpp(0.0), (0, 0), (4, 4)), "Request"),
        (region(Scale::Mpp(f64::NAN), (0, 0), (4, 4)), "Request"),
        (region(Scale::Downsample(-1.0), (0, 0), (4, 4)), "Request"),
        (region(Scale::Downsample(1e300), (0, 0), (4, 4)), "Limit"),
        (region(Scale::Level(0), (0, 0), (u32::MAX, u32::MAX)), "Limit"),
    ] {
        assert_eq!(slide.read_region(&request).await.unwrap_err().category(), category, "{request:?}");
        let exact = RegionRequest { mode: Mode::Exact, ..request };
        assert_eq!(slide.read_region(&exact).await.unwrap_err().category(), category, "{exact:?}");
    }
    let plain = Level { description: String::new(), ..raw_level((60, 50), (16, 16)) };
    let slide = open_bytes(raw_slide(CLASSIC, &[plain])).await.unwrap();
    let error = slide.read_region(&region(Scale::Mpp(0.5), (0, 0), (4, 4))).await.unwrap_err();
    let said = "az://slides/case/a.svs does not say its resolution, and a scale in micrometres per pixel needs it; the \
                manifest may give the mpp";
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn associated_images_are_read_by_name() {
    let slide = open_file("CMU-1-Small-Region.svs").await;
    assert_eq!(slide.associated_names().collect::<Vec<_>>(), ["thumbnail", "label", "macro"]);
    let label = slide.read_associated("label").await.unwrap();
    assert_eq!((label.width, label.height), (387, 463));
    // Orange paper with black print on it, before a black background.
    let at = |x: usize, y: usize| <[u8; 3]>::try_from(&label.pixels[(y * 387 + x) * 3..][..3]).unwrap();
    let orange = |[red, green, blue]: [u8; 3]| red > 150 && green < red - 40 && blue < green - 40;
    assert!(orange(at(300, 120)) && orange(at(100, 380)), "{:?} {:?}", at(300, 120), at(100, 380));
    assert!(at(210, 100).iter().chain(&at(200, 460)).all(|sample| *sample < 60), "{:?}", at(210, 100));
    // The thumbnail is the slide made smaller: about as bright.
    let thumbnail = slide.read_associated("thumbnail").await.unwrap();
    let ours = slide.read_region(&region(Scale::Downsample(2220.0 / 574.0), (0, 0), (574, 767))).await.unwrap();
    let mean = |pixels: &[u8]| pixels.iter().map(|sample| u64::from(*sample)).sum::<u64>() / pixels.len() as u64;
    assert!(mean(&thumbnail.pixels).abs_diff(mean(&ours)) < 3);
    let error = slide.read_associated("map").await.unwrap_err();
    assert!(error.to_string().ends_with("there is no image named \"map\""), "{error}");
}
