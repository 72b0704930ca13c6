//! Where a patch lies in a level, and which pieces of which tiles it is made of; pure.

use std::ops::Range;

use super::resample::Span;
use crate::{codec::Region, formats::Level};

/// Top-left corner of a patch in pixels of the level: OpenSlide's coordinates, truncated as tiffslide does.
pub(super) fn level_origin(origin: (i64, i64), downsample: f64) -> (i64, i64) {
    if downsample == 1.0 {
        // Exact beyond 2^53 too.
        return origin;
    }
    // The cast truncates towards zero and saturates.
    let scale = |value: i64| (value as f64 / downsample) as i64;
    (scale(origin.0), scale(origin.1))
}

/// The tiles that a patch touches: a rectangle of the level's grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    columns: Range<u64>,
    rows: Range<u64>,
}

/// One piece of a tile and where in its patch it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) tile: u64,
    pub(crate) region: Region,
    /// Column and row in the patch.
    pub(crate) x: u32,
    pub(crate) y: u32,
}

/// One axis of a patch, clipped to the level.
struct Axis {
    /// First pixel in the level, may be negative.
    origin: i64,
    /// Visible pixels of the level.
    visible: Range<u64>,
    tile: u32,
}

impl Axis {
    fn new(origin: i64, length: u32, level: u32, tile: u32) -> Self {
        let clip = |value: i64| value.clamp(0, i64::from(level)).unsigned_abs();
        Self { origin, visible: clip(origin)..clip(origin.saturating_add(i64::from(length))), tile }
    }

    fn tiles(&self) -> Range<u64> {
        if self.visible.is_empty() {
            return 0..0;
        }
        let tile = u64::from(self.tile);
        self.visible.start / tile..(self.visible.end - 1) / tile + 1
    }

    /// Start and length in the tile, and start in the patch, of what this axis takes from tile number `number`.
    fn cut(&self, number: u64) -> (u32, u32, u32) {
        let first = number * u64::from(self.tile);
        let start = self.visible.start.max(first);
        let end = self.visible.end.min(first + u64::from(self.tile));
        // Each difference is below the tile's or the patch's size, which have 32 bits.
        ((start - first) as u32, (end - start) as u32, (start as i64 - self.origin) as u32)
    }
}

/// A patch laid on a level.
pub(super) struct Patch {
    across: Axis,
    down: Axis,
    tiles_across: u64,
}

impl Patch {
    /// A patch at a place in pixels of the level.
    pub(super) fn new(level: &Level, (x, y): (i64, i64), width: u32, height: u32) -> Self {
        let across = Axis::new(x, width, level.width, level.layout.width);
        let down = Axis::new(y, height, level.height, level.layout.height);
        Self { across, down, tiles_across: level.tiles_across }
    }

    pub(super) fn grid(&self) -> Grid {
        Grid { columns: self.across.tiles(), rows: self.down.tiles() }
    }

    /// The pieces, row by row.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let Grid { columns, rows } = self.grid();
        rows.flat_map(move |row| columns.clone().map(move |column| (row, column))).map(|(row, column)| {
            let (left, width, x) = self.across.cut(column);
            let (top, height, y) = self.down.cut(row);
            let region = Region { x: left, y: top, width, height };
            Piece { tile: row * self.tiles_across + column, region, x, y }
        })
    }
}

impl Grid {
    /// Number of tiles.
    pub(super) fn count(&self) -> u64 {
        (self.columns.end - self.columns.start).saturating_mul(self.rows.end - self.rows.start)
    }
}

/// One axis of the tiles of a level, seen from a finer one.
pub(super) struct Ratio {
    /// Finer pixels per pixel.
    scale: f64,
    tile: u32,
}

impl Ratio {
    pub(super) fn new(finer: u32, coarser: u32, tile: u32) -> Self {
        Self { scale: f64::from(finer) / f64::from(coarser), tile }
    }

    /// Length of a patch of the finer level that holds all that a tile is made of.
    pub(super) fn patch(&self) -> u32 {
        // The filter reaches that far on both sides, and one pixel is for the fraction. The cast saturates.
        (self.scale * f64::from(self.tile) + 2.0 * self.scale.max(1.0)).ceil() as u32 + 1
    }

