//! Values of directory entries: checked against the blob's size and the limits before they are read.

use bytes::Bytes;

use super::{
    directory::{Directory, Entry, FieldType},
    walk::Tiff,
};
use crate::Fault;

impl Tiff {
    /// The one unsigned integer of a tag; `None` without the tag.
    pub(crate) fn uint(&self, directory: &Directory, tag: u16) -> Result<Option<u64>, Fault> {
        let Some(entry) = directory.entry(tag) else { return Ok(None) };
        Ok(self.uints_of(directory, entry, 1)?.first().copied())
    }

    /// The first `wanted` unsigned integers of a tag, which must have at least as many.
    pub(crate) fn uints(&self, directory: &Directory, tag: u16, wanted: u64) -> Result<Vec<u64>, Fault> {
        let entry = directory.entry(tag).ok_or_else(|| self.missing(directory, tag))?;
        self.uints_of(directory, entry, wanted)
    }

    /// A text without its terminating zero, malformed UTF-8 replaced; `None` without the tag.
    pub(crate) fn text(&self, directory: &Directory, tag: u16) -> Result<Option<String>, Fault> {
        let Some(entry) = directory.entry(tag) else { return Ok(None) };
        if matches!(entry.kind, FieldType::Rational | FieldType::Other(_)) {
            return Err(malformed(directory, entry, "is not a text"));
        }
        let bytes = self.bytes_of(directory, entry, self.limits().text_bytes)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Ok(Some(String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }

    /// The raw bytes of a tag, at most `limit`; `None` without the tag.
    pub(crate) fn bytes(&self, directory: &Directory, tag: u16, limit: u64) -> Result<Option<Bytes>, Fault> {
        directory.entry(tag).map(|entry| self.bytes_of(directory, entry, limit)).transpose()
    }

    /// A rational as a number; `None` without the tag, with another type or with a zero denominator.
    pub(crate) fn rational(&self, directory: &Directory, tag: u16) -> Option<f64> {
        let entry = directory.entry(tag).filter(|entry| entry.kind == FieldType::Rational)?;
        let bytes = self.bytes_of(directory, entry, self.limits().text_bytes).ok()?;
        let order = self.header().order;
        let (numerator, denominator) = (order.uint(bytes.get(..4)?), order.uint(bytes.get(4..8)?));
        (denominator != 0).then(|| numerator as f64 / denominator as f64)
    }

    pub(crate) fn missing(&self, directory: &Directory, tag: u16) -> Fault {
        Fault::malformed(format!("tag {tag} is missing")).in_directory(directory.number).at(directory.offset)
    }

    fn uints_of(&self, directory: &Directory, entry: &Entry, wanted: u64) -> Result<Vec<u64>, Fault> {
        let FieldType::Uint(size) = entry.kind else {
            return Err(malformed(directory, entry, "is not an unsigned integer"));
        };
        if entry.count < wanted {
            return Err(malformed(directory, entry, &format!("has {} of {wanted} values", entry.count)));
        }
        let bytes = self.bytes_of(directory, entry, self.limits().array_bytes)?;
        let order = self.header().order;
        Ok(bytes.chunks_exact(size as usize).take(wanted as usize).map(|value| order.uint(value)).collect())
    }

    fn bytes_of(&self, directory: &Directory, entry: &Entry, limit: u64) -> Result<Bytes, Fault> {
        let place = |fault: Fault| fault.in_directory(directory.number).at(entry.at.start);
        if entry.at.end > self.size() {
            return Err(place(Fault::truncated(format!("values of tag {} lie outside the file", entry.tag))));
        }
        let length = entry.at.end - entry.at.start;
        if length > limit {
            return Err(place(Fault::limit(format!("values of tag {} have {length} bytes", entry.tag))));
        }
        let absent = || place(Fault::limit(format!("values of tag {} were not fetched", entry.tag)));
        self.read(&entry.at).ok_or_else(absent)
    }
}

fn malformed(directory: &Directory, entry: &Entry, what: &str) -> Fault {
    Fault::malformed(format!("tag {} {what}", entry.tag)).in_directory(directory.number).at(entry.at.start)
}
