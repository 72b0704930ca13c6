//! Scans with a cache of decoded tiles: each tile is decoded and fetched once, within bounded memory.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{collections::HashSet, sync::Arc};

use microtome_slide::{
    Background, GAP_RANDOM_BYTES, GAP_SCAN_BYTES, Limits, PatchRequest, RangeCache, Scale, Slide, SlideUrl, Stores,
    TileCache,
};
use object_store::{ObjectStore, ObjectStoreExt};
use support::{
    blob_path, blob_url, memory, open_in,
    store::Counting,
    tiff::{CLASSIC, Writer, raw_level, raw_slide, raw_tile},
};

/// 12 by 9 tiles of 50 pixels, 7,500 bytes each.
const SIZE: (u32, u32) = (600, 450);
const TILES: u64 = 12 * 9;
const TILE_BYTES: u64 = 50 * 50 * 3;

fn slide_bytes() -> Vec<u8> {
    raw_slide(CLASSIC, &[raw_level(SIZE, (50, 50))])
}

async fn open(store: Arc<dyn ObjectStore>, tiles: &TileCache) -> Slide {
    let stores = Stores::single(store).caching(RangeCache::new(1 << 20)).caching_tiles(tiles.clone());
    Slide::open(&stores, &blob_url(), &Limits::default()).await.unwrap()
}

fn patches(origins: &[(i64, i64)], gap_bytes: u64) -> PatchRequest {
    PatchRequest { scale: Scale::Level(0), width: 50, height: 50, origins: origins.to_vec(), gap_bytes }
}

