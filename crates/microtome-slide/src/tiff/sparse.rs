//! The parts of a blob that have been fetched while opening it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Pieces of a blob by offset; pieces may touch or overlap.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pieces: Vec<(u64, Bytes)>,
}

impl Sparse {
    pub(crate) fn insert(&mut self, start: u64, bytes: Bytes) {
        if !bytes.is_empty() {
            self.pieces.push((start, bytes));
        }
    }

    /// Whether every byte of the range is here.
    pub(crate) fn has(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.piece_at(at) {
                Some((start, bytes)) => at = start + bytes.len() as u64,
                None => return false,
            }
        }
        true
    }

    /// What of a range is not here yet, but for holes behind the first missing byte.
    pub(crate) fn rest(&self, range: &Range<u64>) -> Range<u64> {
        let mut at = range.start;
        while let Some((start, bytes)) = self.piece_at(at).filter(|_| at < range.end) {
            at = start + bytes.len() as u64;
        }
        at.min(range.end)..range.end
    }

    /// The bytes of a range, `None` unless all are here. Copies only what spans pieces.
    pub(crate) fn read(&self, range: &Range<u64>) -> Option<Bytes> {
        if range.start >= range.end {
            return Some(Bytes::new());
        }
        if !self.has(range) {
            return None;
        }
        let (start, bytes) = self.piece_at(range.start)?;
        let (from, to) = ((range.start - start) as usize, (range.end - start) as usize);
        if to <= bytes.len() {
            return Some(bytes.slice(from..to));
        }
        let mut joined = BytesMut::with_capacity((range.end - range.start) as usize);
        let mut at = range.start;
        while at < range.end {
            let (start, bytes) = self.piece_at(at)?;
            let end = range.end.min(start + bytes.len() as u64);
            joined.extend_from_slice(&bytes[(at - start) as usize..(end - start) as usize]);
            at = end;
        }
        Some(joined.freeze())
    }

    /// The piece that holds the byte at `at` and reaches furthest.
    fn piece_at(&self, at: u64) -> Option<&(u64, Bytes)> {
        let holds = |(start, bytes): &&(u64, Bytes)| *start <= at && at - *start < bytes.len() as u64;
        self.pieces.iter().filter(holds).max_by_key(|(start, bytes)| start + bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_within_and_across_pieces() {
        let mut sparse = Sparse::default();
        sparse.insert(0, Bytes::from_static(b"abcd"));
        sparse.insert(3, Bytes::from_static(b"def"));
        sparse.insert(10, Bytes::from_static(b"xyz"));
        assert_eq!(sparse.read(&(1..3)).unwrap(), "bc");
        assert_eq!(sparse.read(&(1..6)).unwrap(), "bcdef");
        assert_eq!(sparse.read(&(10..13)).unwrap(), "xyz");
        assert_eq!(sparse.read(&(5..11)), None);
        assert_eq!([sparse.rest(&(1..9)), sparse.rest(&(1..4)), sparse.rest(&(7..12))], [6..9, 4..4, 7..12]);
        assert_eq!(sparse.read(&(12..14)), None);
        assert_eq!(sparse.read(&(50..50)).unwrap(), "");
    }
}
