//! Decoding of fetched tiles, straight into the patches.
//!
//! Tiles that the file leaves out are made from the finer level, which is decoded first.

use std::collections::BTreeMap;

use super::{
    fetch::Fetched,
    laid::{Laid, PlannedTile},
    plan::ReadPlan,
    request::Patches,
    tile::{Decoder, targets},
};
use crate::{
    Fault, PatchError,
    codec::{Color, Target},
};

/// First fault of each patch that has one.
type Faults = BTreeMap<usize, Fault>;

/// What has come of the patches so far, beside their pixels.
#[derive(Default)]
struct Outcome {
    faults: Faults,
    tiles_decoded: u64,
}

/// Decodes into `pixels`, whatever they hold.
pub(super) fn decode(plan: &ReadPlan, fetched: &Fetched, mut pixels: Vec<u8>) -> Patches {
    clear(plan, &mut pixels);
    let size = plan.patch_bytes();
    let mut outcome = Outcome::default();
    for part in plan.parts() {
        let of_part = Laying { laid: &part.laid, fetched, scan: plan.is_scan() };
        let found = match plan.resampler() {
            None => of_part.decode(&mut pixels),
            Some(resampler) => {
                let (source, found) = of_part.decode_anew();
                for (source, patch) in source.chunks_exact(part.laid.patch_bytes()).zip(&part.patches) {
                    resampler.run(source, &mut pixels[patch * size..(patch + 1) * size]);
                }
                found
            }
        };
        outcome.faults.extend(found.faults.into_iter().map(|(patch, fault)| (part.patches[patch], fault)));
        outcome.tiles_decoded += found.tiles_decoded;
    }
    for patch in outcome.faults.keys() {
        pixels[patch * size..(patch + 1) * size].fill(plan.format().background());
    }
    let url = plan.slide().url();
    let error = |fault| PatchError { url: url.clone(), fault };
    let errors = outcome.faults.into_iter().map(|(patch, fault)| (patch, error(fault))).collect();
    Patches { pixels, errors, tiles_decoded: outcome.tiles_decoded }
}

/// Makes room for a plan's patches, and background of those that show some: what tiles cover is written once, by them.
fn clear(plan: &ReadPlan, pixels: &mut Vec<u8>) {
    let (size, background) = (plan.patch_bytes(), plan.format().background());
    let old = pixels.len();
    pixels.resize(plan.patch_count() * size, background);
    if old == 0 || plan.resampler().is_some() {
        // What is resampled is written whole.
        return;
    }
    for part in plan.parts() {
        for (patch, _) in part.patches.iter().zip(part.laid.covered()).filter(|(_, covered)| !covered) {
            pixels[patch * size..(patch + 1) * size].fill(background);
        }
    }
}

/// Laid patches to be decoded.
struct Laying<'a> {
    laid: &'a Laid,
    fetched: &'a Fetched,
    /// Whether tiles that are needed in part are kept.
    scan: bool,
}

impl Laying<'_> {
    /// Decodes into a buffer of its own.
    fn decode_anew(&self) -> (Vec<u8>, Outcome) {
        let mut pixels = vec![self.laid.format().background(); self.laid.patches() * self.laid.patch_bytes()];
        let outcome = self.decode(&mut pixels);
        (pixels, outcome)
    }

    /// Decodes into pixels that are all background.
    fn decode(&self, pixels: &mut [u8]) -> Outcome {
        let mut outcome = self.fill(pixels);
        let mut decoder = Decoder::new(self.laid, self.fetched, self.scan);
        for tile in self.laid.tiles() {
            if let Err(fault) = decoder.place(tile, pixels) {
                blame(self.laid, tile, &fault, &mut outcome.faults);
            }
        }
        outcome.tiles_decoded += decoder.finish();
        outcome
    }

    /// Makes the tiles that are left out and places them.
    fn fill(&self, pixels: &mut [u8]) -> Outcome {
        let laid = self.laid;
        let mut outcome = Outcome::default();
        let Some(fill) = laid.fill() else { return outcome };
        let (finer, found) = Laying { laid: &fill.laid, ..*self }.decode_anew();
        outcome.tiles_decoded = found.tiles_decoded;
        for (index, samples) in fill.tiles(&finer) {
            let placements = laid.tiles().get(index).map_or(&[][..], |tile| laid.placements(tile));
            let mut targets = targets(laid, placements, pixels);
            Target::put_all(&mut targets, &samples, laid.level().layout.width, Color::Rgba);
        }
        for (patch, fault) in found.faults {
            if let Some(tile) = fill.tile_of(patch).and_then(|tile| laid.tiles().get(tile)) {
                blame(laid, tile, &fault, &mut outcome.faults);
            }
        }
        outcome
    }
}

fn blame(laid: &Laid, tile: &PlannedTile, fault: &Fault, faults: &mut Faults) {
    for placement in laid.placements(tile) {
        faults.entry(placement.patch).or_insert_with(|| fault.clone());
    }
}
