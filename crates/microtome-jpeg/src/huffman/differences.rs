//! Look-ups of DC differences.

use super::{Codes, Size, codes::extend, spread};
use crate::header::HuffmanSpec;

/// Bits of an index.
const BITS: u32 = 10;

/// One table of DC differences.
#[derive(Debug)]
pub(crate) struct Differences {
    /// By the next bits: the difference in the high half, in the low one the bits it took, 0 if they are too few.
    entries: Box<[u32; 1 << BITS]>,
    pub(crate) codes: Codes,
}

impl Differences {
    pub(super) fn new(spec: HuffmanSpec<'_>, size: Size) -> Self {
        let (codes, bits) = (Codes::new(spec), size.coefficient_bits());
        let entries = codes.by_prefix(bits).into_iter().enumerate().map(|(index, symbol)| {
            let (size, taken) = (u32::from(symbol.symbol), u32::from(symbol.bits) + u32::from(symbol.symbol));
            if symbol.bits == 0 || taken > bits {
                return 0;
            }
            let extra = (index as u32 >> (bits - taken)) & ((1 << size) - 1);
            (extend(extra, size) as u32) << 16 | taken
        });
        Self { entries: spread(entries), codes }
    }

    /// The difference at the start of a bit buffer, and the bits it takes; 0 bits where [`Codes::find`] has to say.
    #[inline(always)]
    pub(crate) fn look_up(&self, buffer: u64) -> (i32, u32) {
        let entry = self.entries[(buffer >> (64 - BITS)) as usize];
        (entry as i32 >> 16, entry & 0xffff)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }
}
