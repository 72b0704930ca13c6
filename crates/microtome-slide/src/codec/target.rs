//! Where decoded pixels go: a region of a tile, written as RGB on white or as RGBA.

use super::color::{Color, ycbcr_to_rgb};

/// A rectangle of a tile, in pixels; lies in the tile and is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Region {
    pub(crate) fn right(self) -> u32 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> u32 {
        self.y + self.height
    }

    pub(crate) fn holds(self, other: Self) -> bool {
        let across = self.x <= other.x && other.right() <= self.right();
        across && self.y <= other.y && other.bottom() <= self.bottom()
    }

    /// The smallest region that holds both.
    pub(crate) fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// What a target's pixels are: interleaved samples of 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PixelFormat {
    /// What is not opaque is laid on white.
    Rgb,
    /// Straight alpha, last.
    Rgba,
}

impl PixelFormat {
    /// Bytes of a pixel.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// The sample that the background is made of: white, or transparent black.
    pub(crate) fn background(self) -> u8 {
        match self {
            Self::Rgb => 255,
            Self::Rgba => 0,
        }
    }
}

/// Where the wanted region goes.
pub(crate) struct Target<'a> {
    /// The wanted part of the tile.
    pub(crate) region: Region,
    /// Starts at the region's first pixel; rows are `stride` bytes apart.
    pub(crate) pixels: &'a mut [u8],
    pub(crate) stride: usize,
    pub(crate) format: PixelFormat,
}

impl Target<'_> {
    /// The region's rows in the target, top to bottom.
    pub(crate) fn rows(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let length = self.region.width as usize * self.format.bytes();
        self.pixels.chunks_mut(self.stride.max(1)).take(self.region.height as usize).map(move |row| &mut row[..length])
    }

    /// The target's pixels, if they are RGB and are those of a whole tile of this size: then it can be decoded in place.
    pub(crate) fn whole(&mut self, width: u32, height: u32) -> Option<&mut [u8]> {
        let all = Region { x: 0, y: 0, width, height };
        let stride = width as usize * 3;
        let fits = self.format == PixelFormat::Rgb && self.region == all && self.stride == stride;
        if fits { self.pixels.get_mut(..stride * height as usize) } else { None }
    }

    /// Cuts each target's region out of the samples of a whole tile that is `tile_width` wide.
    pub(crate) fn put_all(targets: &mut [Self], tile: &[u8], tile_width: u32, color: Color) {
        targets.iter_mut().for_each(|target| target.put(tile, tile_width, color));
    }

    /// Cuts the region out of the samples of a whole tile that is `tile_width` wide.
    pub(crate) fn put(&mut self, tile: &[u8], tile_width: u32, color: Color) {
        let Region { x, y, width, .. } = self.region;
        let (format, samples) = (self.format, color.samples());
        let (left, length) = (x as usize * samples, width as usize * samples);
        let source = tile.chunks_exact(tile_width as usize * samples).skip(y as usize);
        for (to, from) in self.rows().zip(source) {
            put_row(&from[left..left + length], to, (color, format));
        }
    }
}

fn put_row(from: &[u8], to: &mut [u8], (color, format): (Color, PixelFormat)) {
    match (color, format) {
        (Color::Rgb, PixelFormat::Rgb) => to.copy_from_slice(from),
        (Color::YCbCr, PixelFormat::Rgb) => {
            to.copy_from_slice(from);
            to.chunks_exact_mut(3).for_each(ycbcr_to_rgb);
        }
        (color, PixelFormat::Rgb) => {
            for (from, to) in from.chunks_exact(color.samples()).zip(to.chunks_exact_mut(3)) {
                to.copy_from_slice(&color.on_white(from));
            }
        }
        (color, PixelFormat::Rgba) => {
            for (from, to) in from.chunks_exact(color.samples()).zip(to.chunks_exact_mut(4)) {
                to.copy_from_slice(&color.straight(from));
            }
        }
    }
}
