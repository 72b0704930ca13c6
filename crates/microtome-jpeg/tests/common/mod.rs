//! What the tests share.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod encode;

use microtome_jpeg::{ColorTransform, Decoder, Error, Header, Index, PixelFormat, Region, Request, Target};

/// Decodes a region, YCbCr, into packed RGB.
pub(crate) fn decode(
    decoder: &mut Decoder,
    header: &Header<'_>,
    region: Region,
    index: Option<&mut Index>,
) -> Result<Vec<u8>, Error> {
    let mut pixels = vec![0; region.width as usize * 3 * region.height as usize];
    let request = Request { region, transform: ColorTransform::YCbCr };
    decoder.decode_region(header, request, packed(&mut pixels, region), index).map(|()| pixels)
}

/// RGB of a region without gaps.
pub(crate) fn packed(pixels: &mut [u8], region: Region) -> Target<'_> {
    Target { pixels, stride: region.width as usize * 3, format: PixelFormat::Rgb }
}

/// All of a tile.
pub(crate) fn whole(header: &Header<'_>) -> Region {
    Region { x: 0, y: 0, width: header.width(), height: header.height() }
}

/// Cuts a region out of packed RGB.
pub(crate) fn crop(pixels: &[u8], width: u32, region: Region) -> Vec<u8> {
    let rows = pixels.chunks_exact(width as usize * 3).skip(region.y as usize).take(region.height as usize);
    rows.flat_map(|row| &row[region.x as usize * 3..][..region.width as usize * 3]).copied().collect()
}
