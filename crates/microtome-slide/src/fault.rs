//! What is wrong with the bytes of a slide, and where, without the slide's name.
//!
//! The pure parts (walker, formats, codecs) return faults; the edges add the URL and make an [`crate::Error`] or a
//! [`crate::PatchError`] of them.

use std::fmt;

/// The class of a [`Fault`]; also the class of the error it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Not a slide of any known format.
    NotASlide,
    /// A slide, but of a kind that is not read.
    Unsupported,
    /// The file ends before what it announces.
    Truncated,
    /// The file contradicts itself or its format.
    Malformed,
    /// The file, or the request, asks for more than [`crate::Limits`] allow.
    Limit,
}

impl FaultKind {
    /// The kind's name, as events, logs and metrics carry it.
    pub fn category(self) -> &'static str {
        match self {
            Self::NotASlide => "NotASlide",
            Self::Unsupported => "Unsupported",
            Self::Truncated => "Truncated",
            Self::Malformed => "Malformed",
            Self::Limit => "Limit",
        }
    }
}

/// Where in a slide; each part only if known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Number of the TIFF directory (IFD), from 0 in chain order.
    pub directory: Option<u32>,
    /// Number of the tile in its level, row by row from 0.
    pub tile: Option<u64>,
    /// Byte offset in the blob.
    pub offset: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.directory.map(|directory| format!("IFD {directory}")),
            self.tile.map(|tile| format!("tile {tile}")),
            self.offset.map(|offset| format!("byte {offset}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join(", ")) }
    }
}

/// One fault: its class, what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{place}")]
pub struct Fault {
    /// The class.
    pub kind: FaultKind,
    /// One line, lowercase, without the place.
    pub what: String,
    /// Where.
    pub place: Place,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), place: Place::default() }
    }

    pub(crate) fn not_a_slide(what: impl Into<String>) -> Self {
        Self::new(FaultKind::NotASlide, what)
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new(FaultKind::Unsupported, what)
    }

    pub(crate) fn truncated(what: impl Into<String>) -> Self {
        Self::new(FaultKind::Truncated, what)
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::new(FaultKind::Malformed, what)
    }

    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self::new(FaultKind::Limit, what)
    }

    pub(crate) fn in_directory(mut self, directory: u32) -> Self {
        self.place.directory = Some(directory);
        self
    }

    pub(crate) fn in_tile(mut self, tile: u64) -> Self {
        self.place.tile = Some(tile);
        self
    }

    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.place.offset = Some(offset);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_all_it_knows_on_one_line() {
        let fault = Fault::malformed("tile does not decode").in_directory(2).in_tile(7).at(1234);
        assert_eq!(fault.to_string(), "tile does not decode (IFD 2, tile 7, byte 1234)");
        assert_eq!(Fault::not_a_slide("no TIFF header").to_string(), "no TIFF header");
        assert_eq!(fault.kind.category(), "Malformed");
    }
}