    /// What becomes tile number `number` of the axis, within a patch, and where that patch begins in the finer level.
    pub(super) fn tile(&self, number: u64) -> (Span, i64) {
        let at = |number: u64| number as f64 * f64::from(self.tile) * self.scale;
        let span = Span { start: at(number), end: at(number + 1), length: self.tile };
        let (first, _) = span.reach();
        (Span { start: span.start - first as f64, end: span.end - first as f64, ..span }, first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patch(origin: (i64, i64), size: (u32, u32), level: (u32, u32), tile: (u32, u32)) -> Patch {
        Patch {
            across: Axis::new(origin.0, size.0, level.0, tile.0),
            down: Axis::new(origin.1, size.1, level.1, tile.1),
            tiles_across: u64::from(level.0.div_ceil(tile.0)),
        }
    }

    #[test]
    fn origins_are_truncated_towards_zero() {
        assert_eq!(level_origin((1000, -31), 2.0005), (499, -15));
        assert_eq!(level_origin((i64::MAX, i64::MIN), 1.0), (i64::MAX, i64::MIN));
        assert_eq!(level_origin((i64::MAX, 3), 2.0).1, 1);
    }

    #[test]
    fn a_patch_over_the_corner_of_four_tiles() {
        let pieces: Vec<_> = patch((90, 95), (20, 10), (300, 300), (100, 100)).pieces().collect();
        assert_eq!(pieces.iter().map(|piece| piece.tile).collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!(pieces[0].region, Region { x: 90, y: 95, width: 10, height: 5 });
        assert_eq!((pieces[3].region.x, pieces[3].region.y, pieces[3].x, pieces[3].y), (0, 0, 10, 5));
    }

    #[test]
    fn outside_is_nothing() {
        for origin in [(300, 0), (0, -10), (i64::MAX, 0), (i64::MIN, i64::MIN)] {
            let patch = patch(origin, (10, 10), (300, 300), (100, 100));
            assert_eq!((patch.grid().count(), patch.pieces().count()), (0, 0));
        }
    }

    #[test]
    fn a_tile_seen_from_a_finer_level_fits_its_patch() {
        for (finer, coarser, tile) in [(101, 50, 16), (4443, 2221, 256), (100, 25, 7), (50, 50, 10)] {
            let ratio = Ratio::new(finer, coarser, tile);
            for number in 0..4 {
                let (span, first) = ratio.tile(number);
                let (from, to) = span.reach();
                assert!(from >= 0 && to <= i64::from(ratio.patch()), "{span:?} in {}", ratio.patch());
                let start = number as f64 * f64::from(tile) * f64::from(finer) / f64::from(coarser);
                assert!((span.start + first as f64 - start).abs() < 1e-9);
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_tile_the_visible_part_once(
            x in -50i64..150, y in -50i64..150,
            size in (1u32..60, 1u32..60), level in (1u32..100, 1u32..100), tile in (1u32..40, 1u32..40),
        ) {
            let patch = patch((x, y), size, level, tile);
            let mut seen = vec![0u32; (size.0 * size.1) as usize];
            for piece in patch.pieces() {
                let column = piece.tile % patch.tiles_across;
                let row = piece.tile / patch.tiles_across;
                for dy in 0..piece.region.height {
                    for dx in 0..piece.region.width {
                        seen[((piece.y + dy) * size.0 + piece.x + dx) as usize] += 1;
                        let at = (column * u64::from(tile.0) + u64::from(piece.region.x + dx)) as i64;
                        prop_assert_eq!(at, x + i64::from(piece.x + dx));
                        let at = (row * u64::from(tile.1) + u64::from(piece.region.y + dy)) as i64;
                        prop_assert_eq!(at, y + i64::from(piece.y + dy));
                    }
                }
            }
            for (index, count) in seen.iter().enumerate() {
                let (px, py) = (x + i64::from(index as u32 % size.0), y + i64::from(index as u32 / size.0));
                let inside = px >= 0 && py >= 0 && px < i64::from(level.0) && py < i64::from(level.1);
                prop_assert_eq!(*count, u32::from(inside));
            }
        }
    }
}
