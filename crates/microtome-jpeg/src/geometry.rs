//! Which blocks a region needs: pure.

use crate::{header::Frame, region::Region};

/// Inclusive bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Span {
    pub(crate) fn contains(self, at: u32) -> bool {
        self.first <= at && at <= self.last
    }

    pub(crate) fn length(self) -> u32 {
        self.last - self.first + 1
    }

    fn divide(self, by: u32) -> Self {
        Self { first: self.first / by, last: self.last / by }
    }

    fn union(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// What a region needs of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Pixels across and down that share a sample: 1 or 2 each.
    pub(crate) pixels: [u32; 2],
    /// Blocks across and down in an MCU.
    pub(crate) blocks: [u32; 2],
    /// Columns and rows of samples in the tile.
    pub(crate) samples: [u32; 2],
    /// Columns and rows of blocks that are needed.
    pub(crate) needed: [Span; 2],
}

/// What a region needs of the tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// MCUs across the tile.
    pub(crate) mcus_across: u32,
    /// Columns and rows of MCUs that hold needed blocks.
    pub(crate) mcus: [Span; 2],
    pub(crate) components: Vec<Needs>,
}

impl Geometry {
    /// The region must lie in the frame.
    pub(crate) fn new(frame: &Frame, region: Region) -> Self {
        let (across, down) = frame.sampling();
        let wanted = [
            Span { first: region.x, last: region.x + region.width - 1 },
            Span { first: region.y, last: region.y + region.height - 1 },
        ];
        let size = [frame.width, frame.height];
        let needs = |blocks: [u32; 2]| {
            let pixels = [across / blocks[0], down / blocks[1]];
            let samples = [0, 1].map(|axis| size[axis].div_ceil(pixels[axis]));
            let needed = [0, 1].map(|axis| match pixels[axis] {
                1 => wanted[axis].divide(8),
                // Upsampling looks at one sample on each side.
                shared => {
                    let Span { first, last } = wanted[axis].divide(shared);
                    Span { first: first.saturating_sub(1), last: (last + 1).min(samples[axis] - 1) }.divide(8)
                }
            });
            Needs { pixels, blocks, samples, needed }
        };
        let components: Vec<Needs> = frame.components.iter().map(|one| needs([one.across, one.down])).collect();
        let mcus = [0, 1].map(|axis| {
            let spans = components.iter().map(|one| one.needed[axis].divide(one.blocks[axis]));
            spans.reduce(Span::union).unwrap_or(Span { first: 0, last: 0 })
        });
        Self { mcus_across: frame.mcus().0, mcus, components }
    }

    /// Whether there may be blocks to pass before the region's last one: blocks before it, beside it or, of an MCU, in it.
    pub(crate) fn skips(&self) -> bool {
        let [columns, rows] = self.mcus;
        let all = |one: &Needs| {
            let whole = |axis: usize| {
                let blocks = one.blocks[axis];
                one.needed[axis]
                    == Span { first: self.mcus[axis].first * blocks, last: self.mcus[axis].last * blocks + blocks - 1 }
            };
            whole(0) && whole(1)
        };
        let beside = columns.first > 0 || rows.first > 0 || columns.last + 1 < self.mcus_across;
        beside || !self.components.iter().all(all)
    }
}
