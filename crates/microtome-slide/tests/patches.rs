//! Patches against slides whose every pixel is known.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use microtome_slide::{Background, Limits, PatchRequest, Slide};
use proptest::prelude::*;
use support::{
    memory, open_bytes, open_in, read, request,
    tiff::{CLASSIC, Kind, Level, Writer, pixel, raw_level, raw_slide, raw_tile},
};

/// Runs a future of a property test.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The pixels that a patch at `origin` of a level must have.
fn expected(level: u32, size: (u32, u32), patch: (u32, u32), origin: (i64, i64)) -> Vec<u8> {
    let places = (0..patch.1).flat_map(|y| (0..patch.0).map(move |x| (x, y)));
    places
        .flat_map(|(x, y)| {
            let (x, y) = (origin.0 + i64::from(x), origin.1 + i64::from(y));
            let inside = x >= 0 && y >= 0 && x < i64::from(size.0) && y < i64::from(size.1);
            if inside { pixel(level, x as u32, y as u32) } else { [255; 3] }
        })
        .collect()
}

#[tokio::test]
async fn all_containers_hold_the_same_pixels() {
    for (big_endian, big_tiff) in [(false, false), (true, false), (false, true), (true, true)] {
        let kind = Kind { big_endian, big_tiff };
        let slide = open_bytes(raw_slide(kind, &[raw_level((100, 70), (32, 16))])).await.unwrap();
        assert_eq!(slide.info().mpp_x, Some(0.499), "{kind:?}");
        let pixels = read(&slide, 0, (100, 70), &[(0, 0)]).await;
        assert!(pixels == expected(0, (100, 70), (100, 70), (0, 0)), "{kind:?}");
    }
}

#[tokio::test]
async fn lower_levels_are_addressed_in_level_0_pixels() {
    let levels = [raw_level((101, 81), (16, 16)), raw_level((50, 40), (16, 16)), raw_level((25, 20), (16, 16))];
    let slide = open_bytes(raw_slide(CLASSIC, &levels)).await.unwrap();
    let downsample = slide.info().levels[1].downsample;
    assert_eq!(downsample, f64::midpoint(101.0 / 50.0, 81.0 / 40.0));
    let pixels = read(&slide, 1, (20, 20), &[(41, -7)]).await;
    // 41 / 2.0225 = 20.3 and -7 / 2.0225 = -3.5, truncated.
    assert!(pixels == expected(1, (50, 40), (20, 20), (20, -3)));
}

