//! JPEG 2000 tiles as Aperio writes them: raw code streams whose colour the compression tells (33003 YCbCr, 33005 RGB).
//!
//! The colour step is done here. The decoder would convert YCbCr with subsampled chroma by itself, from samples that are
//! not yet clamped, which differs from OpenJPEG by up to 20; a stream in boxes that say RGB is left alone. A stream with
//! a component transform of its own is RGB whatever the compression says: Bio-Formats writes such under 33003.
//! Format facts: ISO/IEC 15444-1, annexes A and I.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::{CodecError, Color, EncodedTile, Scratch, Target, TileCodec, TileLayout};

/// Start of a code stream and its size segment, which comes first.
const SOC_SIZ: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// The segment of coding style, and the two that begin the data.
const COD: u8 = 0x52;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;

/// Tiles inside of a tile: encoders of slides write one, and each costs memory before any of its data is seen.
const INNER_TILES: u64 = 1024;

/// Both compressions; `ycbcr` is what 33003 says of colour tiles.
#[derive(Debug)]
pub(super) struct Jpeg2000 {
    pub(super) ycbcr: bool,
}

impl TileCodec for Jpeg2000 {
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        match layout.color {
            Color::Rgb | Color::YCbCr | Color::Grey => Ok(()),
            other => Err(CodecError::Unsupported { what: format!("JPEG 2000 of {other:?}") }),
        }
    }

    fn decode(
        &self,
        tile: EncodedTile<'_>,
        targets: &mut [Target<'_>],
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let header = Header::read(tile.bytes).ok_or_else(|| corrupt("no JPEG 2000 header"))?;
        header.check(&tile.layout)?;
        let ycbcr = self.ycbcr && header.components.len() == 3 && !header.transformed;
        if header.is_subsampled() && !ycbcr {
            return Err(CodecError::Unsupported { what: "JPEG 2000 RGB with subsampled components".to_owned() });
        }
        // Strict: a stream that ends early would otherwise come back blurred.
        let settings = DecodeSettings { strict: true, ..DecodeSettings::default() };
        let Scratch { stream, pixels } = scratch;
        let bytes = if header.is_subsampled() { in_boxes(tile, stream) } else { tile.bytes };
        let image = Image::new(bytes, &settings).map_err(|error| CodecError::corrupt(&error))?;
        let TileLayout { width, height, color, .. } = tile.layout;
        if (image.width(), image.height()) != (width, height) {
            return Err(corrupt("sizes of the JPEG 2000 image disagree"));
        }
        let mut context = DecoderContext::default();
        let decoded = image.decode(&mut context).map_err(|error| CodecError::corrupt(&error))?;
        let plane = width as usize * height as usize;
        let components = decoded.components();
        if components.len() != color.samples() || components.iter().any(|one| one.samples().len() != plane) {
            return Err(corrupt("components of the JPEG 2000 image disagree"));
        }
        pixels.resize(tile.layout.bytes(), 0);
        decoded.store_u8_into(pixels);
        let samples = match color {
            Color::Grey => Color::Grey,
            _ if ycbcr => Color::YCbCr,
            _ => Color::Rgb,
        };
        Target::put_all(targets, pixels, width, samples);
        Ok(())
    }
}

/// The stream as a JP2 file of three components that says its colour is sRGB.
fn in_boxes<'a>(tile: EncodedTile<'_>, stream: &'a mut Vec<u8>) -> &'a [u8] {
    let TileLayout { width, height, .. } = tile.layout;
    stream.clear();
    stream.extend_from_slice(b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 ");
    stream.extend_from_slice(b"\0\0\0\x2djp2h\0\0\0\x16ihdr");
    stream.extend_from_slice(&height.to_be_bytes());
    stream.extend_from_slice(&width.to_be_bytes());
    // Three components of eight bits, compressed by the one method there is; colour space 16 is sRGB.
    stream.extend_from_slice(b"\0\x03\x07\x07\0\0\0\0\0\x0fcolr\x01\0\0\0\0\0\x10");
    // Length 0: to the end.
    stream.extend_from_slice(b"\0\0\0\0jp2c");
    stream.extend_from_slice(tile.bytes);
    stream
}

fn corrupt(what: &str) -> CodecError {
    CodecError::Corrupt { what: what.to_owned() }
}

/// What the main header says that must be known before the decoder may allocate.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    width: u32,
    height: u32,
    inner_tiles: u64,
    /// Depth code, horizontal and vertical subsampling of each component.
    components: Vec<[u8; 3]>,
    /// Whether the samples went through the multiple-component transform.
    transformed: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&SOC_SIZ)?;
        let size = segment(&mut rest)?;
        let at = |index: usize| {
            let start = 2 + index * 4;
            size.get(start..start + 4)?.try_into().ok().map(u32::from_be_bytes)
        };
        let (right, bottom, left, top) = (at(0)?, at(1)?, at(2)?, at(3)?);
        let along = |from: u32, to: u32, size: u32| to.checked_sub(from).and_then(|all| all.checked_div(size));
        let across = u64::from(along(at(6)?, right, at(4)?)?) + 1;
        let down = u64::from(along(at(7)?, bottom, at(5)?)?) + 1;
        let components = size.get(36..)?.chunks_exact(3).map(|one| [one[0], one[1], one[2]]).collect();
        let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
        let inner_tiles = across.saturating_mul(down);
        Some(Self { width, height, inner_tiles, components, transformed: transformed(rest)? })
    }

    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        let Self { width, height, .. } = *self;
        if (width, height) != (layout.width, layout.height) {
            let (expected_width, expected_height) = (layout.width, layout.height);
            return Err(CodecError::Size { width, height, expected_width, expected_height });
        }
        if self.components.len() != layout.color.samples() {
            let what = format!("JPEG 2000 of {} components", self.components.len());
            return Err(CodecError::Unsupported { what });
        }
        // The code is the depth less one; its highest bit means signed.
        if self.components.iter().any(|[depth, ..]| *depth != 7) {
            return Err(CodecError::Unsupported { what: "JPEG 2000 of other than 8 bits".to_owned() });
        }
        if self.inner_tiles > INNER_TILES {
            return Err(corrupt("JPEG 2000 image of too many tiles"));
        }
        Ok(())
    }

    fn is_subsampled(&self) -> bool {
        self.components.iter().any(|[_, across, down]| (*across, *down) != (1, 1))
    }
}

