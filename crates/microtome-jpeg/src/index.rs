//! Where MCUs start in the entropy data of one tile: kept from one decode to the next.
//!
//! An entry every few MCUs says the bit and the components' DC coefficients so far. Entries are made of what a decode passes
//! anyway, so an index grows from the tile's start without a gap, as far as it was ever read. Restart markers are an index
//! that is there already: where one is nearer, it is jumped to, and what lies before it gets no entries.

/// The index of one tile. It belongs to that tile alone: with another, the pixels would be wrong (and nothing worse).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    spacing: u32,
    most: usize,
    entries: Vec<Entry>,
    /// Bytes of entropy data and MCUs of the tile that the entries are of.
    tile: Option<(usize, u32)>,
}

/// Where an MCU starts: 12 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Bit of the data without what [`crate::unstuff`] leaves out.
    pub(crate) bit: u32,
    /// Bytes left out before that.
    pub(crate) left_out: u16,
    /// DC coefficients before it.
    pub(crate) previous: [i16; 3],
}

impl Index {
    /// An index with an entry every `spacing` MCUs (at least 1) and at most `most_bytes` bytes of them.
    pub fn new(spacing: u32, most_bytes: usize) -> Self {
        Self { spacing: spacing.max(1), most: most_bytes / size_of::<Entry>(), entries: Vec::new(), tile: None }
    }

    /// Bytes that the entries take.
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }

    /// Forgets what belongs to another tile.
    pub(crate) fn claim(&mut self, data_bytes: usize, mcus: u32) {
        if self.tile != Some((data_bytes, mcus)) {
            self.entries.clear();
            self.tile = Some((data_bytes, mcus));
        }
    }

    /// The last entry at or before an MCU, and the MCU it is of.
    pub(crate) fn before(&self, mcu: u32) -> Option<(u32, Entry)> {
        let place = ((mcu / self.spacing) as usize).min(self.entries.len().checked_sub(1)?);
        Some((place as u32 * self.spacing, *self.entries.get(place)?))
    }

    /// The first entry behind an MCU.
    pub(crate) fn after(&self, mcu: u32) -> Option<Entry> {
        self.entries.get((mcu / self.spacing) as usize + 1).copied()
    }

    /// The MCU of which the next entry would be; nothing if there is no room.
    pub(crate) fn due(&self) -> Option<u32> {
        let place = Some(self.entries.len()).filter(|place| *place < self.most)?;
        u32::try_from(place).ok()?.checked_mul(self.spacing)
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
}
