//! Byte order of a TIFF file.

/// How integers lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// `II`
    Little,
    /// `MM`
    Big,
}

impl ByteOrder {
    /// The unsigned integer that `bytes` (at most 8) spell.
    pub(crate) fn uint(self, bytes: &[u8]) -> u64 {
        let append = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, append),
            Self::Big => bytes.iter().fold(0, append),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders() {
        assert_eq!(ByteOrder::Little.uint(&[1, 2]), 0x0201);
        assert_eq!(ByteOrder::Big.uint(&[1, 2, 3, 4]), 0x0102_0304);
        assert_eq!(ByteOrder::Big.uint(&[0xff; 8]), u64::MAX);
        assert_eq!(ByteOrder::Little.uint(&[]), 0);
    }
}
