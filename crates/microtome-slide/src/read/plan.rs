//! The plan of a read: patches → unique tiles → merged ranges; pure.

use std::ops::Range;

use super::{
    geometry::{Patch, Piece},
    request::PatchRequest,
};
use crate::{
    Error, Fault, Slide,
    codec::Region,
    formats::Level,
    range::{LONGEST_RANGE_BYTES, merge},
};

/// What will be fetched and decoded for a request. Holds the slide, so that it can be decoded on any thread.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    slide: Slide,
    level: u32,
    width: u32,
    height: u32,
    patches: usize,
    gap_bytes: u64,
    ranges: Vec<Range<u64>>,
    tiles: Vec<PlannedTile>,
    placements: Vec<Placement>,
}

/// One tile that a plan needs; each tile of a plan is different.
#[derive(Debug, Clone)]
pub struct PlannedTile {
    /// Number of the tile in its level, row by row from 0.
    pub number: u64,
    pub(super) bytes: TileBytes,
    /// Its pieces, in the plan's placements.
    pub(super) placements: Range<usize>,
}

/// Where the bytes of a tile come from.
#[derive(Debug, Clone)]
pub(super) enum TileBytes {
    /// The file leaves the tile out.
    Missing,
    /// What is wrong with its entry in the index.
    Bad(Fault),
    /// These bytes of the blob.
    At(Range<u64>),
}

/// One piece of a tile in one patch.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    tile: u64,
    pub(super) patch: usize,
    pub(super) region: Region,
    pub(super) x: u32,
    pub(super) y: u32,
}

impl ReadPlan {
    /// The byte ranges to fetch, ascending; each is one request. What a cache holds of them is not fetched.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The tiles to decode, each once.
    pub fn tiles(&self) -> &[PlannedTile] {
        &self.tiles
    }

    /// Number of patches.
    pub fn patch_count(&self) -> usize {
        self.patches
    }

    /// Bytes of one decoded patch: `height · width · 3`.
    pub fn patch_bytes(&self) -> usize {
        self.height as usize * self.width as usize * 3
    }

    /// Bytes that the fetch will transfer.
    pub fn fetch_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Bytes of the tiles themselves: what a fetch without gaps would transfer.
    pub fn needed_bytes(&self) -> u64 {
        self.tiles.iter().filter_map(PlannedTile::bytes).map(|bytes| bytes.end - bytes.start).sum()
    }

    /// Where the tiles lie in the blob, in the order of the tiles.
    pub(crate) fn wanted(&self) -> Vec<Range<u64>> {
        self.tiles.iter().filter_map(PlannedTile::bytes).cloned().collect()
    }

    /// Unwanted bytes that may be fetched to save a request.
    pub(crate) fn gap_bytes(&self) -> u64 {
        self.gap_bytes
    }

    /// The slide that is read.
    pub fn slide(&self) -> &Slide {
        &self.slide
    }

    pub(super) fn level(&self) -> Option<&Level> {
        self.slide.level(self.level)
    }

    /// Bytes of one row of a patch.
    pub(super) fn stride(&self) -> usize {
        self.width as usize * 3
    }

    pub(super) fn placements(&self, tile: &PlannedTile) -> &[Placement] {
        &self.placements[tile.placements.clone()]
    }

    /// Plans a request. Fails only if the request itself cannot be served; faults of tiles are kept for their patches.
    pub(crate) fn new(slide: &Slide, request: &PatchRequest) -> Result<Self, Error> {
        let refuse = |what: String| Error::Request { url: slide.url().clone(), what };
        let level = slide.level(request.level).ok_or_else(|| {
            refuse(format!("level {} of {} does not exist", request.level, slide.info().levels.len()))
        })?;
        if request.width == 0 || request.height == 0 {
            return Err(refuse("patches have no pixels".to_owned()));
        }
        check_size(slide, request)?;
        let placements = place(slide, level, request)?;
        let mut plan = Self {
            slide: slide.clone(),
            level: request.level,
            width: request.width,
            height: request.height,
            patches: request.origins.len(),
            gap_bytes: request.gap_bytes,
            ranges: Vec::new(),
            tiles: group(slide, level, &placements),
            placements,
        };
        plan.ranges = merge(&plan.wanted(), plan.gap_bytes, LONGEST_RANGE_BYTES).ranges;
        plan.check_cost(level)?;
        Ok(plan)
    }

