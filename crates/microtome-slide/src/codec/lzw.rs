//! LZW tiles (TIFF compression 5), most significant bit first.

use weezl::{BitOrder, LzwStatus, decode::Decoder};

use super::{CodecError, EncodedTile, Scratch, Target, TileCodec, TileLayout, lossless};

/// Bits of a sample: codes start one bit wider.
const SAMPLE_BITS: u8 = 8;

#[derive(Debug)]
pub(super) struct Lzw;

impl TileCodec for Lzw {
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
        let found = unpack(tile.bytes, samples)?;
        lossless::place(&tile, samples, found, targets)
    }
}

/// Unpacks until the tile is full or the stream ends, with or without its end code.
fn unpack(mut bytes: &[u8], samples: &mut [u8]) -> Result<usize, CodecError> {
    let mut decoder = Decoder::with_tiff_size_switch(BitOrder::Msb, SAMPLE_BITS);
    let mut found = 0;
    while found < samples.len() {
        let step = decoder.decode_bytes(bytes, &mut samples[found..]);
        bytes = &bytes[step.consumed_in..];
        found += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(CodecError::corrupt(&error)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_come_back() {
        lossless::tests::check_scheme(&Lzw, |samples| {
            weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(samples).unwrap()
        });
    }
}
