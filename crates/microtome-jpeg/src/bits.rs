//! Reads bits, most significant first, from padded bytes.

/// A position in the data, and the bits that follow it.
///
/// The upper `count` bits of the buffer are those that follow; what stands below them is either 0 or the bits that follow
/// those, so that a refill may simply lay the next word over it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// The first byte that is not wholly in the buffer.
    next: usize,
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    /// Starts at a bit of the bytes.
    pub(crate) fn at(bytes: &'a [u8], bit: usize) -> Self {
        let mut bits = Self { bytes, next: bit / 8, buffer: 0, count: 0 };
        bits.refill();
        bits.consume(bit as u32 % 8);
        bits
    }

    /// Makes at least 56 bits ready. Behind the bytes there are zeros for ever.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        let word = self.bytes.get(self.next..).and_then(<[u8]>::first_chunk::<8>);
        self.buffer |= word.map_or(0, |word| u64::from_be_bytes(*word)).wrapping_shr(self.count);
        self.next = self.next.wrapping_add((63_u32.wrapping_sub(self.count) >> 3) as usize);
        self.count |= 56;
    }

    /// The bits that follow, from the most significant one on.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Passes bits: at most those that were made ready, and fewer than 64.
    #[inline(always)]
    pub(crate) fn consume(&mut self, count: u32) {
        self.buffer = self.buffer.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// As [`Self::consume`], by the lowest six bits of a number that has others above them.
    #[inline(always)]
    pub(crate) fn consume_low(&mut self, count: u32) {
        self.buffer = self.buffer.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count & 63);
    }

    /// Reads up to 16 bits of those made ready.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        // Two shifts, because one by 64 is none.
        let bits = (self.buffer >> 1).wrapping_shr(63_u32.wrapping_sub(count)) as u32;
        self.consume(count);
        bits
    }

    /// Bits passed so far, from the start of the bytes.
    #[inline(always)]
    pub(crate) fn position(&self) -> usize {
        self.next.wrapping_mul(8).wrapping_sub(self.count as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_from_any_start() {
        let bytes: Vec<u8> = (0..40_u8).map(|at| at.wrapping_mul(113) ^ 0x5a).collect();
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| u32::from(byte >> (7 - at % 8) & 1));
        for start in 0..50 {
            let (mut bits, mut at) = (Bits::at(&bytes, start), start);
            for count in (0..17).cycle().take(60) {
                bits.refill();
                assert_eq!(bits.position(), at);
                let expected = (at..at + count).fold(0, |value, at| value << 1 | bit(at));
                // The last bytes are not read one by one: padding stands for them.
                if at + 128 < bytes.len() * 8 {
                    assert_eq!(bits.take(count as u32), expected, "{count} bits at {at}");
                } else {
                    bits.consume(count as u32);
                }
                at += count;
            }
        }
    }
}
