//! Look-ups of AC coefficients: one or two of them with their extra bits, or one and the end of the block.

use super::{Codes, END, Size, codes::extend};
use crate::header::HuffmanSpec;

/// One table of AC coefficients.
#[derive(Debug)]
pub(crate) struct Coefficients {
    entries: Vec<Entry>,
    bits: u32,
    pub(crate) codes: Codes,
}

/// What the next bits hold. Places count from the coefficient that is due. Where there is one coefficient only, it stands
/// twice; where there is none, it is a 0 at the place that is due anyway: so a reader may store both without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C, align(8))]
pub(crate) struct Entry {
    pub(crate) values: [i16; 2],
    pub(crate) places: [u8; 2],
    /// How many coefficients that makes, the zeros among them too; [`END`] more if the block ends.
    pub(crate) advance: u8,
    /// Bits that all of this takes. 0: ask [`Codes::find`].
    pub(crate) bits: u8,
}

impl Coefficients {
    pub(super) fn new(spec: HuffmanSpec<'_>, size: Size) -> Self {
        let (codes, bits) = (Codes::new(spec), size.coefficient_bits());
        let ones: Vec<Entry> =
            (0_u32..).zip(codes.by_prefix(bits)).map(|(index, symbol)| one(index, bits, symbol)).collect();
        let mask = (1 << bits) - 1;
        let both = ones.iter().enumerate().map(|(index, first)| match first {
            Entry { bits: 0, .. } => *first,
            Entry { advance: END.., .. } => *first,
            _ => {
                let second = ones[(index << first.bits) & mask];
                // The second one's index was filled up with zeros: it counts only if it needs none of them.
                let fits = second.bits > 0 && u32::from(first.bits + second.bits) <= bits;
                if fits { join(*first, second) } else { *first }
            }
        });
        Self { entries: both.collect(), bits, codes }
    }

    /// What the start of a bit buffer holds.
    #[inline(always)]
    pub(crate) fn look_up(&self, buffer: u64) -> Entry {
        self.entries[(buffer >> (64 - self.bits)) as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>()
    }
}

/// The entry of one symbol, if it fits the index with its extra bits.
fn one(index: u32, bits: u32, symbol: super::codes::Symbol) -> Entry {
    let (run, size) = (symbol.symbol >> 4, u32::from(symbol.symbol & 15));
    let taken = u32::from(symbol.bits) + size;
    if symbol.bits == 0 || taken > bits {
        return Entry::default();
    }
    if size == 0 && run < 15 {
        return Entry { advance: END, bits: symbol.bits, ..Entry::default() };
    }
    let value = extend((index >> (bits - taken)) & ((1 << size) - 1), size) as i16;
    Entry { values: [value; 2], places: [run; 2], advance: run + 1, bits: taken as u8 }
}

fn join(first: Entry, second: Entry) -> Entry {
    let (advance, bits) = (first.advance + second.advance, first.bits + second.bits);
    if second.advance == END {
        return Entry { advance, bits, ..first };
    }
    let places = [first.places[0], first.advance + second.places[0]];
    Entry { values: [first.values[0], second.values[0]], places, advance, bits }
}
