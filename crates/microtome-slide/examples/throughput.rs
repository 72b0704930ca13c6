//! Patches a second of one thread, from a slide on disk: `throughput SLIDE PATCHES`. Run by `make bench` beside the peers.
//!
//! Prints one JSON object a line: reader, pattern, patches_per_second, patches, tiles_decoded, tiles_unique. Coordinates are those of `tests/bench/peers.py`.
//! "one by one" asks for each patch alone, as the peers do; "batches" for as many at once as a lease of the feed has; "codec"
//! decodes the tiles of the aligned pattern and nothing else, the most that any reader with this codec can reach. A grid is of the
//! whole slide, so that each tile of it counts once. The rows take turns, and each counts by its median of several rounds. Memory
//! comes from the allocator of `microtome`.

use std::collections::HashSet;
use std::error::Error;
use std::time::Instant;

use microtome_slide::{
    Fetched, GAP_RANDOM_BYTES, GAP_SCAN_BYTES, Limits, PatchRequest, ReadPlan, Scale, Slide, SlideUrl, Stores,
    TileCache,
};

const SIZE: u32 = 256;
/// As many patches as a lease of the feed holds: 4 MiB of a grid, 8 of random places.
const GRID_BATCH: usize = 21;
const RANDOM_BATCH: usize = 8;
const ROUNDS: usize = 7;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let slide = Slide::open(&Stores::from_env(), &url, &Limits::default()).await?;
    let size = (slide.info().width, slide.info().height);
    let mut rows = vec![Row::codec(&slide, coordinates("aligned", count, size)).await?];
    for pattern in ["aligned", "random", "grid"] {
        let lease = if pattern == "grid" { GRID_BATCH } else { RANDOM_BATCH };
        for (reader, batch) in [("Microtome, one by one", 1), ("Microtome, batches", lease)] {
            // A scan keeps two rows of tiles, and a little more for the batch under way.
            let tiles = TileCache::new(u64::from(size.0) * u64::from(SIZE) * 3 * 22 / 10);
            let stores = Stores::from_env();
            let stores = if pattern == "grid" { stores.caching_tiles(tiles) } else { stores };
            let slide = Slide::open(&stores, &url, &Limits::default()).await?;
            let places = coordinates(pattern, count, size);
            let unique = tiles_of(&places, size);
            let work = Work::Read { slide, places, batch };
            rows.push(Row { reader, pattern, work, unique, decoded: 0, seconds: Vec::new(), pixels: Vec::new() });
        }
    }
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.round().await?;
        }
    }
    rows.iter_mut().for_each(Row::print);
    Ok(())
}

/// A row of the table: what is read, and what came of it.
struct Row {
    reader: &'static str,
    pattern: &'static str,
    work: Work,
    /// Tiles that are decoded in a round, and the different ones that are needed.
    decoded: u64,
    unique: u64,
    seconds: Vec<f64>,
    pixels: Vec<u8>,
}

enum Work {
    Read {
        slide: Slide,
        places: Vec<(i64, i64)>,
        batch: usize,
    },
    /// Fetching is done before the clock starts, and aligned patches are tiles: what is left is decoding.
    Decode(Vec<(Fetched, ReadPlan)>),
}

impl Row {
    async fn codec(slide: &Slide, places: Vec<(i64, i64)>) -> Result<Self, Box<dyn Error>> {
        let mut fetched = Vec::new();
        for origin in places {
            let plan = slide.plan(&request("aligned", &[origin]))?;
            fetched.push((slide.fetch(&plan).await?, plan));
        }
        let (reader, unique, work) = ("Microtome, codec", fetched.len() as u64, Work::Decode(fetched));
        Ok(Self { reader, pattern: "aligned", work, unique, decoded: 0, seconds: Vec::new(), pixels: Vec::new() })
    }

    async fn round(&mut self) -> Result<(), Box<dyn Error>> {
        let (began, mut pixels) = (Instant::now(), std::mem::take(&mut self.pixels));
        self.decoded = 0;
        match &self.work {
            Work::Decode(fetched) => {
                for (tiles, plan) in fetched {
                    pixels = std::hint::black_box(tiles.decode_into(plan, pixels)).pixels;
                    self.decoded += 1;
                }
            }
            Work::Read { slide, places, batch } => {
                for origins in places.chunks(*batch) {
                    let plan = slide.plan(&request(self.pattern, origins))?;
                    let patches = slide.fetch(&plan).await?.decode_into(&plan, pixels);
                    pixels = patches.pixels;
                    self.decoded += patches.tiles_decoded;
                    if let Some((_, error)) = patches.errors.into_iter().next() {
                        return Err(error.into());
                    }
                }
            }
        }
        self.pixels = pixels;
        self.seconds.push(began.elapsed().as_secs_f64());
        Ok(())
    }

    fn print(&mut self) {
        let Self { reader, pattern, work, decoded, unique, seconds, .. } = self;
        let patches = match work {
            Work::Read { places, .. } => places.len(),
            Work::Decode(fetched) => fetched.len(),
        };
        seconds.sort_by(f64::total_cmp);
        let rate = (patches as f64 / seconds[seconds.len() / 2]).round();
        println!(
            "{{\"reader\": \"{reader}\", \"pattern\": \"{pattern}\", \"patches_per_second\": {rate}, \
             \"patches\": {patches}, \"tiles_decoded\": {decoded}, \"tiles_unique\": {unique}}}"
        );
    }
}

fn request(pattern: &str, origins: &[(i64, i64)]) -> PatchRequest {
    let gap_bytes = if pattern == "grid" { GAP_SCAN_BYTES } else { GAP_RANDOM_BYTES };
    PatchRequest { scale: Scale::Level(0), width: SIZE, height: SIZE, origins: origins.to_vec(), gap_bytes }
}

/// How many different tiles patches touch, all together; the slide's are as large as the patches.
fn tiles_of(places: &[(i64, i64)], (width, height): (u32, u32)) -> u64 {
    let edge = i64::from(SIZE);
    let along = |at: i64, end: u32| at / edge..=(at + edge - 1).min(i64::from(end) - 1) / edge;
    let of = |(x, y): &(i64, i64)| {
        let rows = along(*y, height);
        along(*x, width).flat_map(move |column| rows.clone().map(move |row| (column, row)))
    };
    places.iter().flat_map(of).collect::<HashSet<_>>().len() as u64
}

fn coordinates(pattern: &str, count: usize, (width, height): (u32, u32)) -> Vec<(i64, i64)> {
    let mut state = 7_u64;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % bound
    };
    let (columns, rows) = (width / SIZE, height / SIZE);
    let count = if pattern == "grid" { (columns - 1) * (rows - 1) } else { count as u32 };
    let columns = columns - 1;
    let place = |number: u32| match pattern {
        "grid" => (number % columns * SIZE + 100, number / columns * SIZE + 100),
        "aligned" => (next(width - SIZE) / SIZE * SIZE, next(height - SIZE) / SIZE * SIZE),
        _ => (next(width - SIZE), next(height - SIZE)),
    };
    (0..count).map(place).map(|(x, y)| (i64::from(x), i64::from(y))).collect()
}
