//! What is asked for, and what comes back.

use super::scale::Scale;
use crate::{
    PatchError,
    codec::{Color, PixelFormat},
};

/// What a patch shows where the slide has nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Background {
    /// White; pixels are RGB, and what is not opaque is laid on white.
    #[default]
    White,
    /// Transparent; pixels are RGBA with straight alpha.
    Transparent,
}

impl Background {
    /// Bytes of a pixel: 3 or 4.
    pub fn pixel_bytes(self) -> usize {
        self.format().bytes()
    }

    pub(crate) fn format(self) -> PixelFormat {
        match self {
            Self::White => PixelFormat::Rgb,
            Self::Transparent => PixelFormat::Rgba,
        }
    }
}

/// Patches of one size and scale from one slide.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchRequest {
    /// Scale of the patches.
    pub scale: Scale,
    /// Width of each patch in its own pixels.
    pub width: u32,
    /// Height of each patch in its own pixels.
    pub height: u32,
    /// Top-left corners (x, y) in level-0 pixels; may be negative or beyond the slide. They are divided by the downsample of
    /// the level that is read and truncated towards zero, as in [`crate::Mode::Nearest`].
    pub origins: Vec<(i64, i64)>,
    /// Unwanted bytes that may be fetched to save a request; see [`crate::GAP_RANDOM_BYTES`]. [`crate::GAP_SCAN_BYTES`] or
    /// more says that the patches are part of a scan: the tiles that they need are kept in the [`crate::TileCache`].
    pub gap_bytes: u64,
}

/// The pixels of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patches {
    /// `n · height · width · c` bytes: u8, patch after patch in the order of the origins, rows top to bottom; c is 3 (RGB)
    /// on white and 4 (RGBA, straight alpha) on transparency. A patch that has an error is all background.
    pub pixels: Vec<u8>,
    /// Index and error of each patch that could not be read, ascending by index; at most one a patch.
    pub errors: Vec<(usize, PatchError)>,
    /// Tiles that were decoded for them; the others were found in the [`crate::TileCache`].
    pub tiles_decoded: u64,
}

/// RGB of RGBA pixels with straight alpha, laid on white.
pub(super) fn lay_on_white(pixels: &[u8]) -> Vec<u8> {
    pixels.chunks_exact(4).flat_map(|pixel| Color::Rgba.on_white(pixel)).collect()
}
