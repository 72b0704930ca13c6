//! The first bytes of a TIFF file: byte order, classic or BigTIFF, and where the first directory lies.

use super::order::ByteOrder;
use crate::Fault;

/// What the header fixes for the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) order: ByteOrder,
    /// BigTIFF: offsets and counts have 8 bytes.
    pub(crate) big: bool,
    /// Offset of the first directory.
    pub(crate) first: u64,
}

impl Header {
    /// Parses the start of a file.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, Fault> {
        let order = match head.get(..2) {
            Some(b"II") => ByteOrder::Little,
            Some(b"MM") => ByteOrder::Big,
            _ => return Err(Fault::not_a_slide("no TIFF header")),
        };
        let field = |from: usize, length: usize| {
            let bytes =
                head.get(from..from + length).ok_or_else(|| Fault::truncated("TIFF header is cut off").at(0))?;
            Ok::<u64, Fault>(order.uint(bytes))
        };
        match field(2, 2)? {
            42 => Ok(Self { order, big: false, first: field(4, 4)? }),
            43 if field(4, 2)? == 8 => Ok(Self { order, big: true, first: field(8, 8)? }),
            43 => Err(Fault::unsupported("BigTIFF with offsets of other than 8 bytes").at(4)),
            _ => Err(Fault::not_a_slide("no TIFF header")),
        }
    }

    /// Bytes of the field that holds a directory's number of entries.
    pub(crate) fn count_bytes(self) -> u64 {
        if self.big { 8 } else { 2 }
    }

    /// Bytes of one directory entry.
    pub(crate) fn entry_bytes(self) -> u64 {
        if self.big { 20 } else { 12 }
    }

    /// Bytes of an offset, and of the values that lie in an entry itself.
    pub(crate) fn offset_bytes(self) -> u64 {
        if self.big { 8 } else { 4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_kinds() {
        let classic = Header::parse(b"II*\0\x08\0\0\0").unwrap();
        assert_eq!(classic, Header { order: ByteOrder::Little, big: false, first: 8 });
        let big = Header::parse(b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10").unwrap();
        assert_eq!(big, Header { order: ByteOrder::Big, big: true, first: 16 });
    }

    #[test]
    fn other_files_are_no_slides() {
        for (bytes, category) in [
            (&b""[..], "NotASlide"),
            (b"\x89PNG", "NotASlide"),
            (b"II\0\0\0\0\0\0", "NotASlide"),
            (b"II*\0\x08", "Truncated"),
            (b"II\x2b\0\x04\0\0\0", "Unsupported"),
        ] {
            assert_eq!(Header::parse(bytes).unwrap_err().kind.category(), category);
        }
    }
}
