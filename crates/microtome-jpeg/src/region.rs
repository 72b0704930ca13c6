//! What is wanted of a tile, and where it goes.

use crate::Error;

/// A rectangle of a tile in pixels, from the tile's upper left; must lie in the tile and not be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Region {
    /// Refuses what is empty or leaves a tile of this size.
    pub(crate) fn check(self, width: u32, height: u32) -> Result<(), Error> {
        let inside = |start: u32, length: u32, end: u32| {
            length > 0 && start.checked_add(length).is_some_and(|region_end| region_end <= end)
        };
        if inside(self.x, self.width, width) && inside(self.y, self.height, height) {
            Ok(())
        } else {
            Err(Error::Request("the region is empty or leaves the tile"))
        }
    }

    /// The smallest region that holds both, which are checked.
    pub(crate) fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// What a target's pixels are: interleaved samples of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and 255.
    Rgba,
}

impl PixelFormat {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// What a tile's three components are. The tile's own markers are not asked: TIFF's Photometric says it, and slides are
/// known whose markers say otherwise. A tile of one component is grey whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorTransform {
    /// Red, green and blue already.
    None,
    /// YCbCr as JFIF defines it (ITU-R BT.601, full range).
    YCbCr,
}

/// Where the region's pixels go, top row first.
#[derive(Debug)]
pub struct Target<'a> {
    /// Starts at the region's first pixel; needs nothing behind its last one.
    pub pixels: &'a mut [u8],
    /// Bytes from one row's start to the next one's.
    pub stride: usize,
    /// What a pixel is.
    pub format: PixelFormat,
}

impl Target<'_> {
    /// Refuses a buffer that the region does not fit.
    pub(crate) fn check(&self, region: Region) -> Result<(), Error> {
        let row = region.width as usize * self.format.bytes();
        let needed = (region.height as usize - 1).checked_mul(self.stride).and_then(|start| start.checked_add(row));
        let enough = needed.is_some_and(|needed| needed <= self.pixels.len());
        let overlap = region.height > 1 && self.stride < row;
        if enough && !overlap { Ok(()) } else { Err(Error::Request("the target is too small for the region")) }
    }
}
