//! Look-ups of DC differences.

use super::{Codes, SMALL, codes::extend};

/// One table of DC differences.
#[derive(Debug)]
pub(crate) struct Differences {
    /// By the next bits: the difference in the high half, in the low one the bits it took, 0 if they are too few.
    entries: Box<[u32; SMALL]>,
    pub(crate) codes: Codes,
}

impl Differences {
    pub(super) const BYTES: usize = 4 * SMALL;

    /// Bits of an index.
    const BITS: u32 = SMALL.ilog2();

    pub(super) fn new(codes: Codes) -> Self {
        let mut entries = Box::new([0; SMALL]);
        for (index, (entry, symbol)) in (0_u32..).zip(entries.iter_mut().zip(codes.by_prefix(Self::BITS))) {
            let size = u32::from(symbol.symbol);
            let taken = u32::from(symbol.bits) + size;
            if symbol.bits > 0 && taken <= Self::BITS {
                let extra = (index >> (Self::BITS - taken)) & ((1 << size) - 1);
                *entry = (extend(extra, size) as u32) << 16 | taken;
            }
        }
        Self { entries, codes }
    }

    /// The difference at the start of a bit buffer, and the bits it takes; 0 bits where [`Codes::find`] has to say.
    #[inline(always)]
    pub(crate) fn look_up(&self, buffer: u64) -> (i32, u32) {
        let entry = self.entries[(buffer >> (64 - Self::BITS)) as usize];
        (entry as i32 >> 16, entry & 0xffff)
    }
}
