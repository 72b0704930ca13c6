//! Patches a second of one thread, from a slide on disk: `throughput SLIDE PATCHES`. Run by `make bench` beside the peers.
//!
//! Prints one JSON object a line: reader, pattern, patches_per_second. Coordinates are those of `tests/bench/peers.py`.
//! "one by one" asks for each patch alone, as the peers do; "batches" for 64 at once, as the feed does; "codec" decodes the
//! tiles of the aligned pattern and nothing else, the most that any reader with this codec can reach.

use std::error::Error;
use std::time::Instant;

use microtome_slide::{GAP_RANDOM_BYTES, Limits, PatchRequest, Scale, Slide, SlideUrl, Stores};

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
    let slide = Slide::open(&Stores::from_env(), &SlideUrl::parse(path)?, &Limits::default()).await?;
    for pattern in ["aligned", "random", "grid"] {
        let places = coordinates(pattern, count, (slide.info().width, slide.info().height));
        for (reader, batch) in [("Microtome, one by one", 1), ("Microtome, batches", BATCH)] {
            let began = Instant::now();
            for origins in places.chunks(batch) {
                let patches = slide.read_patches(&request(origins)).await?;
                if let Some((_, error)) = patches.errors.into_iter().next() {
                    return Err(error.into());
                }
            }
            report(reader, pattern, places.len(), began);
        }
    }
    codec(&slide, &coordinates("aligned", count, (slide.info().width, slide.info().height))).await
}

/// Fetching is done before the clock starts, and aligned patches are tiles: what is left is decoding.
async fn codec(slide: &Slide, places: &[(i64, i64)]) -> Result<(), Box<dyn Error>> {
    let mut fetched = Vec::new();
    for origin in places {
        let plan = slide.plan(&request(&[*origin]))?;
        fetched.push((slide.fetch(&plan).await?, plan));
    }
    let began = Instant::now();
    for (tiles, plan) in &fetched {
        std::hint::black_box(tiles.decode(plan));
    }
    report("Microtome, codec", "aligned", places.len(), began);
    Ok(())
}

fn request(origins: &[(i64, i64)]) -> PatchRequest {
    PatchRequest {
        scale: Scale::Level(0),
        width: SIZE,
        height: SIZE,
        origins: origins.to_vec(),
        gap_bytes: GAP_RANDOM_BYTES,
    }
}

fn report(reader: &str, pattern: &str, patches: usize, began: Instant) {
    let rate = (patches as f64 / began.elapsed().as_secs_f64()).round();
    println!("{{\"reader\": \"{reader}\", \"pattern\": \"{pattern}\", \"patches_per_second\": {rate}}}");
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
