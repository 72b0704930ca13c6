//! What is asked for, and what comes back.

use crate::PatchError;

/// Patches of one size from one level of one slide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchRequest {
    /// Level, 0 is full resolution.
    pub level: u32,
    /// Width of each patch in pixels of the level.
    pub width: u32,
    /// Height of each patch in pixels of the level.
    pub height: u32,
    /// Top-left corners (x, y) in level-0 pixels; may be negative or beyond the slide. At lower levels they are divided by
    /// the downsample and truncated towards zero.
    pub origins: Vec<(i64, i64)>,
    /// Unwanted bytes that may be fetched to save a request; see [`crate::GAP_RANDOM_BYTES`] and
    /// [`crate::GAP_SCAN_BYTES`].
    pub gap_bytes: u64,
}

/// The pixels of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patches {
    /// `n · height · width · 3` bytes: RGB, u8, patch after patch in the order of the origins, rows top to bottom. What
    /// lies outside the slide, or in a tile that the file leaves out, is white; so is a patch that has an error.
    pub pixels: Vec<u8>,
    /// Index and error of each patch that could not be read, ascending by index; at most one a patch.
    pub errors: Vec<(usize, PatchError)>,
}
