//! Processor time of one thread. Every decoder takes its turn in every round, and medians over rounds are given.

use std::hint::black_box;

use microtome_jpeg::{ColorTransform, Decoder, Header, Index, PixelFormat, Region, Request, Target};
use zune_jpeg::{JpegDecoder, zune_core::bytestream::ZCursor, zune_core::options::DecoderOptions};

use crate::{
    random::Random,
    tissue::Tissue,
    turbo::{self, Encoding, SAMPLINGS},
};

const SIDE: usize = 256;
const ROUNDS: usize = 31;
/// Patches, and whole tiles, a round.
const PATCHES: usize = 60;

/// A grid of tiles.
struct Slide {
    across: usize,
    down: usize,
    tiles: Vec<Vec<u8>>,
}

impl Slide {
    fn encode(tissue: &Tissue, encoding: Encoding) -> Self {
        let (across, down) = (tissue.width / SIDE, tissue.height / SIDE);
        let places = (0..across * down).map(|at| (at % across * SIDE, at / across * SIDE));
        let tiles = places.map(|(x, y)| turbo::encode(&tissue.cut(x, y, SIDE, SIDE), SIDE, encoding)).collect();
        Self { across, down, tiles }
    }

    /// The tiles under a patch, and what of each goes where in it.
    fn parts(&self, x: usize, y: usize) -> impl Iterator<Item = (usize, Region, usize)> {
        let axis = |start: usize| {
            let first = (start / SIDE, start % SIDE, SIDE - start % SIDE, 0);
            let second = (start / SIDE + 1, 0, start % SIDE, SIDE - start % SIDE);
            [first, second].into_iter().filter(|part| part.2 > 0)
        };
        axis(y).flat_map(move |(row, y, height, to_y)| {
            axis(x).map(move |(column, x, width, to_x)| {
                let region = Region { x: x as u32, y: y as u32, width: width as u32, height: height as u32 };
                (row * self.across + column, region, (to_y * SIDE + to_x) * 3)
            })
        })
    }
}

fn zune(jpeg: &[u8], out: &mut [u8]) {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), DecoderOptions::default());
    decoder.decode_into(out).expect("a tile");
}

/// Decodes a region by this crate.
fn own(decoder: &mut Decoder, jpeg: &[u8], region: Region, out: &mut [u8], index: Option<&mut Index>) {
    let header = Header::parse(jpeg, &[]).expect("a header");
    let target = Target { pixels: out, stride: SIDE * 3, format: PixelFormat::Rgb };
    let request = Request { region, transform: ColorTransform::YCbCr };
    decoder.decode_region(&header, request, target, index).expect("a region");
}

/// Copies what is wanted of a whole tile.
fn copy(tile: &[u8], region: Region, out: &mut [u8]) {
    let Region { x, y, width, height } = region;
    for (from, to) in tile.chunks_exact(SIDE * 3).skip(y as usize).take(height as usize).zip(out.chunks_mut(SIDE * 3)) {
        to[..width as usize * 3].copy_from_slice(&from[x as usize * 3..(x + width) as usize * 3]);
    }
}

type Way<'a> = (&'static str, Box<dyn FnMut(usize, Region, &mut [u8]) + 'a>);

