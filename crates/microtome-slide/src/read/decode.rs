//! Decoding of fetched tiles, straight into the patches.
//!
//! A tile that one patch needs is decoded into that patch's buffer; one that several need is decoded once, as far as any
//! of them needs it, and copied. Tiles that the file leaves out are made from the finer level, which is decoded first.

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    fetch::Fetched,
    laid::{Laid, Placement, PlannedTile},
    plan::ReadPlan,
    request::Patches,
};
use crate::{
    Fault, PatchError,
    codec::{Color, EncodedTile, Scratch, Target},
    formats::Level,
};

/// What the decoding of laid patches works with.
struct Decoder<'a> {
    laid: &'a Laid,
    fetched: &'a Fetched,
    scratch: Scratch,
    /// Pixels of a tile that several patches share.
    shared: Vec<u8>,
}

/// What a thread keeps from plan to plan: new buffers for each would cost page faults, some tenth of the decoding.
#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    shared: Vec<u8>,
}

/// Largest buffers kept: some tiles of 512 pixels.
const KEPT_BYTES: usize = 4 << 20;

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// First fault of each patch that has one.
type Faults = BTreeMap<usize, Fault>;

pub(super) fn decode(plan: &ReadPlan, fetched: &Fetched) -> Patches {
    let size = plan.patch_bytes();
    let mut pixels = vec![plan.format().background(); plan.patch_count() * size];
    let mut faults = Faults::new();
    for part in plan.parts() {
        let found = match plan.resampler() {
            None => decode_laid(&part.laid, fetched, &mut pixels),
            Some(resampler) => {
                let (source, found) = decode_anew(&part.laid, fetched);
                for (source, patch) in source.chunks_exact(part.laid.patch_bytes()).zip(&part.patches) {
                    resampler.run(source, &mut pixels[patch * size..(patch + 1) * size]);
                }
                found
            }
        };
        faults.extend(found.into_iter().map(|(patch, fault)| (part.patches[patch], fault)));
    }
    for patch in faults.keys() {
        pixels[patch * size..(patch + 1) * size].fill(plan.format().background());
    }
    let url = plan.slide().url();
    let error = |fault| PatchError { url: url.clone(), fault };
    Patches { pixels, errors: faults.into_iter().map(|(patch, fault)| (patch, error(fault))).collect() }
}

/// Decodes laid patches into a buffer of their own.
fn decode_anew(laid: &Laid, fetched: &Fetched) -> (Vec<u8>, Faults) {
    let mut pixels = vec![laid.format().background(); laid.patches() * laid.patch_bytes()];
    let faults = decode_laid(laid, fetched, &mut pixels);
    (pixels, faults)
}

/// Decodes laid patches into pixels that are all background.
fn decode_laid(laid: &Laid, fetched: &Fetched, pixels: &mut [u8]) -> Faults {
    let mut faults = fill(laid, fetched, pixels);
    let Buffers { scratch, shared } = BUFFERS.take();
    let mut decoder = Decoder { laid, fetched, scratch, shared };
    for tile in laid.tiles() {
        if let Err(fault) = decoder.place(tile, pixels) {
            blame(laid, tile, &fault, &mut faults);
        }
    }
    let Decoder { scratch, shared, .. } = decoder;
    if scratch.bytes() + shared.capacity() <= KEPT_BYTES {
        BUFFERS.set(Buffers { scratch, shared });
    }
    faults
}

/// Makes the tiles that are left out and places them.
fn fill(laid: &Laid, fetched: &Fetched, pixels: &mut [u8]) -> Faults {
    let mut faults = Faults::new();
    let Some(fill) = laid.fill() else { return faults };
    let (finer, finer_faults) = decode_anew(&fill.laid, fetched);
    for (index, samples) in fill.tiles(&finer) {
        for placement in laid.tiles().get(index).map_or(&[][..], |tile| laid.placements(tile)) {
            target(laid, placement, pixels).put(&samples, laid.level().layout.width, Color::Rgba);
        }
    }
    for (patch, fault) in finer_faults {
        if let Some(tile) = fill.tile_of(patch).and_then(|tile| laid.tiles().get(tile)) {
            blame(laid, tile, &fault, &mut faults);
        }
    }
    faults
}

fn blame(laid: &Laid, tile: &PlannedTile, fault: &Fault, faults: &mut Faults) {
    for placement in laid.placements(tile) {
        faults.entry(placement.patch).or_insert_with(|| fault.clone());
    }
}

impl Decoder<'_> {
    /// Decodes one tile and puts its pieces into their patches.
    fn place(&mut self, tile: &PlannedTile, pixels: &mut [u8]) -> Result<(), Fault> {
        let Some(bytes) = self.fetched.tile(tile)? else { return Ok(()) };
        match self.laid.placements(tile) {
            [] => Ok(()),
            [only] => {
                let target = target(self.laid, only, pixels);
                self.decode(tile, bytes, target)
            }
            several => self.decode_shared(tile, bytes, several, pixels),
        }
    }

    fn decode_shared(
        &mut self,
        tile: &PlannedTile,
        bytes: &[u8],
        placements: &[Placement],
        pixels: &mut [u8],
    ) -> Result<(), Fault> {
        let regions = placements.iter().map(|placement| placement.region);
        let Some(region) = regions.reduce(|one, other| one.union(other)) else { return Ok(()) };
        let format = self.laid.format();
        let stride = region.width as usize * format.bytes();
        let mut shared = std::mem::take(&mut self.shared);
        shared.resize(stride * region.height as usize, 0);
        let outcome = self.decode(tile, bytes, Target { region, pixels: &mut shared, stride, format });
        if outcome.is_ok() {
            for placement in placements {
                let (left, top) = (placement.region.x - region.x, placement.region.y - region.y);
                let source = shared.chunks_exact(stride).skip(top as usize);
                let (left, length) = (left as usize * format.bytes(), placement.region.width as usize * format.bytes());
                for (to, from) in target(self.laid, placement, pixels).rows().zip(source) {
                    to.copy_from_slice(&from[left..left + length]);
                }
            }
        }
        self.shared = shared;
        outcome
    }

    fn decode(&mut self, tile: &PlannedTile, bytes: &[u8], target: Target<'_>) -> Result<(), Fault> {
        let level = self.laid.level();
        let Level { codec, tables, directory, .. } = level;
        let scans = self.laid.slide().limits().scans;
        let encoded = EncodedTile { bytes, tables, layout: level.layout_of(tile.number), scans };
        let scratch = &mut self.scratch;
        // Decoders are other people's code and their input is hostile: a panic in one is a fault of this tile. The scratch
        // and the target may be half written; both are overwritten or discarded.
        let outcome = catch_unwind(AssertUnwindSafe(|| codec.decode(encoded, target, scratch)));
        let fault = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Fault::from(error),
            Err(_) => Fault::malformed("decoder gave up on the tile"),
        };
        let fault = fault.in_directory(*directory).in_tile(tile.number);
        Err(tile.bytes().map_or(fault.clone(), |bytes| fault.at(bytes.start)))
    }
}

/// The part of its patch that a placement fills.
fn target<'a>(laid: &Laid, placement: &Placement, pixels: &'a mut [u8]) -> Target<'a> {
    let stride = laid.stride();
    let format = laid.format();
    let left = placement.x as usize * format.bytes();
    let start = placement.patch * laid.patch_bytes() + placement.y as usize * stride + left;
    Target { region: placement.region, pixels: &mut pixels[start..], stride, format }
}
