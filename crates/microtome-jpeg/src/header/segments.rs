//! Walks the marker segments up to the entropy data.

use crate::Error;

/// Markers' second bytes (ITU-T T.81, table B.1).
pub(super) mod marker {
    pub(in crate::header) const SOF0: u8 = 0xc0;
    pub(in crate::header) const SOF1: u8 = 0xc1;
    pub(in crate::header) const DHT: u8 = 0xc4;
    pub(in crate::header) const DAC: u8 = 0xcc;
    pub(in crate::header) const SOI: u8 = 0xd8;
    pub(in crate::header) const EOI: u8 = 0xd9;
    pub(in crate::header) const SOS: u8 = 0xda;
    pub(in crate::header) const DQT: u8 = 0xdb;
    pub(in crate::header) const DNL: u8 = 0xdc;
    pub(in crate::header) const DRI: u8 = 0xdd;
}

/// One marker and what belongs to it, without its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    pub(super) body: &'a [u8],
    pub(super) offset: usize,
}

impl Segment<'_> {
    pub(super) fn error(&self, what: &'static str) -> Error {
        Error::Header { what, offset: self.offset }
    }
}

/// The segments of a stream. Every step moves on, so that there are at most as many as bytes.
pub(super) struct Segments<'a> {
    stream: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// Starts behind the start marker.
    pub(super) fn start(stream: &'a [u8]) -> Result<Self, Error> {
        match stream {
            [0xff, marker::SOI, ..] => Ok(Self { stream, at: 2 }),
            [] | [0xff] => Err(Error::Truncated),
            _ => Err(Error::Header { what: "no start marker", offset: 0 }),
        }
    }

    /// The next segment; nothing at the end of the stream.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, Error> {
        let rest = self.rest();
        // Any number of 0xff may precede a marker.
        let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
        let offset = self.at + fill;
        let (Some(marker), rest) = (rest.get(fill).copied(), rest.get(fill + 1..).unwrap_or_default()) else {
            return if rest.is_empty() { Ok(None) } else { Err(Error::Truncated) };
        };
        if fill == 0 || marker == 0 {
            return Err(Error::Header { what: "no marker where one is due", offset });
        }
        if marker == marker::EOI {
            self.at = offset + 1;
            return Ok(Some(Segment { marker, body: &[], offset }));
        }
        // Of those without a length, only the start and restart markers could stand here, and neither may.
        if matches!(marker, 0x01 | 0xd0..=marker::SOI) {
            return Err(Error::Header { what: "a marker where none may be", offset });
        }
        let &[high, low, ..] = rest else { return Err(Error::Truncated) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(Error::Header { what: "a segment shorter than its length", offset });
        }
        let body = rest.get(2..length).ok_or(Error::Truncated)?;
        self.at = offset + 1 + length;
        Ok(Some(Segment { marker, body, offset }))
    }

    /// What follows the segments read so far.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.stream.get(self.at..).unwrap_or_default()
    }
}