#[tokio::test]
async fn far_outside_is_white() {
    let slide = open_bytes(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await.unwrap();
    let origins = [(i64::MAX, 0), (0, i64::MIN), (60, 0), (-4, -4)];
    let plan = slide.plan(&request(0, (4, 4), &origins)).unwrap();
    assert!(plan.ranges().is_empty() && plan.tiles().count() == 0);
    assert_eq!(read(&slide, 0, (4, 4), &origins).await, vec![255; 4 * 4 * 4 * 3]);
}

#[tokio::test]
async fn a_tile_that_is_left_out_is_white_and_costs_nothing() {
    let level = raw_level((64, 32), (32, 32));
    let mut writer = Writer::new(CLASSIC);
    level.write(&mut writer, false, |tile| if tile == 0 { Vec::new() } else { raw_tile(0, &level, tile) });
    let slide = open_bytes(writer.out).await.unwrap();
    let mut pixels = expected(0, (64, 32), (64, 32), (0, 0));
    for row in pixels.chunks_exact_mut(64 * 3) {
        row[..32 * 3].fill(255);
    }
    assert!(read(&slide, 0, (64, 32), &[(0, 0)]).await == pixels);
    assert!(slide.plan(&request(0, (32, 32), &[(0, 0)])).unwrap().ranges().is_empty());
}

/// A slide of one tile of 2 × 1 pixels.
async fn two_pixels(level: Level, samples: &[u8]) -> Slide {
    let mut writer = Writer::new(CLASSIC);
    let level = Level { size: (2, 1), tile: (2, 1), ..level };
    level.write(&mut writer, false, |_| samples.to_vec());
    open_bytes(writer.out).await.unwrap()
}

#[tokio::test]
async fn grey_and_alpha_become_rgb_on_white_or_rgba() {
    let plain = raw_level((2, 1), (2, 1));
    let grey = Level { samples: 1, photometric: 1, ..plain.clone() };
    let alpha = Level { samples: 4, extra: Some(2), ..plain.clone() };
    for (level, samples, rgb, rgba) in [
        (grey.clone(), &[7, 250][..], [7, 7, 7, 250, 250, 250], [7, 7, 7, 255, 250, 250, 250, 255]),
        (Level { photometric: 0, ..grey }, &[7, 250], [248, 248, 248, 5, 5, 5], [248, 248, 248, 255, 5, 5, 5, 255]),
        (alpha.clone(), &[9, 8, 7, 0, 0, 255, 50, 51], [255, 255, 255, 204, 255, 214], [9, 8, 7, 0, 0, 255, 50, 51]),
        (
            Level { extra: None, ..alpha },
            &[1, 2, 3, 255, 0, 51, 10, 51],
            [1, 2, 3, 204, 255, 214],
            [1, 2, 3, 255, 0, 255, 50, 51],
        ),
        (plain, &[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], [1, 2, 3, 255, 4, 5, 6, 255]),
    ] {
        let slide = two_pixels(level, samples).await;
        assert_eq!(read(&slide, 0, (2, 1), &[(0, 0)]).await, rgb);
        let plan = slide.plan_on(&request(0, (3, 1), &[(0, 0)]), Background::Transparent).unwrap();
        let patches = slide.fetch(&plan).await.unwrap().decode(&plan);
        assert_eq!(patches.pixels, [&rgba[..], &[0; 4]].concat());
    }
}

#[tokio::test]
async fn a_bad_tile_is_an_error_of_its_patches_only() {
    let level = raw_level((96, 32), (32, 32));
    let mut writer = Writer::new(CLASSIC);
    level.write(&mut writer, false, |tile| if tile == 1 { vec![1; 100] } else { raw_tile(0, &level, tile) });
    let at = 32 * 32 * 3 + 8;
    let slide = open_bytes(writer.out).await.unwrap();
    let patches = slide.read_patches(&request(0, (32, 32), &[(0, 0), (40, 0), (64, 0), (20, 0)])).await.unwrap();
    let said: Vec<(usize, String)> = patches.errors.iter().map(|(index, error)| (*index, error.to_string())).collect();
    let message =
        format!("cannot read a patch of az://slides/case/a.svs: tile has 100 of 3072 bytes (IFD 0, tile 1, byte {at})");
    assert_eq!(said, [(1, message.clone()), (3, message)]);
    assert_eq!(patches.errors[0].1.category(), "Truncated");
    let all = patches.pixels.chunks_exact(32 * 32 * 3);
    let origins = [Some(0), None, Some(64), None];
    for (pixels, origin) in all.zip(origins) {
        match origin {
            Some(x) => assert!(pixels == expected(0, (96, 32), (32, 32), (x, 0))),
            None => assert!(pixels.iter().all(|sample| *sample == 255)),
        }
    }
}

#[tokio::test]
async fn tiles_outside_the_file_are_errors_of_their_patches() {
    let level = raw_level((64, 32), (32, 32));
    let mut writer = Writer::new(CLASSIC);
    let at = writer.data(&raw_tile(0, &level, 0));
    writer.directory(&level.entries(false, vec![at, 1 << 30], vec![3072, u32::MAX - 5], CLASSIC));
    let slide = open_bytes(writer.out).await.unwrap();
    let patches = slide.read_patches(&request(0, (32, 32), &[(0, 0), (32, 0)])).await.unwrap();
    assert_eq!(
        patches.errors.iter().map(|(index, error)| (*index, error.category())).collect::<Vec<_>>(),
        [(1, "Limit")]
    );
    assert!(patches.pixels[..3072] == expected(0, (64, 32), (32, 32), (0, 0)));
}

#[tokio::test]
async fn impossible_requests_are_refused() {
    let slide = open_bytes(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await.unwrap();
    for (request, category) in [
        (request(1, (8, 8), &[(0, 0)]), "Request"),
        (request(0, (0, 8), &[(0, 0)]), "Request"),
        (request(0, (u32::MAX, u32::MAX), &[(0, 0)]), "Limit"),
        (request(0, (1 << 14, 1 << 14), &[(0, 0); 9]), "Limit"),
    ] {
        assert_eq!(slide.plan(&request).unwrap_err().category(), category, "{request:?}");
    }
    assert_eq!(slide.plan(&request(0, (8, 8), &[])).unwrap().patch_count(), 0);
}

#[tokio::test]
async fn limits_of_a_request_hold() {
    let store = memory(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await;
    // The request takes four tiles of 768 bytes.
    for (limits, said) in [
        (Limits { placements: 3, ..Limits::default() }, "request touches 4 tiles"),
        (Limits { fetch_bytes: 3071, ..Limits::default() }, "request would fetch more than 3071 bytes"),
        (Limits { decode_pixels: 1023, ..Limits::default() }, "request would decode 1024 pixels"),
        (Limits { patch_bytes: 767, ..Limits::default() }, "1 patches of 16x16 pixels exceed 767 bytes"),
    ] {
        let slide = open_in(store.clone(), &limits).await.unwrap();
        let error = slide.plan(&request(0, (16, 16), &[(8, 8)])).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read az://slides/case/a.svs: {said}"));
        assert_eq!(error.category(), "Limit");
    }
}

#[tokio::test]
async fn unread_kinds_are_refused_by_name() {
    let level = raw_level((60, 50), (16, 16));
    for (level, said) in [
        (Level { compression: 34712, ..level.clone() }, "compression 34712 (JPEG 2000) is not read (IFD 0, byte "),
        (Level { compression: 50001, ..level.clone() }, "compression 50001 (WebP) is not read (IFD 0, byte "),
        (Level { photometric: 6, ..level.clone() }, "uncompressed YCbCr is not read (IFD 0, byte "),
        (Level { bits: 16, ..level.clone() }, "samples of 16 bits are not read, only of 8 (IFD 0, byte "),
        (Level { samples: 5, ..level.clone() }, "5 samples per pixel (IFD 0, byte "),
        (
            Level { compression: 8, predictor: 3, ..level.clone() },
            "the floating-point predictor is not read (IFD 0, byte ",
        ),
        (Level { photometric: 3, ..level.clone() }, "photometric interpretation 3 (IFD 0, byte "),
    ] {
        let error = open_bytes(raw_slide(CLASSIC, &[level])).await.unwrap_err();
        assert_eq!(error.category(), "Unsupported");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// A slide's sizes, and the patches of one request on it.
#[derive(Debug, Clone)]
struct Case {
    size: (u32, u32),
    tile: (u32, u32),
    patch: (u32, u32),
    origins: Vec<(i64, i64)>,
    gap_bytes: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = ((1u32..90, 1u32..90), (1u32..40, 1u32..40), (1u32..50, 1u32..50));
    let origins = prop::collection::vec((-60i64..120, -60i64..120), 1..8);
    (sizes, origins, 0u64..5000).prop_map(|((size, tile, patch), origins, gap_bytes)| Case {
        size,
        tile,
        patch,
        origins,
        gap_bytes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_patch_is_a_crop_of_its_level_alone_and_in_a_batch(case in cases()) {
        let Case { size, tile, patch, origins, gap_bytes } = case;
        let (batch, alone) = block_on(async {
            let slide = open_bytes(raw_slide(CLASSIC, &[raw_level(size, tile)])).await.unwrap();
            let request = PatchRequest { gap_bytes, ..request(0, patch, &origins) };
            let batch = slide.read_patches(&request).await.unwrap();
            let mut alone = Vec::new();
            for origin in &origins {
                alone.extend(read(&slide, 0, patch, &[*origin]).await);
            }
            (batch, alone)
        });
        prop_assert_eq!(batch.errors, vec![]);
        let level: Vec<u8> = origins.iter().flat_map(|origin| expected(0, size, patch, *origin)).collect();
        prop_assert!(batch.pixels == level);
        prop_assert!(alone == level);
    }

    #[test]
    fn a_plan_fetches_each_tile_once_and_little_else(case in cases()) {
        let Case { size, tile, patch, origins, gap_bytes } = case;
        let plan = block_on(async {
            let slide = open_bytes(raw_slide(CLASSIC, &[raw_level(size, tile)])).await.unwrap();
            slide.plan(&PatchRequest { gap_bytes, ..request(0, patch, &origins) }).unwrap()
        });
        let numbers: Vec<u64> = plan.tiles().map(|tile| tile.number).collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        for tile in plan.tiles() {
            let bytes = tile.bytes().unwrap();
            let covering = plan.ranges().iter().filter(|range| range.start <= bytes.start && bytes.end <= range.end);
            prop_assert_eq!(covering.count(), 1);
        }
        let gaps = plan.tiles().count().saturating_sub(1) as u64 * gap_bytes;
        prop_assert!(plan.needed_bytes() <= plan.fetch_bytes() && plan.fetch_bytes() <= plan.needed_bytes() + gaps);
    }
}
