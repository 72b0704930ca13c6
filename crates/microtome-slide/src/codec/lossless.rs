//! What the lossless schemes share: their output has a known size, and may hold differences instead of samples.

use super::{CodecError, Color, EncodedTile, Target, TileLayout};

/// Refuses what has no meaning for whole samples.
pub(super) fn check(layout: &TileLayout) -> Result<(), CodecError> {
    if layout.color == Color::YCbCr {
        return Err(CodecError::Unsupported { what: "YCbCr without JPEG".to_owned() });
    }
    match layout.predictor {
        1 | 2 => Ok(()),
        3 => Err(CodecError::Unsupported { what: "the floating-point predictor".to_owned() }),
        other => Err(CodecError::Unsupported { what: format!("predictor {other}") }),
    }
}

/// Room for exactly a tile: what a scheme writes beyond it is never made.
pub(super) fn room<'a>(tile: &EncodedTile<'_>, pixels: &'a mut Vec<u8>) -> &'a mut [u8] {
    pixels.resize(tile.layout.bytes(), 0);
    pixels
}

/// Undoes the predictor and places the samples, of which `found` bytes were there.
pub(super) fn place(
    tile: &EncodedTile<'_>,
    samples: &mut [u8],
    found: usize,
    targets: &mut [Target<'_>],
) -> Result<(), CodecError> {
    if found < samples.len() {
        return Err(CodecError::Short { found, expected: samples.len() });
    }
    let TileLayout { width, color, predictor, .. } = tile.layout;
    if predictor == 2 {
        samples.chunks_exact_mut(width as usize * color.samples()).for_each(|row| add_up(row, color.samples()));
    }
    Target::put_all(targets, samples, width, color);
    Ok(())
}

/// TIFF 6.0, section 14: each sample is the difference to the same sample of the pixel on its left.
fn add_up(row: &mut [u8], samples: usize) {
    for at in samples..row.len() {
        row[at] = row[at].wrapping_add(row[at - samples]);
    }
}

/// Reads until the tile is full or the stream ends; returns the bytes read.
pub(super) fn fill(stream: &mut impl std::io::Read, samples: &mut [u8]) -> Result<usize, CodecError> {
    let mut found = 0;
    while found < samples.len() {
        match stream.read(&mut samples[found..]) {
            Ok(0) => break,
            Ok(read) => found += read,
            Err(error) => return Err(CodecError::corrupt(&error)),
        }
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::codec::{PixelFormat, Region, Scratch, TileCodec};

    /// Decodes a tile of 4 × 2 RGB pixels.
    pub(in crate::codec) fn decode(codec: &dyn TileCodec, bytes: &[u8], predictor: u64) -> Result<Vec<u8>, CodecError> {
        let layout = TileLayout { width: 4, height: 2, color: Color::Rgb, predictor };
        let mut pixels = vec![0; 24];
        let region = Region { x: 0, y: 0, width: 4, height: 2 };
        let target = Target { region, pixels: &mut pixels, stride: 12, format: PixelFormat::Rgb };
        let tile = EncodedTile { bytes, tables: &[], layout, scans: 1 };
        codec.decode(tile, &mut [target], &mut Scratch::default()).map(|()| pixels)
    }

    /// Samples of such a tile, and the same as differences.
    pub(in crate::codec) fn samples() -> (Vec<u8>, Vec<u8>) {
        let samples: Vec<u8> = (0..24_u8).map(|value| value.wrapping_mul(37)).collect();
        let mut differences = samples.clone();
        for row in 0..2 {
            for at in (row * 12 + 3..row * 12 + 12).rev() {
                differences[at] = differences[at].wrapping_sub(differences[at - 3]);
            }
        }
        (samples, differences)
    }

    /// What every lossless scheme must do with streams made by `encode`.
    pub(in crate::codec) fn check_scheme(codec: &dyn TileCodec, encode: fn(&[u8]) -> Vec<u8>) {
        let (samples, differences) = samples();
        assert_eq!(decode(codec, &encode(&samples), 1).unwrap(), samples);
        assert_eq!(decode(codec, &encode(&differences), 2).unwrap(), samples);
        let longer = [&samples[..], &[7; 4000]].concat();
        assert_eq!(decode(codec, &encode(&longer), 1).unwrap(), samples, "what is too much is not made");
        assert_eq!(decode(codec, &encode(&samples[..23]), 1), Err(CodecError::Short { found: 23, expected: 24 }));
        for cut in 0..encode(&samples).len() / 2 {
            assert!(decode(codec, &encode(&samples)[..cut], 1).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_read_is_named() {
        let layout = TileLayout { width: 4, height: 2, color: Color::Rgb, predictor: 3 };
        assert_eq!(check(&layout).unwrap_err().to_string(), "the floating-point predictor is not read");
        let layout = TileLayout { color: Color::YCbCr, predictor: 1, ..layout };
        assert_eq!(check(&layout).unwrap_err().to_string(), "YCbCr without JPEG is not read");
    }
}
