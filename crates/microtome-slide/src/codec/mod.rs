//! Codecs of tiles: one file and one row of [`CODECS`] each.
//!
//! A codec gets one encoded tile, the regions of it that are wanted and where their pixels go, so that it may skip the rest.
//! It does no IO and holds no state beyond the caller's [`Scratch`].

mod color;
mod deflate;
mod jpeg;
mod jpeg2000;
mod lossless;
mod lzw;
mod raw;
mod target;
mod zstd;

use std::{fmt, sync::Arc};

pub(crate) use color::Color;
pub(crate) use target::{PixelFormat, Region, Target};

use crate::Fault;

/// Size and samples of all tiles of a level: interleaved samples of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileLayout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) color: Color,
    /// TIFF's `Predictor`; lossless schemes other than none heed it.
    pub(crate) predictor: u64,
}

impl TileLayout {
    /// Bytes of a tile's samples.
    pub(crate) fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * self.color.samples()
    }
}

/// A tile as it lies in the blob.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedTile<'a> {
    pub(crate) bytes: &'a [u8],
    /// JPEG tables shared by the level's tiles, or nothing.
    pub(crate) tables: &'a [u8],
    pub(crate) layout: TileLayout,
    /// Scans that a JPEG tile may have.
    pub(crate) scans: usize,
}

/// Buffers that a thread reuses from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    stream: Vec<u8>,
    pixels: Vec<u8>,
}

impl Scratch {
    /// Bytes that the buffers hold on to.
    pub(crate) fn bytes(&self) -> usize {
        self.stream.capacity() + self.pixels.capacity()
    }
}

/// Why a tile cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("tile does not decode: {what}")]
    Corrupt { what: String },
    #[error("tile has {width}x{height} pixels, its directory says {expected_width}x{expected_height}")]
    Size { width: u32, height: u32, expected_width: u32, expected_height: u32 },
    #[error("tile has {found} of {expected} bytes")]
    Short { found: usize, expected: usize },
    #[error("{what} is not read")]
    Unsupported { what: String },
    #[error("JPEG tile of {scans} scans")]
    Scans { scans: usize },
}

impl CodecError {
    /// What a decoder says, on one line and not too long.
    fn corrupt(error: &impl fmt::Display) -> Self {
        let what = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        Self::Corrupt { what }
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        let what = error.to_string();
        match error {
            CodecError::Corrupt { .. } | CodecError::Size { .. } => Self::malformed(what),
            CodecError::Short { .. } => Self::truncated(what),
            CodecError::Unsupported { .. } => Self::unsupported(what),
            CodecError::Scans { .. } => Self::limit(what),
        }
    }
}

/// Decodes the tiles of one compression scheme.
pub(crate) trait TileCodec: fmt::Debug + Send + Sync {
    /// Refuses layouts that it cannot decode, before any tile is fetched.
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError>;

    /// Decodes the wanted regions of a tile, each into its target. After an error the targets' pixels are undefined.
    fn decode(
        &self,
        tile: EncodedTile<'_>,
        targets: &mut [Target<'_>],
        scratch: &mut Scratch,
    ) -> Result<(), CodecError>;

    /// As [`TileCodec::decode`], of a tile whose rows below the targets will be wanted later; or goes on from what such a call
    /// has left `above`, without the tile's bytes. Most schemes cannot stop inside a tile.
    fn decode_rows(
        &self,
        _tile: EncodedTile<'_>,
        _targets: &mut [Target<'_>],
        _above: Option<&TileRest>,
    ) -> Result<Rows, CodecError> {
        Ok(Rows::Unread)
    }
}

/// What the JPEG codec keeps of a tile of which the upper rows are decoded.
#[derive(Debug)]
pub(crate) struct TileRest {
    /// The tile's headers.
    head: Arc<[u8]>,
    rest: microtome_jpeg::Rest,
}

impl TileRest {
    /// The first row that can be decoded.
    pub(crate) fn y(&self) -> u32 {
        self.rest.y()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.rest.bytes()
    }
}

/// What came of decoding a tile's upper rows.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Nothing: this tile is decoded as a whole.
    Unread,
    /// The targets are written; what it takes to go on, unless it cannot be gone on.
    Read(Option<TileRest>),
}

/// A row of the table.
pub(crate) struct Row {
    compression: u64,
    pub(crate) name: &'static str,
    pub(crate) codec: &'static dyn TileCodec,
}

/// Values of TIFF's `Compression` that are read.
const CODECS: &[Row] = &[
    Row { compression: 1, name: "none", codec: &raw::Raw },
    Row { compression: 5, name: "lzw", codec: &lzw::Lzw },
    Row { compression: 7, name: "jpeg", codec: &jpeg::Jpeg },
    Row { compression: 8, name: "deflate", codec: &deflate::Deflate },
    Row { compression: 32946, name: "deflate", codec: &deflate::Deflate },
    Row { compression: 33003, name: "jpeg2000", codec: &jpeg2000::Jpeg2000 { ycbcr: true } },
    Row { compression: 33005, name: "jpeg2000", codec: &jpeg2000::Jpeg2000 { ycbcr: false } },
    Row { compression: 50000, name: "zstd", codec: &zstd::Zstd },
];

/// Names of some that are not, for the message.
const UNREAD: &[(u64, &str)] = &[
    (2, "CCITT"),
    (6, "old-style JPEG"),
    (32773, "PackBits"),
    (34712, "JPEG 2000"),
    (34892, "lossy JPEG of DNG"),
    (50001, "WebP"),
    (50002, "JPEG XL"),
];

/// The codec of a compression scheme.
pub(crate) fn find(compression: u64) -> Result<&'static Row, Fault> {
    CODECS.iter().find(|row| row.compression == compression).ok_or_else(|| {
        let name = UNREAD.iter().find(|(code, _)| *code == compression).map_or("unknown", |(_, name)| name);
        Fault::unsupported(format!("compression {compression} ({name}) is not read"))
    })
}