    /// Checks what the plan would fetch and decode.
    fn check_cost(&self, level: &Level) -> Result<(), Error> {
        let limits = self.slide.limits();
        let tile_pixels = u64::from(level.layout.width) * u64::from(level.layout.height);
        let located = self.tiles.iter().filter(|tile| tile.bytes().is_some()).count() as u64;
        let pixels = located.saturating_mul(tile_pixels);
        if self.fetch_bytes() > limits.fetch_bytes {
            let what = format!("request would fetch more than {} bytes", limits.fetch_bytes);
            return Err(over_limit(&self.slide, what));
        }
        if pixels > limits.decode_pixels {
            return Err(over_limit(&self.slide, format!("request would decode {pixels} pixels")));
        }
        Ok(())
    }
}

impl PlannedTile {
    /// Where the tile lies in the blob; `None` if it is left out or its entry is bad.
    pub fn bytes(&self) -> Option<&Range<u64>> {
        match &self.bytes {
            TileBytes::At(bytes) => Some(bytes),
            TileBytes::Missing | TileBytes::Bad(_) => None,
        }
    }
}

/// Checks the size of all patches together.
fn check_size(slide: &Slide, request: &PatchRequest) -> Result<(), Error> {
    let area = u64::from(request.width).checked_mul(u64::from(request.height));
    let total = area.and_then(|area| area.checked_mul(3)).and_then(|one| one.checked_mul(request.origins.len() as u64));
    let limit = slide.limits().patch_bytes;
    if total.is_some_and(|total| total <= limit) && usize::try_from(limit).is_ok() {
        return Ok(());
    }
    let PatchRequest { width, height, origins, .. } = request;
    let what = format!("{} patches of {width}x{height} pixels exceed {limit} bytes", origins.len());
    Err(over_limit(slide, what))
}

fn over_limit(slide: &Slide, what: String) -> Error {
    Error::slide(slide.url(), Fault::limit(what))
}

/// The pieces of all patches, by tile.
fn place(slide: &Slide, level: &Level, request: &PatchRequest) -> Result<Vec<Placement>, Error> {
    let patches = request.origins.iter().map(|origin| Patch::new(level, *origin, request.width, request.height));
    let patches: Vec<Patch> = patches.collect();
    let count = patches.iter().fold(0u64, |count, patch| count.saturating_add(patch.grid().count()));
    if count > slide.limits().placements {
        return Err(over_limit(slide, format!("request touches {count} tiles")));
    }
    let mut placements: Vec<Placement> = Vec::with_capacity(count as usize);
    for (patch, laid) in patches.iter().enumerate() {
        let placed = |Piece { tile, region, x, y }| Placement { tile, patch, region, x, y };
        placements.extend(laid.pieces().map(placed));
    }
    placements.sort_by_key(|placement| placement.tile);
    Ok(placements)
}

/// The tiles of sorted placements.
fn group(slide: &Slide, level: &Level, placements: &[Placement]) -> Vec<PlannedTile> {
    let mut tiles = Vec::new();
    let mut start = 0;
    for pieces in placements.chunk_by(|one, other| one.tile == other.tile) {
        let (number, end) = (pieces[0].tile, start + pieces.len());
        let bytes = match level.locate(number, slide.size(), slide.limits()) {
            Ok(Some(bytes)) => TileBytes::At(bytes),
            Ok(None) => TileBytes::Missing,
            Err(fault) => TileBytes::Bad(fault),
        };
        tiles.push(PlannedTile { number, bytes, placements: start..end });
        start = end;
    }
    tiles
}
