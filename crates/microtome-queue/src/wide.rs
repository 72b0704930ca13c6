//! Unsigned integers of 256 bits: what usage is summed in. Only what the ledger needs, saturating instead of wrapping.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An unsigned integer of 256 bits. Written as hexadecimal text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wide {
    // The order of the fields is the order of numbers.
    high: u128,
    low: u128,
}

const HALF: u32 = 64;
const LOW_HALF: u128 = (1 << HALF) - 1;

impl Wide {
    pub(crate) const ZERO: Self = Self { high: 0, low: 0 };
    const MAX: Self = Self { high: u128::MAX, low: u128::MAX };

    /// The exact product.
    pub(crate) const fn product(a: u128, b: u128) -> Self {
        if a >> HALF == 0 && b >> HALF == 0 {
            return Self { high: 0, low: a * b };
        }
        let (a1, a0, b1, b0) = (a >> HALF, a & LOW_HALF, b >> HALF, b & LOW_HALF);
        let low = a0 * b0;
        // Neither sum can overflow: (2^64 − 1)² + 2·(2^64 − 1) = 2^128 − 1.
        let middle = a1 * b0 + (low >> HALF);
        let cross = a0 * b1 + (middle & LOW_HALF);
        Self { high: a1 * b1 + (middle >> HALF) + (cross >> HALF), low: (cross << HALF) | (low & LOW_HALF) }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let (high, over) = self.high.overflowing_add(other.high);
        let (high, again) = high.overflowing_add(carry as u128);
        if over || again { Self::MAX } else { Self { high, low } }
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let (high, under) = self.high.overflowing_sub(other.high);
        let (high, again) = high.overflowing_sub(borrow as u128);
        if under || again { Self::ZERO } else { Self { high, low } }
    }

    /// Divided by a power of two, rounded down.
    pub(crate) const fn shifted_down(self, bits: u32) -> Self {
        match bits {
            0 => self,
            1..128 => Self { high: self.high >> bits, low: (self.low >> bits) | (self.high << (128 - bits)) },
            128..256 => Self { high: 0, low: self.high >> (bits - 128) },
            _ => Self::ZERO,
        }
    }

    /// Times `numerator / divisor`, by their leading 63 bits.
    pub(crate) fn scaled(self, numerator: u128, divisor: u128) -> Self {
        let leading = |number: Self| number.bits().saturating_sub(63);
        let (n, d) = (Self { high: 0, low: numerator }, Self { high: 0, low: divisor });
        let (mine, up, down) = (leading(self), leading(n), leading(d));
        let product = self.shifted_down(mine).low * n.shifted_down(up).low;
        let quotient = Self { high: 0, low: product / d.shifted_down(down).low.max(1) };
        if mine + up >= down { quotient.shifted_up(mine + up - down) } else { quotient.shifted_down(down - mine - up) }
    }

    /// Times a power of two.
    pub(crate) fn shifted_up(self, bits: u32) -> Self {
        match bits {
            0 => self,
            _ if self.bits() + bits > 256 => Self::MAX,
            1..128 => Self { high: (self.high << bits) | (self.low >> (128 - bits)), low: self.low << bits },
            _ => Self { high: self.low << (bits - 128), low: 0 },
        }
    }

    /// How many bits the number has; 0 has none.
    pub(crate) const fn bits(self) -> u32 {
        if self.high == 0 { 128 - self.low.leading_zeros() } else { 256 - self.high.leading_zeros() }
    }

    /// The low 128 bits, or the most they can hold.
    pub(crate) const fn saturated(self) -> u128 {
        if self.high == 0 { self.low } else { u128::MAX }
    }

    /// `self / other` with `places` binary places (at most 60), rounded down, at most 4. The divisor's first 64 bits decide,
    /// so the relative error is below 2⁻⁶².
    pub(crate) fn ratio(self, other: Self, places: u32) -> u128 {
        let most = 4_u128 << places;
        if self == Self::ZERO {
            return 0;
        }
        let shift = other.bits().saturating_sub(HALF);
        let (numerator, divisor) = (self.shifted_down(shift).saturated(), other.shifted_down(shift).low);
        // Of a capacity of nothing, any usage is too much; and 4 times as much is as far as anybody looks.
        if divisor == 0 || numerator >= 4 * divisor {
            return most;
        }
        (numerator << places) / divisor
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high == 0 {
            return write!(formatter, "{:x}", self.low);
        }
        write!(formatter, "{:x}{:032x}", self.high, self.low)
    }
}

/// The text is no hexadecimal number of at most 256 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a hexadecimal number of at most 256 bits")]
pub struct WideError(String);

impl FromStr for Wide {
    type Err = WideError;

    fn from_str(text: &str) -> Result<Self, WideError> {
        let error = || WideError(text.to_owned());
        if text.is_empty() || text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let (high, low) = text.split_at(text.len().saturating_sub(32));
        let part = |digits: &str| match digits {
            "" => Ok(0),
            _ => u128::from_str_radix(digits, 16).map_err(|_| error()),
        };
        Ok(Self { high: part(high)?, low: part(low)? })
    }
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_sums_are_exact_beyond_128_bits() {
        let all = u128::MAX;
        assert_eq!(Wide::product(all, all), Wide { high: all - 1, low: 1 });
        assert_eq!(Wide::product(3, 5), Wide { high: 0, low: 15 });
        assert_eq!(Wide::product(1 << 100, 1 << 60), Wide { high: 1 << 32, low: 0 });
        let one = Wide::product(1, 1);
        assert_eq!(Wide { high: 0, low: all }.plus(one), Wide { high: 1, low: 0 });
        assert_eq!(Wide { high: 1, low: 0 }.minus(one), Wide { high: 0, low: all });
        assert_eq!((Wide::MAX.plus(one), Wide::ZERO.minus(one)), (Wide::MAX, Wide::ZERO));
    }

    #[test]
    fn shifts_cross_the_halves() {
        let number = Wide { high: 0b101, low: 0 };
        assert_eq!(number.shifted_down(2), Wide { high: 1, low: 1 << 126 });
        assert_eq!((number.shifted_down(130).low, number.shifted_down(300)), (1, Wide::ZERO));
        assert_eq!(number.shifted_down(2).shifted_up(2), number);
        assert_eq!((number.bits(), Wide::ZERO.bits()), (131, 0));
    }

    #[test]
    fn ratios_are_bounded_and_need_no_capacity() {
        let wide = |number| Wide::product(number, 1);
        assert_eq!(wide(3).ratio(wide(4), 60), 3 << 58);
        assert_eq!((wide(1).ratio(Wide::ZERO, 60), Wide::ZERO.ratio(Wide::ZERO, 60)), (4 << 60, 0));
        assert_eq!(Wide::MAX.ratio(wide(1), 60), 4 << 60);
        assert_eq!(Wide::MAX.ratio(Wide::MAX, 60), 1 << 60);
    }

    #[test]
    fn text_reads_back() {
        for number in [Wide::ZERO, Wide::MAX, Wide { high: 0xa, low: 7 }] {
            assert_eq!(number.to_string().parse(), Ok(number));
        }
        assert!("+1".parse::<Wide>().is_err() && "".parse::<Wide>().is_err() && "g".parse::<Wide>().is_err());
    }
}
