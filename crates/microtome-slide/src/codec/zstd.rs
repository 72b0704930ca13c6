//! Zstandard tiles (TIFF compression 50000, libtiff's): a frame each.

use ruzstd::decoding::StreamingDecoder;

use super::{CodecError, EncodedTile, Scratch, Target, TileCodec, TileLayout, lossless};

#[derive(Debug)]
pub(super) struct Zstd;

impl TileCodec for Zstd {
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        lossless::check(layout)
    }

    fn decode(&self, tile: EncodedTile<'_>, mut target: Target<'_>, scratch: &mut Scratch) -> Result<(), CodecError> {
        let samples = lossless::room(&tile, &mut scratch.pixels);
        // The decoder refuses windows above 100 MiB, and makes no more than is read.
        let mut stream = StreamingDecoder::new(tile.bytes).map_err(|error| CodecError::corrupt(&error))?;
        let found = lossless::fill(&mut stream, samples)?;
        lossless::place(&tile, samples, found, &mut target)
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn tiles_come_back() {
        lossless::tests::check_scheme(&Zstd, |samples| compress_to_vec(samples, CompressionLevel::Fastest));
    }
}
