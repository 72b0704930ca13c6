//! The walk along the chain of directories, in as few round trips as the layout allows.
//!
//! Writers that put directories first need none beyond the two ends. Aperio's puts each directory behind the data of its
//! level with its arrays directly after it: one window a directory. The sub-directories of directory 0, which hold OME's
//! pyramids, are fetched together after the chain, and values that lie elsewhere together at the end.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
};

use bytes::Bytes;

use super::{
    directory::{Directory, Entry, FieldType, Parsed, Source},
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

/// Whose values are fetched where they do not come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Tiles,
    /// Those of images in strips too: labels, macros, thumbnails.
    TilesAndStrips,
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
    subs: Subs,
    /// The last bytes, if they could not come with the first; they ride along with the first window.
    tail: Option<Range<u64>>,
    values_asked: bool,
    wanted: Wanted,
}

/// The sub-directories of directory 0.
#[derive(Default)]
struct Subs {
    /// Offsets of those still to be parsed; `None` until directory 0 has been asked.
    pending: Option<VecDeque<u64>>,
    /// Whether those that are not here have been asked for.
    asked: bool,
    parsed: Vec<Directory>,
    /// Why the walk through them ended early. It spoils only formats that need them.
    fault: Option<Fault>,
}

/// A walked file.
pub(crate) struct Tiff {
    header: Header,
    bytes: Sparse,
    size: u64,
    limits: Limits,
    directories: Vec<Directory>,
    subs: Subs,
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
        let subs = Subs::default();
        Ok(Self {
            header,
            bytes,
            size,
            limits,
            directories,
            seen,
            next,
            subs,
            tail,
            values_asked: false,
            wanted: Wanted::Tiles,
        })
    }

    pub(crate) fn want(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    /// Adds fetched bytes.
    pub(crate) fn supply(&mut self, start: u64, bytes: Bytes) {
        self.bytes.insert(start, bytes);
    }

    /// Walks as far as the bytes reach.
    pub(crate) fn step(&mut self) -> Result<Step, Fault> {
        while self.next != 0 {
            match self.parse(self.next)? {
                Parsed::Need(range) => return Ok(self.window(range)),
                Parsed::Done(directory) => {
                    self.next = directory.next;
                    self.directories.push(directory);
                }
            }
        }
        match self.step_subs() {
            Ok(None) => {}
            Ok(Some(step)) => return Ok(step),
            Err(fault) => {
                self.subs.pending = Some(VecDeque::new());
                self.subs.fault = Some(fault);
            }
        }
        if std::mem::replace(&mut self.values_asked, true) {
            return Ok(Step::Done);
        }
        let missing = self.missing_values();
        Ok(if missing.is_empty() { Step::Done } else { Step::Fetch(missing) })
    }

    /// Parses the next directory, or says which bytes that takes.
    fn parse(&mut self, offset: u64) -> Result<Parsed, Fault> {
        let number = (self.directories.len() + self.subs.parsed.len()) as u32;
        if number as usize >= self.limits.directories {
            return Err(Fault::limit(format!("more than {number} TIFF directories")).at(offset));
        }
        if self.seen.contains(&offset) {
            return Err(Fault::malformed("TIFF directories form a loop").in_directory(number).at(offset));
        }
        let source = Source { header: self.header, bytes: &self.bytes, size: self.size, limits: self.limits };
        let parsed = Directory::parse(&source, number, offset)?;
        if matches!(parsed, Parsed::Done(_)) {
            self.seen.insert(offset);
        }
        Ok(parsed)
    }

    /// Parses the sub-directories as far as the bytes reach; `None` once there are no more. Their own chains and
    /// sub-directories are left alone.
    fn step_subs(&mut self) -> Result<Option<Step>, Fault> {
        if self.subs.pending.is_none() {
            match self.sub_offsets()? {
                Ok(offsets) => self.subs.pending = Some(offsets.into()),
                Err(range) => return Ok(Some(Step::Fetch(vec![range]))),
            }
        }
        while let Some(offset) = self.subs.pending.as_ref().and_then(|pending| pending.front().copied()) {
            match self.parse(offset)? {
                Parsed::Need(range) => return Ok(Some(self.sub_windows(range))),
                Parsed::Done(directory) => self.subs.parsed.push(directory),
            }
            self.subs.pending.as_mut().and_then(VecDeque::pop_front);
        }
        Ok(None)
    }

    /// Where the sub-directories of directory 0 lie, or the bytes that say so.
    fn sub_offsets(&self) -> Result<Result<Vec<u64>, Range<u64>>, Fault> {
        let entry = self.directories.first().and_then(|first| first.entry(tags::SUB_IFDS));
        let Some(entry) = entry else { return Ok(Ok(Vec::new())) };
        let place = |fault: Fault| fault.in_directory(0).at(entry.at.start);
        let size = match entry.kind {
            FieldType::Uint(size) if entry.at.end <= self.size => size,
            FieldType::Uint(_) => return Err(place(Fault::truncated("sub-directories lie outside the file"))),
            _ => return Err(place(Fault::malformed("sub-directories have no offsets"))),
        };
        if entry.count > self.limits.levels as u64 {
            return Err(place(Fault::limit(format!("{} sub-directories", entry.count))));
        }
        let Some(bytes) = self.bytes.read(&entry.at) else { return Ok(Err(entry.at.clone())) };
        Ok(Ok(bytes.chunks_exact(size as usize).map(|offset| self.header.order.uint(offset)).collect()))
    }

    /// The first time, windows for all sub-directories together; after that what one of them still needs.
    fn sub_windows(&mut self, needed: Range<u64>) -> Step {
        if std::mem::replace(&mut self.subs.asked, true) {
            return Step::Fetch(vec![needed]);
        }
        let end = |start: u64| start.saturating_add(WINDOW_MIN_BYTES).min(self.size);
        let pending = self.subs.pending.iter().flatten().filter(|offset| **offset < self.size);
        let windows = pending.map(|offset| *offset..end(*offset)).filter(|window| !self.bytes.has(window));
        let wanted: Vec<Range<u64>> = std::iter::once(needed).chain(windows).collect();
        Step::Fetch(merge(&wanted, VALUE_GAP_BYTES, VALUE_RANGE_BYTES).ranges)
    }

    /// The walked file; call after [`Step::Done`].
    pub(crate) fn finish(self) -> Tiff {
        let Self { header, bytes, size, limits, directories, subs, .. } = self;
        Tiff { header, bytes, size, limits: limits.clone(), directories, subs }
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

    /// Values of tiled directories, or of all, that are not here; those that break a limit are left for the reader to refuse.
    fn missing_values(&self) -> Vec<Range<u64>> {
        let tiled = self
            .directories
            .iter()
            .chain(&self.subs.parsed)
            .filter(|directory| self.wanted == Wanted::TilesAndStrips || directory.is_tiled());
        let absent = |entry: &&Entry| {
            let limit = if tags::is_array(entry.tag) { self.limits.array_bytes } else { self.limits.text_bytes };
            let Range { start, end } = entry.at;
            entry.tag != tags::ICC_PROFILE && end <= self.size && end - start <= limit && !self.bytes.has(&entry.at)
        };
        let entries = tiled.flat_map(|directory| &directory.entries);
        let wanted: Vec<Range<u64>> = entries.filter(absent).map(|entry| self.bytes.rest(&entry.at)).collect();
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

    /// The sub-directories of directory 0, or why they cannot be read.
    pub(crate) fn sub_directories(&self) -> Result<&[Directory], Fault> {
        self.subs.fault.clone().map_or(Ok(&self.subs.parsed), Err)
    }

    pub(super) fn read(&self, range: &Range<u64>) -> Option<Bytes> {
        self.bytes.read(range)
    }
}