/// The ways to get a part of a tile.
fn ways<'a>(slide: &'a Slide, mcu: u32, spacings: &[(&'static str, u32)]) -> Vec<Way<'a>> {
    let tiles = &slide.tiles;
    let mut ways: Vec<Way<'a>> = Vec::new();
    let (mut decoder, mut tile) = (turbo::Decoder::new(), vec![0; SIDE * SIDE * 3]);
    ways.push((
        "libjpeg-turbo, in full",
        Box::new(move |at, region, out| {
            if region.width as usize * region.height as usize == SIDE * SIDE {
                return decoder.whole(&tiles[at], out);
            }
            decoder.whole(&tiles[at], &mut tile);
            copy(&tile, region, out);
        }),
    ));
    let (mut decoder, mut tile) = (turbo::Decoder::new(), vec![0; SIDE * SIDE * 3]);
    ways.push((
        "libjpeg-turbo, crop + skip",
        Box::new(move |at, region, out| {
            let left = region.x / mcu * mcu;
            let width = region.x + region.width - left;
            let cut = [left, region.y, width, region.height].map(|value| value as i32);
            decoder.cut(&tiles[at], cut, &mut tile, SIDE * 3);
            copy(&tile, Region { x: region.x - left, y: 0, ..region }, out);
        }),
    ));
    let mut tile = vec![0; SIDE * SIDE * 3];
    ways.push((
        "zune-jpeg, in full",
        Box::new(move |at, region, out| {
            if region.width as usize * region.height as usize == SIDE * SIDE {
                return zune(&tiles[at], out);
            }
            zune(&tiles[at], &mut tile);
            copy(&tile, region, out);
        }),
    ));
    let mut decoder = Decoder::default();
    ways.push(("own", Box::new(move |at, region, out| own(&mut decoder, &tiles[at], region, out, None))));
    for (name, spacing) in spacings {
        let mut decoder = Decoder::default();
        let mut indices: Vec<Index> = tiles.iter().map(|_| Index::new(*spacing, 1 << 20)).collect();
        let (mut scratch, region) = (vec![0; SIDE * SIDE * 3], Region { x: 0, y: 0, width: 256, height: 256 });
        for (tile, index) in tiles.iter().zip(&mut indices) {
            own(&mut decoder, tile, region, &mut scratch, Some(index));
        }
        ways.push((
            name,
            Box::new(move |at, region, out| own(&mut decoder, &tiles[at], region, out, Some(&mut indices[at]))),
        ));
    }
    ways
}

/// Seconds of processor time of this thread: others on the machine do not count.
#[allow(unsafe_code, reason = "a C library")]
fn cpu_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Microseconds a patch, or a tile, by each way.
fn measure(slide: &Slide, mut ways: Vec<Way<'_>>, whole: bool) {
    let (mut random, mut patch) = (Random(7), vec![0; SIDE * SIDE * 3]);
    let mut times = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        let step = if whole { SIDE } else { 1 };
        let at = |random: &mut Random, tiles: usize| random.below(((tiles - 1) * SIDE) / step) * step;
        let places: Vec<(usize, usize)> =
            (0..PATCHES).map(|_| (at(&mut random, slide.across), at(&mut random, slide.down))).collect();
        for ((_, way), times) in ways.iter_mut().zip(&mut times) {
            let start = cpu_time();
            for (x, y) in &places {
                for (tile, region, to) in slide.parts(*x, *y) {
                    way(tile, region, &mut patch[to..]);
                }
                black_box(&mut patch);
            }
            times.push((cpu_time() - start) * 1e6 / PATCHES as f64);
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for ((name, _), (time, times)) in ways.iter().zip(medians.iter().zip(&times)) {
        println!(
            "  {name:28} {time:7.1} us (least {:7.1}) {:7.0} /s {:5.2} x turbo",
            times[0],
            1e6 / time,
            medians[0] / time
        );
    }
}

/// This crate alone, on whole tiles or on random patches, for a profiler.
pub(crate) fn profile(tissue: &Tissue, step: usize, optimize: bool) {
    let slide = Slide::encode(tissue, Encoding { sampling: SAMPLINGS[2].1, quality: 75, optimize, restart: 0 });
    let (mut decoder, mut random, mut patch) = (Decoder::default(), Random(7), vec![0; SIDE * SIDE * 3]);
    let start = cpu_time();
    for _ in 0..10_000 {
        let [x, y] = [slide.across, slide.down].map(|tiles| random.below((tiles - 1) * SIDE / step) * step);
        for (tile, region, to) in slide.parts(x, y) {
            own(&mut decoder, &slide.tiles[tile], region, &mut patch[to..], None);
        }
    }
    println!("{:.1} us", (cpu_time() - start) * 100.0);
}

/// All samplings, or one.
pub(crate) fn run(tissue: &Tissue, only: Option<&str>) {
    for (name, sampling) in SAMPLINGS {
        for optimize in [false, true] {
            if optimize && name != "4:2:0" || only.is_some_and(|only| only != name) {
                continue;
            }
            let slide = Slide::encode(tissue, Encoding { sampling, quality: 75, optimize, restart: 0 });
            let bytes: usize = slide.tiles.iter().map(Vec::len).sum();
            let tables = if optimize { "tables of each tile's own" } else { "standard tables" };
            let mcu = if matches!(name, "4:2:0" | "4:2:2") { 16 } else { 8 };
            println!("{name}, {tables}, {} bytes a tile", bytes / slide.tiles.len());
            println!(" one whole tile");
            measure(&slide, ways(&slide, mcu, &[]), true);
            println!(" one random patch of {SIDE} x {SIDE}");
            let by_row = SIDE as u32 / mcu;
            measure(
                &slide,
                ways(&slide, mcu, &[("own, index by MCU row", by_row), ("own, index every 4 MCUs", 4)]),
                false,
            );
        }
    }
}