/// Patches of 50 pixels in rows from the top, so many pixels apart, none of them on a tile's edge.
fn grid(stride: i64) -> Vec<(i64, i64)> {
    let along = |edge: u32| (17..i64::from(edge) - 50).step_by(stride as usize);
    along(SIZE.1).flat_map(|y| along(SIZE.0).map(move |x| (x, y))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_grid_decodes_and_fetches_each_tile_once() {
    for (stride, batch) in [(50, 1), (50, 7), (50, 64), (50, 1000), (25, 7), (25, 64)] {
        let store = Counting::new(memory(slide_bytes()).await, true);
        let plain = open_in(store.inner.clone(), &Limits::default()).await.unwrap();
        // Two rows of tiles, and those that a batch that lies in two rows takes more.
        let cache = TileCache::new((2 * 12 + 4) * TILE_BYTES);
        let slide = open(store, &cache).await;
        let (mut decoded, mut fetched) = (0, 0);
        for origins in grid(stride).chunks(batch) {
            let plan = slide.plan(&patches(origins, GAP_SCAN_BYTES)).unwrap();
            let tiles = slide.fetch(&plan).await.unwrap();
            let found = tiles.decode(&plan);
            let expected = plain.read_patches(&patches(origins, 0)).await.unwrap();
            assert!(found.pixels == expected.pixels, "{stride} {batch}");
            assert!(cache.bytes() <= 28 * TILE_BYTES);
            decoded += found.tiles_decoded;
            fetched += tiles.usage().bytes;
        }
        assert_eq!(decoded, TILES, "stride {stride}, batches of {batch}");
        assert!(fetched * 10 <= TILES * TILE_BYTES * 11, "stride {stride}, batches of {batch}: {fetched} bytes");
    }
}

/// JPEG tiles of 240 pixels: what is kept of them is where to go on, and it is gone on to once, twice or four times a tile.
#[tokio::test]
async fn a_grid_on_jpeg_tiles_decodes_each_once_and_keeps_less_than_pixels() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");
    let url = SlideUrl::parse(path).unwrap();
    let plain = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap();
    let (width, height) = (i64::from(plain.info().width), i64::from(plain.info().height));
    let along = |edge: i64, stride: i64| (0..=edge / stride).map(move |step| step * stride + 31);
    let cases = [(240, 240, Background::White), (60, 60, Background::Transparent), (300, 300, Background::White)];
    for ((size, stride, background), batch) in cases.into_iter().flat_map(|case| [(case, 7), (case, 64)]) {
        let cache = TileCache::new(64 << 20);
        let stores = Stores::from_env().caching_tiles(cache.clone());
        let slide = Slide::open(&stores, &url, &Limits::default()).await.unwrap();
        let (mut decoded, mut tiles) = (0, HashSet::new());
        let grid: Vec<_> = along(height, stride).flat_map(|y| along(width, stride).map(move |x| (x, y))).collect();
        for origins in grid.chunks(batch) {
            let origins = origins.to_vec();
            let wanted =
                PatchRequest { scale: Scale::Level(0), width: size, height: size, origins, gap_bytes: GAP_SCAN_BYTES };
            let plan = slide.plan_on(&wanted, background).unwrap();
            tiles.extend(plan.tiles().map(|tile| tile.number));
            let found = slide.fetch(&plan).await.unwrap().decode(&plan);
            let plan = plain.plan_on(&PatchRequest { gap_bytes: 0, ..wanted }, background).unwrap();
            let expected = plain.fetch(&plan).await.unwrap().decode(&plan);
            assert!(found.pixels == expected.pixels && found.errors.is_empty(), "{size}, batches of {batch}");
            decoded += found.tiles_decoded;
        }
        assert_eq!(decoded, tiles.len() as u64, "{size}, batches of {batch}");
        let pixels = decoded * 240 * 240 * background.pixel_bytes() as u64;
        // Where few leases end in the midst of a row.
        assert!(batch < 64 || cache.bytes() * 2 < pixels, "{size}: {} bytes instead of {pixels}", cache.bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn random_patches_put_nothing_in_but_take_out_what_is_there() {
    let store = Counting::new(memory(slide_bytes()).await, true);
    let cache = TileCache::new(1 << 20);
    let slide = open(store, &cache).await;
    let random = patches(&[(20, 20), (333, 333)], GAP_RANDOM_BYTES);
    assert_eq!(slide.read_patches(&random).await.unwrap().tiles_decoded, 8);
    assert_eq!(cache.bytes(), 0);
    slide.read_patches(&patches(&[(20, 20)], GAP_SCAN_BYTES)).await.unwrap();
    assert_eq!(cache.bytes(), 4 * TILE_BYTES);
    assert_eq!(slide.read_patches(&random).await.unwrap().tiles_decoded, 4);
}

#[tokio::test]
async fn a_tile_that_several_threads_want_is_decoded_by_one() {
    let slide = open(memory(slide_bytes()).await, &TileCache::new(1 << 20)).await;
    let plan = slide.plan(&patches(&[(20, 20), (120, 20)], GAP_SCAN_BYTES)).unwrap();
    let fetched = slide.fetch(&plan).await.unwrap();
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| fetched.decode(&plan))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|patches| patches.pixels == found[0].pixels));
    assert_eq!(found.iter().map(|patches| patches.tiles_decoded).sum::<u64>(), 8);
}

#[tokio::test]
async fn another_version_is_decoded_anew() {
    let store = memory(slide_bytes()).await;
    let cache = TileCache::new(1 << 20);
    let wanted = patches(&[(20, 20)], GAP_SCAN_BYTES);
    let before = open(store.clone(), &cache).await.read_patches(&wanted).await.unwrap();
    let mut other = slide_bytes();
    other.iter_mut().skip(8).take(400_000).for_each(|byte| *byte = !*byte);
    store.put(&blob_path(), other.into()).await.unwrap();
    let after = open(store, &cache).await.read_patches(&wanted).await.unwrap();
    assert!(after.tiles_decoded == 4 && after.pixels != before.pixels);
}

#[tokio::test]
async fn a_bad_tile_is_an_error_of_every_patch_that_needs_it() {
    let level = raw_level((200, 100), (50, 50));
    let mut writer = Writer::new(CLASSIC);
    level.write(&mut writer, false, |tile| if tile == 5 { vec![1; 100] } else { raw_tile(0, &level, tile) });
    let slide = open(memory(writer.out).await, &TileCache::new(1 << 20)).await;
    for _ in 0..2 {
        let read = slide.read_patches(&patches(&[(20, 20), (60, 20), (120, 20)], GAP_SCAN_BYTES)).await.unwrap();
        let bad: Vec<(usize, &str)> = read.errors.iter().map(|(patch, error)| (*patch, error.category())).collect();
        assert_eq!(bad, [(0, "Truncated"), (1, "Truncated")]);
        assert!(read.pixels[..2 * TILE_BYTES as usize].iter().all(|sample| *sample == 255));
    }
}

#[tokio::test]
async fn memory_that_was_used_before_shows_nothing_of_it() {
    let slide = open_in(memory(slide_bytes()).await, &Limits::default()).await.unwrap();
    for scale in [Scale::Level(0), Scale::Downsample(1.7)] {
        let wanted = PatchRequest { scale, ..patches(&[(-20, 420), (300, 300), (-900, 0), (570, 10)], 0) };
        let plan = slide.plan(&wanted).unwrap();
        let fetched = slide.fetch(&plan).await.unwrap();
        for used in [vec![7; 12], vec![7; 1 << 20]] {
            assert!(fetched.decode_into(&plan, used) == fetched.decode(&plan), "{scale:?}");
        }
    }
}
