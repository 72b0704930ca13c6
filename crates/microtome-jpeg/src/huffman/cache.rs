//! Tables kept by content, within a bound of bytes.
//!
//! Tables that have been asked for often enough are built again as large ones: those that many tiles share pay for it, those
//! that come with one tile never do.

use super::{Coefficients, Differences, Size, Skips};
use crate::header::HuffmanSpec;

/// Times that a table is asked for before it is worth its large form: building that costs about as much as it saves on three
/// tiles.
const LARGE_FROM: u32 = 4;

/// What is kept of one table.
#[derive(Debug)]
pub(crate) struct Slot {
    content: Vec<u8>,
    asked: u32,
    /// The tile that asked last.
    tile: u64,
    size: Size,
    differences: Option<Differences>,
    coefficients: Option<Coefficients>,
    skips: Option<Skips>,
}

/// What a table is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Differences,
    /// AC coefficients; also to skip them.
    Coefficients {
        skips: bool,
    },
}

/// The tables of the last tiles.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Vec<Slot>,
    tile: u64,
    most_bytes: usize,
}

impl Slot {
    fn new(spec: HuffmanSpec<'_>) -> Self {
        let content = spec.bytes.to_vec();
        Self { content, asked: 0, tile: 0, size: Size::Small, differences: None, coefficients: None, skips: None }
    }

    /// Builds what is missing for a use.
    fn build(&mut self, wanted: Use) {
        let (spec, size) = (HuffmanSpec { bytes: &self.content }, self.size);
        match wanted {
            Use::Differences => {
                self.differences.get_or_insert_with(|| Differences::new(spec, size));
            }
            Use::Coefficients { skips } => {
                self.coefficients.get_or_insert_with(|| Coefficients::new(spec, size));
                if skips {
                    self.skips.get_or_insert_with(|| Skips::new(spec, size));
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        let tables = [
            self.differences.as_ref().map(Differences::bytes),
            self.coefficients.as_ref().map(Coefficients::bytes),
            self.skips.as_ref().map(Skips::bytes),
        ];
        self.content.len() + tables.into_iter().flatten().sum::<usize>()
    }

    pub(crate) fn differences(&self) -> Option<&Differences> {
        self.differences.as_ref()
    }

    pub(crate) fn coefficients(&self) -> Option<&Coefficients> {
        self.coefficients.as_ref()
    }

    pub(crate) fn skips(&self) -> Option<&Skips> {
        self.skips.as_ref()
    }
}

impl Cache {
    /// A cache of at most so many bytes beside the tables of the tile at hand.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { slots: Vec::new(), tile: 0, most_bytes }
    }

    /// Starts a tile: what the last ones used may go from here on.
    pub(crate) fn start_tile(&mut self) {
        self.tile += 1;
        let mut bytes: usize = self.slots.iter().map(Slot::bytes).sum();
        while bytes > self.most_bytes {
            let oldest = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.tile).map(|(at, _)| at);
            let Some(oldest) = oldest else { break };
            bytes -= self.slots.swap_remove(oldest).bytes();
        }
    }

    /// Makes a table ready for a use; its place is good for [`Self::slot`] until the next tile.
    pub(crate) fn prepare(&mut self, spec: HuffmanSpec<'_>, wanted: Use) -> usize {
        let found = self.slots.iter().position(|slot| slot.content == spec.bytes);
        let place = found.unwrap_or_else(|| {
            self.slots.push(Slot::new(spec));
            self.slots.len() - 1
        });
        let slot = &mut self.slots[place];
        // Counted once a tile, however many components share it.
        if slot.tile != self.tile {
            slot.tile = self.tile;
            slot.asked = slot.asked.saturating_add(1);
            if slot.asked == LARGE_FROM {
                slot.size = Size::Large;
                (slot.differences, slot.coefficients, slot.skips) = (None, None, None);
            }
        }
        slot.build(wanted);
        place
    }

    pub(crate) fn slot(&self, place: usize) -> &Slot {
        &self.slots[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many codes of 8 bits as there are symbols.
    fn content(symbols: &[u8]) -> Vec<u8> {
        let mut content = vec![0; 16];
        content[7] = symbols.len() as u8;
        content.extend(symbols);
        content
    }

    #[test]
    fn tables_that_are_asked_for_often_become_large() {
        let mut cache = Cache::new(1 << 20);
        let content = content(&[1, 2, 3]);
        let sizes: Vec<Size> = (0..5)
            .map(|_| {
                cache.start_tile();
                let places = [(); 2].map(|()| cache.prepare(HuffmanSpec { bytes: &content }, Use::Differences));
                assert_eq!(places, [0, 0]);
                cache.slot(0).size
            })
            .collect();
        assert_eq!(sizes, [Size::Small, Size::Small, Size::Small, Size::Large, Size::Large]);
    }

    #[test]
    fn the_oldest_go_once_the_bytes_are_spent() {
        let mut cache = Cache::new(20_000);
        for tile in 0..40 {
            cache.start_tile();
            let place = cache.prepare(HuffmanSpec { bytes: &content(&[tile]) }, Use::Coefficients { skips: true });
            assert!(cache.slot(place).skips().is_some());
            let kept: usize = cache.slots.iter().map(Slot::bytes).sum();
            assert!(kept <= 20_000 + cache.slot(place).bytes(), "{kept}");
        }
        assert!(cache.slots.iter().all(|slot| slot.tile > 30));
    }
}
