//! Look-ups that pass over AC coefficients: as many symbols as the next bits hold, up to the end of the block.

use super::Codes;

/// Marks the end of a block in an entry's advance. More than any number of coefficients.
pub(crate) const END: u8 = 128;

/// Marks an entry that holds no whole symbol. More than the end of a block behind any number of coefficients.
pub(crate) const NONE: u8 = 255;

/// Bits that one look-up may take at most: two of them and a DC difference (31) must fit a refilled bit buffer (56).
const MOST_BITS: u32 = 12;

/// One table of AC coefficients, without their values.
#[derive(Debug)]
pub(crate) struct Skips<const ENTRIES: usize> {
    /// By the next bits: how many coefficients are passed in the high half, [`END`] more if the block ends; in the low half
    /// the bits that takes, which may be more than were looked at. [`NONE`] and 0: ask [`Codes::find`].
    entries: Box<[u16; ENTRIES]>,
    pub(crate) codes: Codes,
}

impl<const ENTRIES: usize> Skips<ENTRIES> {
    const BITS: u32 = ENTRIES.ilog2();

    pub(super) fn new(codes: Codes) -> Self {
        // Every symbol by itself: its advance, its code's bits, all its bits.
        let ones: Vec<[u8; 3]> = codes
            .by_prefix(Self::BITS)
            .iter()
            .map(|symbol| {
                let (run, size) = (symbol.symbol >> 4, symbol.symbol & 15);
                let advance = if size == 0 && run < 15 { END } else { run + 1 };
                [advance, symbol.bits, symbol.bits + size]
            })
            .collect();
        let mut entries = Box::new([0; ENTRIES]);
        for (index, entry) in entries.iter_mut().enumerate() {
            *entry = many(&ones, index, Self::BITS);
        }
        Self { entries, codes }
    }

    /// The entry of the start of a bit buffer.
    #[inline(always)]
    pub(crate) fn look_up(&self, buffer: u64) -> u32 {
        u32::from(self.entries[(buffer >> (64 - Self::BITS)) as usize])
    }
}

/// The entry of as many symbols as start with the index.
fn many(ones: &[[u8; 3]], index: usize, bits: u32) -> u16 {
    let (mut advance, mut taken) = (0_u16, 0_u32);
    while taken < bits {
        let [step, code, all] = ones[(index << taken) & (ones.len() - 1)];
        let sum = advance + u16::from(step);
        // The index is filled up with zeros: a code counts only if it needs none of them. A block has 63 coefficients at
        // most, and what does not end it must not pass them.
        let fits = code > 0 && taken + u32::from(code) <= bits && taken + u32::from(all) <= 2 * MOST_BITS;
        if !fits || (step != END && sum > 63) {
            break;
        }
        (advance, taken) = (sum, taken + u32::from(all));
        if step == END {
            break;
        }
    }
    if taken == 0 { u16::from(NONE) << 8 } else { advance << 8 | taken as u16 }
}
