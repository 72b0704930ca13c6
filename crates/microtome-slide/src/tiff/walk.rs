//! The walk along the chain of directories, in as few round trips as the layout allows.
//!
//! Writers that put directories first need none beyond the two ends. Aperio's puts each directory behind the data of its
//! level with its arrays directly after it: one window a directory. Values elsewhere are fetched together at the end.

use std::{collections::HashSet, ops::Range};

use bytes::Bytes;

use super::{
    directory::{Directory, Entry, Parsed, Source},
    header::Header,
    sparse::Sparse,
    tags,
};
use crate::{Fault, Limits, range::merge};

/// Smallest window fetched for a directory: the same as the ends, one packet burst on any store.
const WINDOW_MIN_BYTES: u64 = 64 << 10;

/// Largest window: the arrays of a level of 20 GB lie within it.
const WINDOW_MAX_BYTES: u64 = 2 << 20;

/// A directory's arrays take about 8 bytes for each 10 KB of its level's data, which lies between it and the one before.
const DATA_PER_ARRAY_BYTE: u64 = 1024;

/// Values closer than this are fetched together: a request costs about as much as this many bytes.
const VALUE_GAP_BYTES: u64 = 64 << 10;

/// Longest merged range of values; as long as a read's.
const VALUE_RANGE_BYTES: u64 = 8 << 20;

/// What the walker wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These ranges, by [`Walker::supply`], before the next step. They may be fetched in parallel.
    Fetch(Vec<Range<u64>>),
    Done,
}

/// Walks a blob's directories.
pub(crate) struct Walker<'a> {
    header: Header,
    bytes: Sparse,
    size: u64,
    limits: &'a Limits,
    directories: Vec<Directory>,
    seen: HashSet<u64>,
    next: u64,
    /// The last bytes, if they could not come with the first; they ride along with the first window.
    tail: Option<Range<u64>>,
    values_asked: bool,
}

/// A walked file.
pub(crate) struct Tiff {
    header: Header,
    bytes: Sparse,
    size: u64,
    limits: Limits,
    directories: Vec<Directory>,
}

impl<'a> Walker<'a> {
    /// Starts with the first bytes of a blob of `size` bytes.
    pub(crate) fn start(head: Bytes, size: u64, limits: &'a Limits) -> Result<Self, Fault> {
        let header = Header::parse(&head)?;
        let tail = size.saturating_sub(WINDOW_MIN_BYTES).max(head.len() as u64)..size;
        let mut bytes = Sparse::default();
        bytes.insert(0, head);
        let (directories, seen) = (Vec::new(), HashSet::new());
        let (next, tail) = (header.first, Some(tail).filter(|tail| tail.start < tail.end));
        Ok(Self { header, bytes, size, limits, directories, seen, next, tail, values_asked: false })
    }

    /// Adds fetched bytes.
    pub(crate) fn supply(&mut self, start: u64, bytes: Bytes) {
        self.bytes.insert(start, bytes);
    }

    /// Walks as far as the bytes reach.
    pub(crate) fn step(&mut self) -> Result<Step, Fault> {
        while self.next != 0 {
            let number = self.directories.len() as u32;
            if self.directories.len() >= self.limits.directories {
                return Err(Fault::limit(format!("more than {number} TIFF directories")).at(self.next));
            }
            if self.seen.contains(&self.next) {
                return Err(Fault::malformed("TIFF directories form a loop").in_directory(number).at(self.next));
            }
            let source = Source { header: self.header, bytes: &self.bytes, size: self.size, limits: self.limits };
            match Directory::parse(&source, number, self.next)? {
                Parsed::Need(range) => return Ok(self.window(range)),
                Parsed::Done(directory) => {
                    self.seen.insert(self.next);
                    self.next = directory.next;
                    self.directories.push(directory);
                }
            }
        }
        if std::mem::replace(&mut self.values_asked, true) {
            return Ok(Step::Done);
        }
        let missing = self.missing_values();
        Ok(if missing.is_empty() { Step::Done } else { Step::Fetch(missing) })
    }

    /// The walked file; call after [`Step::Done`].
    pub(crate) fn finish(self) -> Tiff {
        let Self { header, bytes, size, limits, directories, .. } = self;
        Tiff { header, bytes, size, limits: limits.clone(), directories }
    }

    /// The window for the directory whose missing bytes are `needed`, and the tail if it is still to come.
    fn window(&mut self, needed: Range<u64>) -> Step {
        let previous = self.directories.last().map_or(0, |directory| directory.offset);
        let data = needed.start.saturating_sub(previous);
        let length = (data / DATA_PER_ARRAY_BYTE).clamp(WINDOW_MIN_BYTES, WINDOW_MAX_BYTES);
        let end = needed.start.saturating_add(length).clamp(needed.end, self.size.max(needed.end));
        let tail = self.tail.take().filter(|tail| !self.bytes.has(tail));
        let wanted: Vec<Range<u64>> = std::iter::once(needed.start..end).chain(tail).collect();
        Step::Fetch(merge(&wanted, VALUE_GAP_BYTES, VALUE_RANGE_BYTES).ranges)
    }

    /// Values of tiled directories that are not here; those that break a limit are left for the reader to refuse.
    fn missing_values(&self) -> Vec<Range<u64>> {
        let tiled = self.directories.iter().filter(|directory| directory.is_tiled());
        let absent = |entry: &&Entry| {
            let limit = if tags::is_array(entry.tag) { self.limits.array_bytes } else { self.limits.text_bytes };
            let Range { start, end } = entry.at;
            end <= self.size && end - start <= limit && !self.bytes.has(&entry.at)
        };
        let entries = tiled.flat_map(|directory| &directory.entries);
        let wanted: Vec<Range<u64>> = entries.filter(absent).map(|entry| entry.at.clone()).collect();
        merge(&wanted, VALUE_GAP_BYTES, VALUE_RANGE_BYTES).ranges
    }
}

impl Tiff {
    pub(crate) fn header(&self) -> Header {
        self.header
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The chain of directories; sub-directories are not part of it.
    pub(crate) fn directories(&self) -> &[Directory] {
        &self.directories
    }

    pub(super) fn read(&self, range: &Range<u64>) -> Option<Bytes> {
        self.bytes.read(range)
    }
}
