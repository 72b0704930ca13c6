//! Patches laid on one level: which tiles they are made of, and where the bytes of those lie; pure.

use std::{ops::Range, sync::Arc};

use super::{
    fill::Fill,
    geometry::{Patch, Piece},
    tile_cache::TileName,
};
use crate::{
    Error, Fault, Slide,
    codec::{PixelFormat, Region},
    formats::Level,
};

/// Patches on a level, cut into pieces of tiles. Holds the slide, so that it can be decoded on any thread.
#[derive(Debug, Clone)]
pub(super) struct Laid {
    slide: Slide,
    level: Arc<Level>,
    format: PixelFormat,
    width: u32,
    height: u32,
    patches: usize,
    tiles: Vec<PlannedTile>,
    placements: Vec<Placement>,
    /// Where the tiles that the file leaves out come from.
    fill: Option<Box<Fill>>,
}

/// Patches of one size laid on a level, in the level's own pixels.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) origins: Vec<(i64, i64)>,
    pub(crate) format: PixelFormat,
}

/// One tile that a plan needs.
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

impl Layout {
    /// Checks the size of all patches together.
    pub(super) fn check(&self, slide: &Slide) -> Result<(), Error> {
        let Self { width, height, origins, format } = self;
        if *width == 0 || *height == 0 {
            return Err(Error::Request { url: slide.url().clone(), what: "patches have no pixels".to_owned() });
        }
        let area = u64::from(*width).checked_mul(u64::from(*height));
        let one = area.and_then(|area| area.checked_mul(format.bytes() as u64));
        let total = one.and_then(|one| one.checked_mul(origins.len() as u64));
        let limit = slide.limits().patch_bytes;
        if total.is_some_and(|total| total <= limit) && usize::try_from(limit).is_ok() {
            return Ok(());
        }
        let what = format!("{} patches of {width}x{height} pixels exceed {limit} bytes", origins.len());
        Err(over_limit(slide, what))
    }
}

impl Laid {
    /// Lays patches on a level of the slide, or on one of its associated images. Faults of tiles are kept for their patches.
    pub(super) fn new(slide: &Slide, level: &Arc<Level>, layout: &Layout) -> Result<Self, Error> {
        layout.check(slide)?;
        let placements = place(slide, level, layout)?;
        let tiles = group(slide, level, &placements);
        let fill = Fill::plan(slide, level, &tiles)?.map(Box::new);
        Ok(Self {
            slide: slide.clone(),
            level: Arc::clone(level),
            format: layout.format,
            width: layout.width,
            height: layout.height,
            patches: layout.origins.len(),
            tiles,
            placements,
            fill,
        })
    }

    /// The tiles to decode, each once, ascending by number.
    pub(super) fn tiles(&self) -> &[PlannedTile] {
        &self.tiles
    }

    pub(super) fn placements(&self, tile: &PlannedTile) -> &[Placement] {
        &self.placements[tile.placements.clone()]
    }

    /// Where the tiles lie in the blob, those that fill holes too, without those that are here already.
    pub(super) fn wanted_but(&self, is_here: &mut dyn FnMut(TileName, Region) -> bool) -> Vec<Range<u64>> {
        let mut wanted = Vec::new();
        for tile in &self.tiles {
            let needed = tile.bytes().zip(self.region(tile));
            if let Some((bytes, _)) = needed.filter(|(_, region)| !is_here(self.name(tile), *region)) {
                wanted.push(bytes.clone());
            }
        }
        wanted.extend(self.fill.iter().flat_map(|fill| fill.laid.wanted_but(is_here)));
        wanted
    }

    /// The part of a tile that the patches need.
    pub(super) fn region(&self, tile: &PlannedTile) -> Option<Region> {
        self.placements(tile).iter().map(|placement| placement.region).reduce(Region::union)
    }

    /// What the cache of decoded tiles knows a tile by.
    pub(super) fn name(&self, tile: &PlannedTile) -> TileName {
        TileName { directory: self.level.directory, number: tile.number, format: self.format }
    }

    /// Whether each patch is made of tiles alone, and shows no background.
    pub(super) fn covered(&self) -> Vec<bool> {
        let mut areas = vec![0u64; self.patches];
        for tile in self.tiles.iter().filter(|tile| tile.bytes().is_some()) {
            for Placement { patch, region, .. } in self.placements(tile) {
                areas[*patch] += u64::from(region.width) * u64::from(region.height);
            }
        }
        let area = u64::from(self.width) * u64::from(self.height);
        areas.into_iter().map(|covered| covered == area).collect()
    }

    /// Pixels of the tiles that are decoded.
    pub(super) fn decode_pixels(&self) -> u64 {
        let tile = u64::from(self.level.layout.width) * u64::from(self.level.layout.height);
        let located = self.tiles.iter().filter(|tile| tile.bytes().is_some()).count() as u64;
        located.saturating_mul(tile).saturating_add(self.fill.as_ref().map_or(0, |fill| fill.laid.decode_pixels()))
    }

    pub(super) fn slide(&self) -> &Slide {
        &self.slide
    }

    pub(super) fn level(&self) -> &Level {
        &self.level
    }

    pub(super) fn fill(&self) -> Option<&Fill> {
        self.fill.as_deref()
    }

    pub(super) fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width and height of a patch.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Number of patches.
    pub(super) fn patches(&self) -> usize {
        self.patches
    }

    /// Bytes of one row of a patch.
    pub(super) fn stride(&self) -> usize {
        self.width as usize * self.format.bytes()
    }

    /// Bytes of one patch.
    pub(super) fn patch_bytes(&self) -> usize {
        self.height as usize * self.stride()
    }
}

impl PlannedTile {
    /// Whether the file leaves the tile out.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(self.bytes, TileBytes::Missing)
    }

    /// Where the tile lies in the blob; `None` if it is left out or its entry is bad.
    pub fn bytes(&self) -> Option<&Range<u64>> {
        match &self.bytes {
            TileBytes::At(bytes) => Some(bytes),
            TileBytes::Missing | TileBytes::Bad(_) => None,
        }
    }
}

pub(super) fn over_limit(slide: &Slide, what: String) -> Error {
    Error::slide(slide.url(), Fault::limit(what))
}

/// The pieces of all patches, by tile.
fn place(slide: &Slide, level: &Level, layout: &Layout) -> Result<Vec<Placement>, Error> {
    let patches = layout.origins.iter().map(|origin| Patch::new(level, *origin, layout.width, layout.height));
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
