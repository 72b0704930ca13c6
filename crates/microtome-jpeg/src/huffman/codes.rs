//! The canonical code itself: a search for any symbol, and the short codes by their bits.

use crate::header::HuffmanSpec;

/// The codes of one table, by length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Codes {
    /// For lengths 1 to 16: the end of that length's codes, aligned to 16 bits. Never falls.
    ends: [u32; 16],
    /// What to add to a code of that length for its place among the symbols.
    places: [i32; 16],
    symbols: Vec<u8>,
}

/// A symbol of AC coefficients in the low byte (run and size) or of a DC difference (size), and the bits of its code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) symbol: u8,
    /// 0: there is no such code.
    pub(crate) bits: u8,
}

impl Codes {
    pub(crate) fn new(spec: HuffmanSpec<'_>) -> Self {
        let (counts, symbols) = spec.bytes.split_at_checked(16).unwrap_or_default();
        let (mut ends, mut places) = ([0; 16], [0; 16]);
        let (mut code, mut place) = (0_u32, 0);
        for (at, count) in counts.iter().enumerate() {
            places[at] = place - code as i32;
            code += u32::from(*count);
            place += i32::from(*count);
            ends[at] = code << (15 - at);
            code *= 2;
        }
        Self { ends, places, symbols: symbols.to_vec() }
    }

    /// The symbol whose code the 16 bits start with.
    pub(crate) fn find(&self, bits: u16) -> Option<Symbol> {
        let at = self.ends.iter().position(|end| u32::from(bits) < *end)?;
        let place = i32::from(bits >> (15 - at)) + self.places[at];
        let symbol = *self.symbols.get(usize::try_from(place).ok()?)?;
        Some(Symbol { symbol, bits: at as u8 + 1 })
    }

    /// The symbols by the next `bits` bits, as far as their codes are no longer than that.
    pub(super) fn by_prefix(&self, bits: u32) -> Vec<Symbol> {
        let mut table = vec![Symbol::default(); 1 << bits];
        let mut symbols = self.symbols.iter();
        let mut start = 0;
        for (length, end) in (1_u8..).zip(self.ends).take(bits as usize) {
            let step = 1 << (bits - u32::from(length));
            let end = (end >> (16 - bits)) as usize;
            while start < end {
                let symbol = symbols.next().copied().unwrap_or_default();
                table[start..start + step].fill(Symbol { symbol, bits: length });
                start += step;
            }
        }
        table
    }
}

/// The value that `size` extra bits stand for (T.81, F.2.2.1): half of them are negative.
#[inline(always)]
pub(crate) fn extend(extra: u32, size: u32) -> i32 {
    let negative = size > 0 && extra >> (size - 1) == 0;
    extra as i32 - if negative { (1 << size) - 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 00, 01, 100, 1010, 1011 00.
    const SPEC: &[u8] = &[0, 2, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 11, 12, 13, 14];

    #[test]
    fn symbols_by_their_codes() {
        let codes = Codes::new(HuffmanSpec { bytes: SPEC });
        let found = |bits: u16| codes.find(bits).map(|found| (found.symbol, found.bits));
        assert_eq!(found(0b0011_1111_1111_1111), Some((10, 2)));
        assert_eq!(found(0b0100_0000_0000_0000), Some((11, 2)));
        assert_eq!(found(0b1001_1111_1111_1111), Some((12, 3)));
        assert_eq!(found(0b1010_0000_0000_0001), Some((13, 4)));
        assert_eq!(found(0b1011_0011_1111_1111), Some((14, 6)));
        assert_eq!(found(0b1011_0100_0000_0000), None);
        assert_eq!(found(0xffff), None);
    }

    #[test]
    fn prefixes_say_what_the_search_says() {
        let codes = Codes::new(HuffmanSpec { bytes: SPEC });
        for bits in [4, 6, 9] {
            for (index, symbol) in codes.by_prefix(bits).into_iter().enumerate() {
                let found = codes.find((index << (16 - bits)) as u16).unwrap_or_default();
                let expected = if u32::from(found.bits) <= bits { found } else { Symbol::default() };
                assert_eq!(symbol, expected, "{index:b} of {bits}");
            }
        }
    }

    #[test]
    fn extra_bits() {
        assert_eq!([extend(0, 0), extend(0, 1), extend(1, 1), extend(1, 3), extend(4, 3)], [0, -1, 1, -6, 4]);
    }
}
