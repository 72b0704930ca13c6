//! Deflate tiles (TIFF compressions 8 and, from before it was registered, 32946): a zlib stream each.

use flate2::read::ZlibDecoder;

use super::{CodecError, EncodedTile, Scratch, Target, TileCodec, TileLayout, lossless};

#[derive(Debug)]
pub(super) struct Deflate;

impl TileCodec for Deflate {
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        lossless::check(layout)
    }

    fn decode(
        &self,
        tile: EncodedTile<'_>,
        targets: &mut [Target<'_>],
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let samples = lossless::room(&tile, &mut scratch.pixels);
        let found = lossless::fill(&mut ZlibDecoder::new(tile.bytes), samples)?;
        lossless::place(&tile, samples, found, targets)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    #[test]
    fn tiles_come_back() {
        lossless::tests::check_scheme(&Deflate, |samples| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(samples).unwrap();
            encoder.finish().unwrap()
        });
    }
}
