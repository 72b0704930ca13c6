//! Uncompressed tiles. They have no predictor, whatever the directory says.

use super::{CodecError, Color, EncodedTile, Scratch, Target, TileCodec, TileLayout};

#[derive(Debug)]
pub(super) struct Raw;

impl TileCodec for Raw {
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        match layout.color {
            Color::YCbCr => Err(CodecError::Unsupported { what: "uncompressed YCbCr".to_owned() }),
            _ => Ok(()),
        }
    }

    fn decode(&self, tile: EncodedTile<'_>, targets: &mut [Target<'_>], _: &mut Scratch) -> Result<(), CodecError> {
        let (found, expected) = (tile.bytes.len(), tile.layout.bytes());
        let samples = tile.bytes.get(..expected).ok_or(CodecError::Short { found, expected })?;
        Target::put_all(targets, samples, tile.layout.width, tile.layout.color);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{PixelFormat, Region};

    fn decode(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        let layout = TileLayout { width: 2, height: 2, color: Color::Rgb, predictor: 2 };
        let mut pixels = vec![0; 6];
        let region = Region { x: 1, y: 0, width: 1, height: 2 };
        let target = Target { region, pixels: &mut pixels, stride: 3, format: PixelFormat::Rgb };
        let tile = EncodedTile { bytes, tables: &[], layout, scans: 1 };
        Raw.decode(tile, &mut [target], &mut Scratch::default()).map(|()| pixels)
    }

    #[test]
    fn the_region_is_cut_out() {
        let bytes: Vec<u8> = (0..12).collect();
        assert_eq!(decode(&bytes).unwrap(), [3, 4, 5, 9, 10, 11]);
    }

    #[test]
    fn a_short_tile_is_an_error() {
        assert_eq!(decode(&[0; 11]).unwrap_err(), CodecError::Short { found: 11, expected: 12 });
    }
}