/// Takes the body of a marker segment, whose length comes first.
fn segment<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?));
    let body = rest.get(2..length)?;
    *rest = &rest[length..];
    Some(body)
}

/// Whether the coding style asks for the multiple-component transform.
fn transformed(mut rest: &[u8]) -> Option<bool> {
    loop {
        let marker = rest.get(..2)?;
        rest = &rest[2..];
        match (marker[0], marker[1]) {
            (0xff, SOT | SOD) => return None,
            (0xff, COD) => return segment(&mut rest)?.get(4).map(|transform| *transform == 1),
            (0xff, _) => segment(&mut rest)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{PixelFormat, Region};

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/jpeg2000/").to_owned() + name).unwrap()
    }

    fn decode(bytes: &[u8], ycbcr: bool, (width, height): (u32, u32)) -> Result<Vec<u8>, CodecError> {
        let layout = TileLayout { width, height, color: Color::Rgb, predictor: 1 };
        let mut pixels = vec![0; layout.bytes()];
        let (region, stride) = (Region { x: 0, y: 0, width, height }, width as usize * 3);
        let target = Target { region, pixels: &mut pixels, stride, format: PixelFormat::Rgb };
        let tile = EncodedTile { bytes, tables: &[], layout, scans: 1 };
        Jpeg2000 { ycbcr }.decode(tile, &mut [target], &mut Scratch::default()).map(|()| pixels)
    }

    /// Size of all files, and the pixels of a binary PPM file of that size.
    const SIZE: (u32, u32) = (16, 12);

    fn ppm(name: &str) -> Vec<u8> {
        let bytes = file(name);
        bytes[bytes.len() - 16 * 12 * 3..].to_vec()
    }

    #[test]
    fn each_kind_of_colour_is_openjpegs() {
        for (name, ycbcr) in [
            ("rgb_mct", false),
            ("rgb_mct", true),
            ("rgb_nomct", false),
            ("ycbcr_444", true),
            ("ycbcr_422", true),
            ("ycbcr_420", true),
        ] {
            let expected = ppm(&format!("{name}.ppm"));
            let pixels = decode(&file(&format!("{name}.j2k")), ycbcr, SIZE).unwrap();
            let largest = pixels.iter().zip(&expected).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
            println!("{name}: largest difference {largest}");
            assert!(largest <= 1, "{name}, 33003 {ycbcr}: {largest}");
        }
    }

    #[test]
    fn bad_tiles_are_errors() {
        let bytes = file("rgb_nomct.j2k");
        for cut in [0, 3, 20, 60, bytes.len() - 20] {
            assert!(decode(&bytes[..cut], false, SIZE).is_err(), "cut at {cut}");
        }
        let said = "tile has 16x12 pixels, its directory says 16x16";
        assert_eq!(decode(&bytes, false, (16, 16)).unwrap_err().to_string(), said);
        let mut tiny_tiles = bytes.clone();
        tiny_tiles[24..32].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
        assert!(decode(&tiny_tiles, false, SIZE).is_err());
        let mut wide = bytes.clone();
        wide[42] = 15;
        let said = "JPEG 2000 of other than 8 bits is not read";
        assert_eq!(decode(&wide, false, SIZE).unwrap_err().to_string(), said);
        let error = decode(&file("ycbcr_420.j2k"), false, SIZE).unwrap_err();
        assert_eq!(error.to_string(), "JPEG 2000 RGB with subsampled components is not read");
    }
}
