//! Patches a second of one thread, from a slide on disk: `throughput SLIDE PATCHES`. Run by `make bench` beside the peers.
//!
//! Prints one JSON object a line: reader, pattern, patches_per_second, patches, tiles_decoded, tiles_unique. Coordinates are those of `tests/bench/peers.py`.
//! "one by one" asks for each patch alone, as the peers do; "batches" for 64 at once, as the feed does; "codec" decodes the
//! tiles of the aligned pattern and nothing else, the most that any reader with this codec can reach.

use std::collections::HashSet;
use std::error::Error;
use std::time::Instant;

use microtome_slide::{
    GAP_RANDOM_BYTES, GAP_SCAN_BYTES, Limits, PatchRequest, Scale, Slide, SlideUrl, Stores, TileCache,
};

const SIZE: u32 = 256;
/// As many patches as a lease of the feed holds.
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, count] = arguments.as_slice() else {
        return Err("usage: throughput SLIDE PATCHES".into());
    };
    // One thread for IO and decoding together: what a core gives.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build()?;
    runtime.block_on(measure(path, count.parse()?))
}

async fn measure(path: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let url = SlideUrl::parse(path)?;
    let plain = Slide::open(&Stores::from_env(), &url, &Limits::default()).await?;
    let size = (plain.info().width, plain.info().height);
    for pattern in ["aligned", "random", "grid"] {
        let places = coordinates(pattern, count, size);
        let unique = tiles(&places, size);
        for (reader, batch) in [("Microtome, one by one", 1), ("Microtome, batches", BATCH)] {
            // A scan keeps two rows of tiles, and a little more for the batch under way.
            let cache = TileCache::new(u64::from(size.0) * u64::from(SIZE) * 3 * 22 / 10);
            let slide = match pattern {
                "grid" => Slide::open(&Stores::from_env().caching_tiles(cache), &url, &Limits::default()).await?,
                _ => plain.clone(),
            };
            let (began, mut decoded) = (Instant::now(), 0);
            let mut pixels = Vec::new();
            for origins in places.chunks(batch) {
                let plan = slide.plan(&request(pattern, origins))?;
                let patches = slide.fetch(&plan).await?.decode_into(&plan, pixels);
                pixels = patches.pixels;
                decoded += patches.tiles_decoded;
                if let Some((_, error)) = patches.errors.into_iter().next() {
                    return Err(error.into());
                }
            }
            Report { reader, pattern, patches: places.len(), decoded, unique }.print(began);
        }
    }
    codec(&plain, &coordinates("aligned", count, size)).await
}

/// Fetching is done before the clock starts, and aligned patches are tiles: what is left is decoding.
async fn codec(slide: &Slide, places: &[(i64, i64)]) -> Result<(), Box<dyn Error>> {
    let mut fetched = Vec::new();
    for origin in places {
        let plan = slide.plan(&request("aligned", &[*origin]))?;
        fetched.push((slide.fetch(&plan).await?, plan));
    }
    let (began, mut pixels) = (Instant::now(), Vec::new());
    for (tiles, plan) in &fetched {
        pixels = std::hint::black_box(tiles.decode_into(plan, pixels)).pixels;
    }
    let (patches, tiles) = (places.len(), places.len() as u64);
    Report { reader: "Microtome, codec", pattern: "aligned", patches, decoded: tiles, unique: tiles }.print(began);
    Ok(())
}

fn request(pattern: &str, origins: &[(i64, i64)]) -> PatchRequest {
    let gap_bytes = if pattern == "grid" { GAP_SCAN_BYTES } else { GAP_RANDOM_BYTES };
    PatchRequest { scale: Scale::Level(0), width: SIZE, height: SIZE, origins: origins.to_vec(), gap_bytes }
}

/// How many different tiles patches touch, all together; the slide's are as large as the patches.
fn tiles(places: &[(i64, i64)], (width, height): (u32, u32)) -> u64 {
    let edge = i64::from(SIZE);
    let along = |at: i64, end: u32| at / edge..=(at + edge - 1).min(i64::from(end) - 1) / edge;
    let of = |(x, y): &(i64, i64)| {
        let rows = along(*y, height);
        along(*x, width).flat_map(move |column| rows.clone().map(move |row| (column, row)))
    };
    places.iter().flat_map(of).collect::<HashSet<_>>().len() as u64
}

/// One line of the result.
struct Report {
    reader: &'static str,
    pattern: &'static str,
    patches: usize,
    /// Tiles that were decoded, and the different ones that were needed.
    decoded: u64,
    unique: u64,
}

impl Report {
    fn print(&self, began: Instant) {
        let Self { reader, pattern, patches, decoded, unique } = self;
        let rate = (*patches as f64 / began.elapsed().as_secs_f64()).round();
        println!(
            "{{\"reader\": \"{reader}\", \"pattern\": \"{pattern}\", \"patches_per_second\": {rate}, \
             \"patches\": {patches}, \"tiles_decoded\": {decoded}, \"tiles_unique\": {unique}}}"
        );
    }
}

fn coordinates(pattern: &str, count: usize, (width, height): (u32, u32)) -> Vec<(i64, i64)> {
    let mut state = 7_u64;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % bound
    };
    let columns = width / SIZE;
    let place = |number: u32| match pattern {
        "grid" => (number % columns * SIZE + 100, number / columns * SIZE + 100),
        "aligned" => (next(width - SIZE) / SIZE * SIZE, next(height - SIZE) / SIZE * SIZE),
        _ => (next(width - SIZE), next(height - SIZE)),
    };
    (0..count as u32).map(place).map(|(x, y)| (i64::from(x), i64::from(y))).collect()
}
