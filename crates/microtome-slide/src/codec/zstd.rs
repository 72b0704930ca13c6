//! Zstandard tiles (TIFF compression 50000, libtiff's): a frame each.

use std::io::Read as _;

use ruzstd::decoding::StreamingDecoder;

use super::{CodecError, EncodedTile, Scratch, Target, TileCodec, TileLayout, lossless};

/// Start of a frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// In the descriptor after it: the frame is one segment, without a window of its own.
const ONE_SEGMENT: u8 = 0x20;

/// What a frame may hold beyond the tile, in bytes: encoders pad.
const EXCESS_BYTES: u64 = 8 << 20;

/// Largest block, which is decoded at once.
const BLOCK_BYTES: u64 = 128 << 10;

#[derive(Debug)]
pub(super) struct Zstd;

impl TileCodec for Zstd {
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
        let (start, rest) = bounded(tile.bytes, samples.len() as u64)?;
        let mut stream = StreamingDecoder::new(start.chain(rest)).map_err(|error| CodecError::corrupt(&error))?;
        let found = lossless::fill(&mut stream, samples)?;
        lossless::place(&tile, samples, found, targets)
    }
}

/// The frame with a window that is no larger than the tile needs. The decoder gives out nothing before it has filled the
/// window, which may be terabytes, from blocks that take four bytes each. (RFC 8878, section 3.1.1.1.)
fn bounded(bytes: &[u8], tile: u64) -> Result<([u8; 6], &[u8]), CodecError> {
    let (start, rest) = bytes
        .split_first_chunk::<6>()
        .filter(|(start, _)| start.starts_with(&MAGIC))
        .ok_or_else(|| CodecError::Corrupt { what: "no Zstandard frame".to_owned() })?;
    let mut start = *start;
    let [.., descriptor, window] = &mut start;
    if *descriptor & ONE_SEGMENT != 0 {
        let length = 1_usize << (*descriptor >> 6);
        let mut size = [0; 8];
        let announced = bytes.get(5 + dictionary_bytes(*descriptor)..).and_then(|at| at.get(..length));
        size[..length].copy_from_slice(announced.ok_or(CodecError::Short { found: 0, expected: tile as usize })?);
        let size = u64::from_le_bytes(size);
        if size > tile + EXCESS_BYTES {
            return Err(CodecError::Corrupt { what: format!("a frame of {size} bytes") });
        }
        return Ok((start, rest));
    }
    let needed = (tile + BLOCK_BYTES).next_power_of_two().ilog2().saturating_sub(10) as u8;
    // Five bits of exponent, three of mantissa.
    *window = (*window).min(needed << 3);
    Ok((start, rest))
}

/// Bytes of the number of a dictionary, between descriptor and size.
fn dictionary_bytes(descriptor: u8) -> usize {
    [0, 1, 2, 4][usize::from(descriptor & 3)]
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn tiles_come_back() {
        lossless::tests::check_scheme(&Zstd, |samples| compress_to_vec(samples, CompressionLevel::Fastest));
    }

    /// A frame of blocks that each repeat a sample 131,071 times.
    fn bomb(start: &[u8], blocks: usize) -> Vec<u8> {
        let block = [&(1_u32 << 1 | 0x1_ffff << 3).to_le_bytes()[..3], &[7]].concat();
        [&MAGIC[..], start, &block.repeat(blocks)].concat()
    }

    #[test]
    fn a_window_of_terabytes_is_not_filled() {
        // The blocks would fill 26 GB.
        for window in [0xff, 0xf8, 0x80] {
            let bytes = bomb(&[0, window], 200_000);
            assert_eq!(lossless::tests::decode(&Zstd, &bytes, 1).unwrap(), [7; 24]);
        }
        let size = [&[ONE_SEGMENT | 0xc0][..], &(1_u64 << 60).to_le_bytes()].concat();
        let error = lossless::tests::decode(&Zstd, &bomb(&size, 10), 1).unwrap_err();
        assert_eq!(error.to_string(), "tile does not decode: a frame of 1152921504606846976 bytes");
    }
}
