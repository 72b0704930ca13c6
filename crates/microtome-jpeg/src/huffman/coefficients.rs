//! Look-ups of AC coefficients: one or two of them with their extra bits, or one and the end of the block.

use super::{Codes, END, NONE, codes::extend};

/// One table of AC coefficients, of a power of two of entries.
#[derive(Debug)]
pub(crate) struct Coefficients<const ENTRIES: usize> {
    entries: Box<[Entry; ENTRIES]>,
    pub(crate) codes: Codes,
}

/// What the next bits hold, in one word. Places count from the coefficient that is due. Where there is one coefficient only,
/// it stands twice; where there is none, it is a 0 at the place that is due anyway: so a reader may store both without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Entry(u64);

/// An entry by its parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Parts {
    values: [i16; 2],
    places: [u8; 2],
    advance: u8,
    bits: u8,
}

impl Entry {
    /// Bits that all of this takes, with noise above the lowest six.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        self.0 as u32
    }

    /// If the bits hold no symbol with its extra bits, but its code: the code's bits, the run, and the size.
    #[inline(always)]
    pub(crate) fn code(self) -> Option<(u32, usize, u32)> {
        let [run, size] = self.places();
        let bits = u32::from(self.0 as u8);
        (self.advance() == usize::from(NONE) && bits > 0).then_some((bits, run, size as u32))
    }

    /// How many coefficients that makes, the zeros among them too; [`END`] more if the block ends, [`NONE`] if the bits hold no
    /// symbol with its extra bits.
    #[inline(always)]
    pub(crate) fn advance(self) -> usize {
        usize::from((self.0 >> 8) as u8)
    }

    #[inline(always)]
    pub(crate) fn places(self) -> [usize; 2] {
        [usize::from((self.0 >> 16) as u8), usize::from((self.0 >> 24) as u8)]
    }

    #[inline(always)]
    pub(crate) fn values(self) -> [i16; 2] {
        [(self.0 >> 32) as i16, (self.0 >> 48) as i16]
    }
}

impl From<Parts> for Entry {
    fn from(parts: Parts) -> Self {
        let Parts { values: [a, b], places: [c, d], advance, bits } = parts;
        let ([a, e], [b, f]) = (a.to_le_bytes(), b.to_le_bytes());
        Self(u64::from_le_bytes([bits, advance, c, d, a, e, b, f]))
    }
}

impl<const ENTRIES: usize> Coefficients<ENTRIES> {
    const BITS: u32 = ENTRIES.ilog2();

    pub(super) fn new(codes: Codes) -> Self {
        let symbols = codes.by_prefix(Self::BITS);
        let ones: Vec<Parts> = (0..).zip(symbols).map(|(index, symbol)| one(index, Self::BITS, symbol)).collect();
        let mut entries = Box::new([Entry::default(); ENTRIES]);
        for (index, (entry, first)) in entries.iter_mut().zip(&ones).enumerate() {
            let second = ones[(index << first.bits) & (ENTRIES - 1)];
            // The second one's index was filled up with zeros: it counts only if it needs none of them.
            let fits = second.advance != NONE && u32::from(first.bits + second.bits) <= Self::BITS;
            *entry = Entry::from(if first.advance < END && fits { join(*first, second) } else { *first });
        }
        Self { entries, codes }
    }

    /// What the start of a bit buffer holds.
    #[inline(always)]
    pub(crate) fn look_up(&self, buffer: u64) -> Entry {
        self.entries[(buffer >> (64 - Self::BITS)) as usize]
    }
}

/// The entry of one symbol, if it fits the index with its extra bits.
fn one(index: u32, bits: u32, symbol: super::codes::Symbol) -> Parts {
    let (run, size) = (symbol.symbol >> 4, u32::from(symbol.symbol & 15));
    let taken = u32::from(symbol.bits) + size;
    if symbol.bits == 0 || taken > bits {
        // The values are 0 and harmless wherever a reader stores them.
        return Parts { places: [run, size as u8], advance: NONE, bits: symbol.bits, ..Parts::default() };
    }
    if size == 0 && run < 15 {
        return Parts { advance: END, bits: symbol.bits, ..Parts::default() };
    }
    let value = extend((index >> (bits - taken)) & ((1 << size) - 1), size) as i16;
    Parts { values: [value; 2], places: [run; 2], advance: run + 1, bits: taken as u8 }
}

fn join(first: Parts, second: Parts) -> Parts {
    let (advance, bits) = (first.advance + second.advance, first.bits + second.bits);
    if second.advance == END {
        return Parts { advance, bits, ..first };
    }
    let places = [first.places[0], first.advance + second.places[0]];
    Parts { values: [first.values[0], second.values[0]], places, advance, bits }
}
