//! Patches at any scale: which level is read, and that a batch is made of what each patch is alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use microtome_slide::{Background, Downsample, Mode, PatchRequest, RegionRequest, Scale, Slide};
use support::{
    open_bytes,
    tiff::{CLASSIC, Level, Writer, raw_level, raw_slide, raw_tile},
};

fn patches(scale: Scale, edge: u32, origins: &[(i64, i64)]) -> PatchRequest {
    PatchRequest { scale, width: edge, height: edge, origins: origins.to_vec(), gap_bytes: 0 }
}

async fn region(slide: &Slide, scale: Scale, edge: u32, (x, y): (i64, i64), background: Background) -> Vec<u8> {
    let request = RegionRequest { x, y, width: edge, height: edge, scale, mode: Mode::Nearest, background };
    slide.read_region(&request).await.unwrap()
}

/// A slide of 0.499 µm with levels of 1200 and 400 pixels.
async fn two_levels() -> Slide {
    open_bytes(raw_slide(CLASSIC, &[raw_level((1200, 1200), (128, 96)), raw_level((400, 400), (64, 64))]))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_batch_is_what_its_patches_are_alone() {
    let slide = two_levels().await;
    let origins = [(700, 13), (-40, -9), (3, 801), (5000, 0), (700, 13), (1100, 1100)];
    for scale in [Scale::Level(1), Scale::Mpp(0.5), Scale::Mpp(0.8), Scale::Downsample(2.9), Scale::Downsample(0.4)] {
        for background in [Background::White, Background::Transparent] {
            let plan = slide.plan_on(&patches(scale, 40, &origins), background).unwrap();
            let batch = slide.fetch(&plan).await.unwrap().decode(&plan);
            assert_eq!(batch.errors, []);
            let mut alone = Vec::new();
            for origin in origins {
                alone.extend(region(&slide, scale, 40, origin, background).await);
            }
            assert!(batch.pixels == alone, "{scale:?} {background:?}");
        }
    }
}

#[tokio::test]
async fn far_more_pixels_than_fit_at_once_are_taken_in_parts() {
    // Sources of 2400 pixels take 17 MB each, so one is decoded at a time; they share tiles.
    let slide = open_bytes(raw_slide(CLASSIC, &[raw_level((3000, 2600), (512, 512))])).await.unwrap();
    let origins = [(600, 90), (0, 0), (500, 70)];
    let plan = slide.plan(&patches(Scale::Downsample(16.0), 150, &origins)).unwrap();
    assert!(plan.tiles().count() > 36, "the grid has 36 tiles");
    assert!(plan.needed_bytes() <= 36 * 512 * 512 * 3, "each is fetched once");
    let batch = slide.fetch(&plan).await.unwrap().decode(&plan);
    for (pixels, origin) in batch.pixels.chunks_exact(plan.patch_bytes()).zip(origins) {
        let alone = region(&slide, Scale::Downsample(16.0), 150, origin, Background::White).await;
        assert!(pixels == alone, "{origin:?}");
    }
}

#[tokio::test]
async fn a_bad_tile_spoils_the_resampled_patches_that_need_it() {
    let level = raw_level((300, 100), (100, 100));
    let mut writer = Writer::new(CLASSIC);
    level.write(&mut writer, false, |tile| if tile == 1 { vec![1; 9] } else { raw_tile(0, &level, tile) });
    let slide = open_bytes(writer.out).await.unwrap();
    let read = slide.read_patches(&patches(Scale::Downsample(2.0), 20, &[(210, 4), (10, 4), (80, 4)])).await.unwrap();
    assert_eq!(read.errors.iter().map(|(patch, _)| *patch).collect::<Vec<_>>(), [2]);
    let white: Vec<bool> = read.pixels.chunks_exact(1200).map(|patch| patch.iter().all(|at| *at == 255)).collect();
    assert_eq!(white, [false, false, true]);
}

#[tokio::test]
async fn a_scale_says_how_many_pixels_of_level_0_it_takes() {
    let slide = two_levels().await;
    for (scale, x) in [
        (Scale::Level(1), 3.0),
        (Scale::Downsample(3.05), 3.0),
        (Scale::Downsample(2.5), 2.5),
        (Scale::Mpp(0.5), 1.0),
        (Scale::Mpp(1.497), 3.0),
        (Scale::Mpp(0.998), 2.0),
    ] {
        let Downsample { x: across, y: down } = slide.downsample(scale).unwrap();
        assert!((across - x).abs() < 1e-9 && (down - x).abs() < 1e-9, "{scale:?}: {across}, {down}");
    }
    assert_eq!(slide.downsample(Scale::Level(2)).unwrap_err().category(), "Request");
    assert_eq!(slide.downsample(Scale::Mpp(-1.0)).unwrap_err().category(), "Request");
    let plain = Level { description: String::new(), ..raw_level((60, 50), (16, 16)) };
    let slide = open_bytes(raw_slide(CLASSIC, &[plain])).await.unwrap();
    let error = slide.plan(&patches(Scale::Mpp(0.5), 8, &[(0, 0)])).unwrap_err();
    assert_eq!((error.category(), slide.downsample(Scale::Mpp(0.5)).unwrap_err().category()), ("NoMpp", "NoMpp"));
    assert_eq!(slide.downsample(Scale::Downsample(7.0)).unwrap(), Downsample { x: 7.0, y: 7.0 });
}
