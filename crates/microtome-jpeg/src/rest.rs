//! What a decode of a tile's upper part leaves for one of its lower part: where the data go on, and the samples there.
//!
//! The lower part may begin inside a row of MCUs, and its upsampling looks at a row of samples above, so those are kept. The
//! entropy data are handed on as they are, ready to be read. A tile that is wanted in two steps is walked once, and what waits
//! between them is some sixth of its pixels.

use std::{ops::Range, sync::Arc};

use crate::{
    Error, Header,
    geometry::{Geometry, Needs},
    index::Entry,
    planes::Planes,
    region::Region,
    unstuff::Unstuffed,
};

/// Where a decode of a tile ended. It belongs to that tile alone: with another, the pixels would be wrong (and nothing worse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// MCUs of the tile, across and down.
    mcus: (u32, u32),
    /// The first row of pixels that can be decoded.
    y: u32,
    /// The entropy data, ready to be read, and where they start.
    data: Arc<Unstuffed>,
    start: (u32, Entry),
    /// The row of MCUs that is due, and where it starts in the data.
    row: u32,
    entry: Entry,
    /// What the rows above it hold of what `y` needs: component by component, rows of all samples without gaps.
    samples: Vec<u8>,
}

impl Rest {
    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.data.bytes() + self.samples.len() + size_of::<Self>()
    }

    /// The first row of pixels that can be decoded with it.
    pub fn y(&self) -> u32 {
        self.y
    }

    /// What must be decoded so that there is a rest below `region`: whole rows of MCUs. Nothing if those are the tile's last.
    pub(crate) fn extend(header: &Header<'_>, region: Region) -> Option<Region> {
        let (_, down) = header.frame.sampling();
        let (last, rows) = (Geometry::new(&header.frame, region).mcus[1].last, header.mcus().1);
        // Upsampled pixels of an MCU's last rows need the next one's samples too.
        let bottom = (last + 1) * 8 * down - 2 * (down - 1);
        let all = Region { x: 0, y: region.y, width: header.width(), height: bottom.saturating_sub(region.y) };
        Some(all).filter(|_| last + 1 < rows)
    }

    /// What is left below row `y`, of planes that hold all until the row of MCUs at `entry`, and of the data that start with an
    /// MCU.
    pub(crate) fn new(
        header: &Header<'_>,
        y: u32,
        (row, entry): (u32, Entry),
        (data, start): (Arc<Unstuffed>, (u32, Entry)),
        planes: &Planes,
    ) -> Self {
        let kept: Vec<Kept> = Kept::all(header, y, row).collect();
        let bytes = kept.iter().map(|kept| kept.rows.len() * kept.width).sum();
        let mut samples = Vec::with_capacity(bytes);
        for (component, kept) in kept.into_iter().enumerate() {
            planes.rows(component, kept.rows).for_each(|line| samples.extend_from_slice(&line[..kept.width]));
        }
        Self { mcus: header.mcus(), y, data, start, row, entry, samples }
    }

    /// The row of MCUs that is due, and where it starts in the data.
    pub(crate) fn due(&self) -> (u32, Entry) {
        (self.row, self.entry)
    }

    /// The data, and where they start.
    pub(crate) fn data(&self) -> (Arc<Unstuffed>, (u32, Entry)) {
        (Arc::clone(&self.data), self.start)
    }

    /// Refuses a tile of another size, and a region that begins above.
    pub(crate) fn check(&self, header: &Header<'_>, region: Region) -> Result<(), Error> {
        if self.mcus == header.mcus() && region.y >= self.y {
            Ok(())
        } else {
            Err(Error::Request("the region begins above what is left of the tile"))
        }
    }

    /// Puts back what was kept, as far as the planes have room for it.
    pub(crate) fn restore(&self, header: &Header<'_>, planes: &mut Planes) {
        let mut samples = &self.samples[..];
        for (component, Kept { rows, width }) in Kept::all(header, self.y, self.row).enumerate() {
            for row in rows {
                let Some((line, others)) = samples.split_at_checked(width) else { return };
                planes.put(component, row, line);
                samples = others;
            }
        }
    }
}

/// The rows of a component's samples that are kept, and how many are in each.
struct Kept {
    rows: Range<u32>,
    width: usize,
}

impl Kept {
    /// By component, what row `y` of pixels needs of what lies above a row of MCUs.
    fn all(header: &Header<'_>, y: u32, row: u32) -> impl Iterator<Item = Self> {
        let line = Region { x: 0, y, width: header.width(), height: 1 };
        let of_one = move |needs: Needs| {
            let [columns, rows] = needs.needed;
            Self { rows: rows.first * 8..row * needs.blocks[1] * 8, width: columns.length() as usize * 8 }
        };
        Geometry::new(&header.frame, line).components.into_iter().map(of_one)
    }
}
