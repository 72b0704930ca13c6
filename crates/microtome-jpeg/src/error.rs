//! Why a tile, or a request, cannot be served.

use std::fmt;

/// Why a region was not decoded. The target's pixels are undefined then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A JPEG of a kind that another decoder may read.
    Unsupported(&'static str),
    /// The headers contradict themselves or the format; at a byte of the stream they are in.
    Header {
        /// What is wrong.
        what: &'static str,
        /// Byte of the tile, or of the tables' stream.
        offset: usize,
    },
    /// The entropy data contradict themselves.
    Data {
        /// What is wrong.
        what: &'static str,
        /// The minimum coded unit (MCU), row by row from 0, at which that was seen.
        mcu: u32,
    },
    /// The tile ends before what its headers announce, or before the region is complete.
    Truncated,
    /// The request does not fit the tile or its own buffer.
    Request(&'static str),
}

impl Error {
    /// The error's class, as events, logs and metrics carry it.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "Unsupported",
            Self::Header { .. } | Self::Data { .. } => "Malformed",
            Self::Truncated => "Truncated",
            Self::Request(_) => "Request",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "a JPEG with {what} is not read"),
            Self::Header { what, offset } => write!(f, "JPEG header: {what} (byte {offset})"),
            Self::Data { what, mcu } => write!(f, "JPEG data: {what} (MCU {mcu})"),
            Self::Truncated => f.write_str("JPEG ends early"),
            Self::Request(what) => write!(f, "request: {what}"),
        }
    }
}

impl std::error::Error for Error {}
