//! Tables kept by content, within a bound of bytes.
//!
//! Tables that have been asked for often enough are built again as large ones: those that many tiles share pay for it, those
//! that come with one tile never do.

use super::{Codes, Coefficients, Differences, LARGE, LARGE_SKIPS, SMALL, Skips, Tables};
use crate::header::HuffmanSpec;

/// Times that a table is asked for before it is worth its large form: building that costs about as much as it saves on three
/// tiles.
const LARGE_FROM: u32 = 4;

/// What is kept of one table: the forms that were asked for.
#[derive(Debug)]
pub(crate) struct Slot {
    content: Vec<u8>,
    asked: u32,
    /// The tile that asked last.
    tile: u64,
    pub(crate) differences: Option<Differences>,
    pub(crate) small: Option<Tables<SMALL, SMALL>>,
    pub(crate) large: Option<Tables<LARGE, LARGE_SKIPS>>,
}

/// The tables of the last tiles.
#[derive(Debug)]
pub(crate) struct Cache {
    slots: Vec<Slot>,
    tile: u64,
    most_bytes: usize,
    /// Whether anything was built since the bytes were last counted.
    has_grown: bool,
}

impl Slot {
    fn new(spec: HuffmanSpec<'_>) -> Self {
        let content = spec.bytes.to_vec();
        Self { content, asked: 0, tile: 0, differences: None, small: None, large: None }
    }

    /// A bound of what is kept.
    fn bytes(&self) -> usize {
        let tables = [
            self.differences.as_ref().map(|_| Differences::BYTES),
            self.small.as_ref().map(|_| Tables::<SMALL, SMALL>::BYTES),
            self.large.as_ref().map(|_| Tables::<LARGE, LARGE_SKIPS>::BYTES),
        ];
        self.content.len() + tables.into_iter().flatten().sum::<usize>()
    }
}

/// Builds what is missing of a form.
fn build<const ENTRIES: usize, const SKIPS: usize>(
    form: &mut Option<Tables<ENTRIES, SKIPS>>,
    content: &[u8],
    skips: bool,
) {
    if form.as_ref().is_some_and(|form| form.skips.is_some() || !skips) {
        return;
    }
    let codes = Codes::new(HuffmanSpec { bytes: content });
    let skips = skips.then(|| Skips::new(codes.clone()));
    match form {
        Some(form) => form.skips = skips,
        None => *form = Some(Tables { coefficients: Coefficients::new(codes), skips }),
    }
}

impl Cache {
    /// A cache of at most so many bytes beside the tables of the tile at hand.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { slots: Vec::new(), tile: 0, most_bytes, has_grown: false }
    }

    /// Starts a tile: what the last ones used may go from here on.
    pub(crate) fn start_tile(&mut self) {
        self.tile += 1;
        if !std::mem::take(&mut self.has_grown) {
            return;
        }
        let mut bytes: usize = self.slots.iter().map(Slot::bytes).sum();
        while bytes > self.most_bytes {
            let oldest = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.tile).map(|(at, _)| at);
            let Some(oldest) = oldest else { break };
            bytes -= self.slots.swap_remove(oldest).bytes();
        }
    }

    /// Finds a table that the tile uses; its place is good until the next tile.
    pub(crate) fn find(&mut self, spec: HuffmanSpec<'_>) -> usize {
        let place = self.slots.iter().position(|slot| slot.content == spec.bytes).unwrap_or_else(|| {
            self.slots.push(Slot::new(spec));
            self.slots.len() - 1
        });
        let slot = &mut self.slots[place];
        // Counted once a tile, however many components share it.
        if slot.tile != self.tile {
            slot.tile = self.tile;
            slot.asked = slot.asked.saturating_add(1);
        }
        place
    }

    /// Whether a table is worth its large form.
    pub(crate) fn is_shared(&self, place: usize) -> bool {
        self.slots[place].asked >= LARGE_FROM
    }

    /// Makes a table ready to read DC differences.
    pub(crate) fn build_differences(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        let content = &slot.content;
        slot.differences.get_or_insert_with(|| {
            self.has_grown = true;
            Differences::new(Codes::new(HuffmanSpec { bytes: content }))
        });
    }

    /// Makes a table ready to read AC coefficients, in its large form or in its small one, and to skip them.
    pub(crate) fn build_coefficients(&mut self, place: usize, large: bool, skips: bool) {
        let slot = &mut self.slots[place];
        let before = slot.bytes();
        if large {
            slot.small = None;
            build(&mut slot.large, &slot.content, skips);
        } else {
            build(&mut slot.small, &slot.content, skips);
        }
        self.has_grown |= slot.bytes() > before;
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
    fn tables_that_are_asked_for_often_are_shared() {
        let mut cache = Cache::new(1 << 20);
        let content = content(&[1, 2, 3]);
        let shared: Vec<bool> = (0..5)
            .map(|_| {
                cache.start_tile();
                assert_eq!([(); 2].map(|()| cache.find(HuffmanSpec { bytes: &content })), [0, 0]);
                cache.is_shared(0)
            })
            .collect();
        assert_eq!(shared, [false, false, false, true, true]);
    }

    #[test]
    fn forms_are_built_as_far_as_they_are_wanted() {
        let mut cache = Cache::new(1 << 20);
        let content = content(&[1, 2, 3]);
        let place = cache.find(HuffmanSpec { bytes: &content });
        let has = |cache: &Cache| {
            let slot = cache.slot(place);
            (slot.small.as_ref().map(|form| form.skips.is_some()), slot.large.as_ref().map(|form| form.skips.is_some()))
        };
        cache.build_coefficients(place, false, false);
        assert_eq!(has(&cache), (Some(false), None));
        cache.build_coefficients(place, false, true);
        assert_eq!(has(&cache), (Some(true), None));
        cache.build_coefficients(place, true, true);
        assert_eq!(has(&cache), (None, Some(true)));
    }

    #[test]
    fn the_oldest_go_once_the_bytes_are_spent() {
        let mut cache = Cache::new(20_000);
        for tile in 0..40 {
            cache.start_tile();
            let place = cache.find(HuffmanSpec { bytes: &content(&[tile]) });
            cache.build_coefficients(place, false, true);
            let kept: usize = cache.slots.iter().map(Slot::bytes).sum();
            assert!(kept <= 20_000 + cache.slot(place).bytes(), "{kept}");
        }
        assert!(cache.slots.iter().all(|slot| slot.tile > 30));
        assert!(cache.slots.len() > 2);
    }
}
