//! Codecs of tiles: one file and one row of [`CODECS`] each.
//!
//! A codec gets one encoded tile, the region of it that is wanted and where its pixels go, so that it may skip the rest.
//! It does no IO and holds no state beyond the caller's [`Scratch`].

mod color;
mod jpeg;
mod raw;

use std::fmt;

use crate::Fault;

/// What the samples of a tile mean; from the TIFF directory, whatever the tile's own markers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    Rgb,
    YCbCr,
}

/// Size and colour of all tiles of a level: three interleaved samples of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TileLayout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) color: Color,
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

/// A rectangle of a tile, in pixels; lies in the tile and is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Region {
    /// The smallest region that holds both.
    pub(crate) fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// Where the wanted region goes: RGB u8, interleaved.
pub(crate) struct Target<'a> {
    /// The wanted part of the tile.
    pub(crate) region: Region,
    /// Starts at the region's first pixel; rows are `stride` bytes apart.
    pub(crate) pixels: &'a mut [u8],
    pub(crate) stride: usize,
}

impl Target<'_> {
    /// The region's rows in the target, each `region.width · 3` bytes, top to bottom.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let length = self.region.width as usize * 3;
        self.pixels.chunks_mut(self.stride.max(1)).take(self.region.height as usize).map(move |row| &mut row[..length])
    }

    /// Copies the region out of the pixels of a whole tile that is `tile_width` wide.
    pub(crate) fn copy_from_tile(&mut self, tile: &[u8], tile_width: u32) {
        let Region { x, y, width, .. } = self.region;
        let stride = tile_width as usize * 3;
        let (left, length) = (x as usize * 3, width as usize * 3);
        let source = tile.chunks_exact(stride).skip(y as usize);
        for (to, from) in self.rows().zip(source) {
            to.copy_from_slice(&from[left..left + length]);
        }
    }
}

/// Buffers that a thread reuses from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    stream: Vec<u8>,
    pixels: Vec<u8>,
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

    /// Decodes the wanted region of a tile into the target. After an error the target's pixels are undefined.
    fn decode(&self, tile: EncodedTile<'_>, target: Target<'_>, scratch: &mut Scratch) -> Result<(), CodecError>;
}

/// A row of the table.
pub(crate) struct Row {
    compression: u64,
    pub(crate) name: &'static str,
    pub(crate) codec: &'static dyn TileCodec,
}

/// Values of TIFF's `Compression` that are read.
const CODECS: &[Row] =
    &[Row { compression: 1, name: "none", codec: &raw::Raw }, Row { compression: 7, name: "jpeg", codec: &jpeg::Jpeg }];

/// Names of some that are not, for the message.
const UNREAD: &[(u64, &str)] = &[
    (5, "LZW"),
    (6, "old-style JPEG"),
    (8, "deflate"),
    (32946, "deflate"),
    (33003, "JPEG 2000 YCbCr"),
    (33005, "JPEG 2000 RGB"),
    (34712, "JPEG 2000"),
    (50000, "zstd"),
    (50001, "WebP"),
];

/// The codec of a compression scheme.
pub(crate) fn find(compression: u64) -> Result<&'static Row, Fault> {
    CODECS.iter().find(|row| row.compression == compression).ok_or_else(|| {
        let name = UNREAD.iter().find(|(code, _)| *code == compression).map_or("unknown", |(_, name)| name);
        Fault::unsupported(format!("compression {compression} ({name}) is not read"))
    })
}
