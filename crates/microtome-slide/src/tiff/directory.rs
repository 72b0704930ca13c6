//! One TIFF directory (IFD): its known entries and where their values lie.

use std::ops::Range;

use super::{header::Header, sparse::Sparse, tags};
use crate::{Fault, Limits};

/// Type of an entry's values, with the size of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    /// Unsigned integers of this many bytes.
    Uint(u64),
    Ascii,
    /// Bytes without meaning of their own.
    Undefined,
    /// Two unsigned 4-byte integers.
    Rational,
    /// A type that no known tag has: signed and floating-point numbers.
    Other(u64),
}

impl FieldType {
    fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Uint(1),
            2 => Self::Ascii,
            3 => Self::Uint(2),
            4 | 13 => Self::Uint(4),
            5 => Self::Rational,
            6 => Self::Other(1),
            7 => Self::Undefined,
            8 => Self::Other(2),
            9 | 11 => Self::Other(4),
            10 | 12 | 17 => Self::Other(8),
            16 | 18 => Self::Uint(8),
            _ => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Uint(bytes) | Self::Other(bytes) => bytes,
            Self::Ascii | Self::Undefined => 1,
            Self::Rational => 8,
        }
    }
}

/// One entry of a known tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) kind: FieldType,
    pub(crate) count: u64,
    /// Where the values lie in the blob: in the entry itself if they fit, else where it points. Not yet checked against
    /// the blob's size.
    pub(crate) at: Range<u64>,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Number in the chain, from 0.
    pub(crate) number: u32,
    /// Offset in the blob.
    pub(crate) offset: u64,
    pub(crate) entries: Vec<Entry>,
    /// Offset of the next directory; 0 ends the chain.
    pub(crate) next: u64,
}

/// What parsing came to.
pub(crate) enum Parsed {
    Done(Directory),
    /// The bytes still needed.
    Need(Range<u64>),
}

/// What a directory is parsed from.
pub(crate) struct Source<'a> {
    pub(crate) header: Header,
    pub(crate) bytes: &'a Sparse,
    /// Size of the blob.
    pub(crate) size: u64,
    pub(crate) limits: &'a Limits,
}

impl Directory {
    /// Parses directory `number` at `offset`, or says which bytes are missing for that.
    pub(crate) fn parse(source: &Source<'_>, number: u32, offset: u64) -> Result<Parsed, Fault> {
        let header = source.header;
        let place = |fault: Fault| fault.in_directory(number).at(offset);
        let cut_off = || place(Fault::truncated("TIFF directory lies outside the file"));
        let count_end =
            offset.checked_add(header.count_bytes()).filter(|end| *end <= source.size).ok_or_else(cut_off)?;
        let Some(count) = source.bytes.read(&(offset..count_end)) else { return Ok(Parsed::Need(offset..count_end)) };
        let count = header.order.uint(&count);
        if count > source.limits.entries {
            return Err(place(Fault::limit(format!("TIFF directory has {count} entries"))));
        }
        let next_at = count_end + count * header.entry_bytes();
        let end = next_at.checked_add(header.offset_bytes()).filter(|end| *end <= source.size).ok_or_else(cut_off)?;
        let Some(body) = source.bytes.read(&(count_end..end)) else { return Ok(Parsed::Need(offset..end)) };
        let (entries, next) = body.split_at((next_at - count_end) as usize);
        let mut directory = Self { number, offset, entries: Vec::new(), next: header.order.uint(next) };
        for (index, entry) in entries.chunks_exact(header.entry_bytes() as usize).enumerate() {
            let at = count_end + index as u64 * header.entry_bytes();
            directory.keep(Entry::parse(header, entry, at).map_err(place)?);
        }
        Ok(Parsed::Done(directory))
    }

    /// Keeps the first entry of each tag, as libtiff does.
    fn keep(&mut self, entry: Option<Entry>) {
        if let Some(entry) = entry
            && self.entry(entry.tag).is_none()
        {
            self.entries.push(entry);
        }
    }

    pub(crate) fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// Whether the image is cut into tiles; the others are labels, macros and thumbnails.
    pub(crate) fn is_tiled(&self) -> bool {
        self.entry(tags::TILE_WIDTH).is_some()
    }
}

impl Entry {
    /// Parses the entry whose bytes lie at `at`; `None` for unknown tags and types.
    fn parse(header: Header, bytes: &[u8], at: u64) -> Result<Option<Self>, Fault> {
        let (fixed, value) = bytes.split_at(bytes.len() - header.offset_bytes() as usize);
        let (tag, rest) = fixed.split_at(2);
        let (kind, count) = rest.split_at(2);
        let tag = header.order.uint(tag) as u16;
        let Some(kind) = FieldType::from_code(header.order.uint(kind)).filter(|_| tags::is_known(tag)) else {
            return Ok(None);
        };
        let count = header.order.uint(count);
        let overflow = || Fault::malformed(format!("tag {tag} announces {count} values"));
        let length = count.checked_mul(kind.bytes()).ok_or_else(overflow)?;
        let start = if length <= header.offset_bytes() {
            at + (bytes.len() - value.len()) as u64
        } else {
            header.order.uint(value)
        };
        let end = start.checked_add(length).ok_or_else(overflow)?;
        Ok(Some(Self { tag, kind, count, at: start..end }))
    }
}
