//! Tiles that the file leaves out, made from the next finer level: a plan within the plan.

use super::{
    geometry::Ratio,
    laid::{Laid, Layout, PlannedTile},
    resample::{Resampler, Span},
};
use crate::{Error, Slide, codec::PixelFormat, formats::Level};

/// How the holes of a plan are filled: patches of the finer level, one for each hole.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    pub(super) laid: Laid,
    holes: Vec<Hole>,
}

/// One tile to make.
#[derive(Debug, Clone)]
struct Hole {
    /// Index of the tile in the plan.
    tile: usize,
    /// What becomes the tile, in the pixels of its patch of the finer level.
    across: Span,
    down: Span,
}

impl Fill {
    /// Plans the tiles that `tiles` says are left out; `None` if there are none, or nothing to make them from.
    pub(super) fn plan(slide: &Slide, level: &Level, tiles: &[PlannedTile]) -> Result<Option<Self>, Error> {
        let Some(finer) = level.finer.and_then(|finer| slide.level(finer)) else { return Ok(None) };
        let across = Ratio::new(finer.width, level.width, level.layout.width);
        let down = Ratio::new(finer.height, level.height, level.layout.height);
        let (mut holes, mut origins) = (Vec::new(), Vec::new());
        for (index, tile) in tiles.iter().enumerate().filter(|(_, tile)| tile.is_left_out()) {
            let (across, x) = across.tile(tile.number % level.tiles_across);
            let (down, y) = down.tile(tile.number / level.tiles_across);
            holes.push(Hole { tile: index, across, down });
            origins.push((x, y));
        }
        if holes.is_empty() {
            return Ok(None);
        }
        let (width, height) = (across.patch(), down.patch());
        let layout = Layout { width, height, origins, format: PixelFormat::Rgba };
        Ok(Some(Self { laid: Laid::new(slide, finer, &layout)?, holes }))
    }

    /// Index in the plan and pixels (RGBA, straight alpha) of each tile, from the patches of the finer level.
    pub(super) fn tiles<'a>(&'a self, patches: &'a [u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let size = self.laid.size();
        let each = patches.chunks_exact(self.laid.patch_bytes());
        self.holes.iter().zip(each).map(move |(hole, pixels)| {
            (hole.tile, Resampler::new(size, PixelFormat::Rgba, (hole.across, hole.down)).picture(pixels))
        })
    }

    /// Index in the plan of the tile that a patch of the finer level is for.
    pub(super) fn tile_of(&self, patch: usize) -> Option<usize> {
        self.holes.get(patch).map(|hole| hole.tile)
    }
}
