//! Baseline and progressive JPEG tiles (TIFF compression 7), with tables in the directory or in the tile.
//!
//! Two decoders: `microtome-jpeg` decodes only the wanted region, and says of what it does not read that it is unsupported;
//! that goes to zune-jpeg, which decodes whole tiles. A thread keeps one decoder of the former, beside the caller's scratch:
//! what it keeps from tile to tile (Huffman tables by content, within a bound) is worth most across calls.
//!
//! The colour transform follows the directory's Photometric, as OpenSlide has it: Aperio writes RGB without any marker
//! that says so, and decoders would take it for YCbCr.

use std::{cell::RefCell, sync::Arc};

use microtome_jpeg::{ColorTransform, Error, Header, Rest};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    CodecError, Color, EncodedTile, PixelFormat, Region, Rows, Scratch, Target, TileCodec, TileLayout, TileRest,
};

/// Start and end of a JPEG stream.
const SOI: [u8; 2] = [0xff, 0xd8];
const EOI: [u8; 2] = [0xff, 0xd9];

#[derive(Debug)]
pub(super) struct Jpeg;

impl TileCodec for Jpeg {
    fn check(&self, layout: &TileLayout) -> Result<(), CodecError> {
        // JPEG's sizes have 16 bits.
        if layout.width.max(layout.height) > u32::from(u16::MAX) {
            let what = format!("a JPEG tile of {}x{} pixels", layout.width, layout.height);
            return Err(CodecError::Unsupported { what });
        }
        match layout.color {
            Color::Grey | Color::GreyInverted | Color::Rgb | Color::YCbCr => Ok(()),
            other => Err(CodecError::Unsupported { what: format!("JPEG of {other:?}") }),
        }
    }

    fn decode(
        &self,
        tile: EncodedTile<'_>,
        targets: &mut [Target<'_>],
        scratch: &mut Scratch,
    ) -> Result<(), CodecError> {
        let regions = with_decoder(tile, targets, |decoder, header, transform, targets| {
            decoder.decode_regions(header, transform, targets, None)
        });
        match regions {
            Err(CodecError::Unsupported { .. }) => decode_whole(tile, targets, scratch),
            outcome => outcome,
        }
    }

    fn decode_rows(
        &self,
        tile: EncodedTile<'_>,
        targets: &mut [Target<'_>],
        above: Option<&TileRest>,
    ) -> Result<Rows, CodecError> {
        let bytes = above.map_or(tile.bytes, |above| &above.head);
        let tile = EncodedTile { bytes, ..tile };
        let rows = with_decoder(tile, targets, |decoder, header, transform, targets| {
            let rest = decoder.decode_rows(header, transform, targets, above.map(|above| &above.rest))?;
            Ok(rest.map(|rest| (rest, header.length())))
        });
        let left = |(rest, length): (Rest, usize)| {
            let head = above.map_or_else(|| bytes[..length].into(), |above| Arc::clone(&above.head));
            TileRest { head, rest }
        };
        match rows {
            Err(CodecError::Unsupported { .. }) => Ok(Rows::Unread),
            outcome => Ok(Rows::Read(outcome?.map(left))),
        }
    }
}

/// Has the thread's decoder do something, if the tile is of a kind of which it decodes regions.
fn with_decoder<T>(
    tile: EncodedTile<'_>,
    targets: &mut [Target<'_>],
    run: impl FnOnce(
        &mut microtome_jpeg::Decoder,
        &Header<'_>,
        ColorTransform,
        &mut [(microtome_jpeg::Region, microtome_jpeg::Target<'_>)],
    ) -> Result<T, Error>,
) -> Result<T, CodecError> {
    thread_local! {
        static DECODER: RefCell<microtome_jpeg::Decoder> = RefCell::default();
    }
    let transform = match tile.layout.color {
        Color::YCbCr => ColorTransform::YCbCr,
        Color::Grey | Color::Rgb => ColorTransform::None,
        other => return Err(CodecError::Unsupported { what: format!("regions of {other:?}") }),
    };
    let tables = if tile.bytes.starts_with(&SOI) && tile.tables.starts_with(&SOI) { tile.tables } else { &[] };
    let header = Header::parse(tile.bytes, tables)?;
    check_frame(header.components(), (header.width(), header.height()), tile.layout)?;
    let mut targets: Vec<_> = targets.iter_mut().map(of_codec).collect();
    Ok(DECODER.with_borrow_mut(|decoder| run(decoder, &header, transform, &mut targets))?)
}

impl From<Error> for CodecError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported(what) => Self::Unsupported { what: what.to_owned() },
            error => Self::corrupt(&error),
        }
    }
}

fn of_codec<'a>(target: &'a mut Target<'_>) -> (microtome_jpeg::Region, microtome_jpeg::Target<'a>) {
    let Region { x, y, width, height } = target.region;
    let format = match target.format {
        PixelFormat::Rgb => microtome_jpeg::PixelFormat::Rgb,
        PixelFormat::Rgba => microtome_jpeg::PixelFormat::Rgba,
    };
    let into = microtome_jpeg::Target { pixels: target.pixels, stride: target.stride, format };
    (microtome_jpeg::Region { x, y, width, height }, into)
}

/// Decodes all of a tile, and cuts the regions out of it.
fn decode_whole(tile: EncodedTile<'_>, targets: &mut [Target<'_>], scratch: &mut Scratch) -> Result<(), CodecError> {
    check_scans(tile)?;
    let Scratch { stream, pixels } = scratch;
    let bytes = with_tables(tile, stream);
    let mut decoder = open(bytes, tile)?;
    let color = force_color(&mut decoder, tile.layout.color)?;
    let TileLayout { width, height, .. } = tile.layout;
    if let [target] = &mut *targets
        && color == Color::Rgb
        && let Some(pixels) = target.whole(width, height)
    {
        return decoder.decode_into(pixels).map_err(|error| CodecError::corrupt(&error));
    }
    pixels.resize(tile.layout.bytes(), 0);
    decoder.decode_into(pixels).map_err(|error| CodecError::corrupt(&error))?;
    Target::put_all(targets, pixels, tile.layout.width, color);
    Ok(())
}

/// The tile as a stream of its own: the directory's tables without their end, then the tile without its start.
fn with_tables<'a>(tile: EncodedTile<'a>, stream: &'a mut Vec<u8>) -> &'a [u8] {
    let (Some(tables), Some(body)) = (tile.tables.strip_prefix(&SOI), tile.bytes.strip_prefix(&SOI)) else {
        return tile.bytes;
    };
    stream.clear();
    stream.extend_from_slice(&SOI);
    stream.extend_from_slice(tables.strip_suffix(&EOI).unwrap_or(tables));
    stream.extend_from_slice(body);
    stream
}

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Reads the headers and checks them against the directory.
fn open<'a>(bytes: &'a [u8], tile: EncodedTile<'_>) -> Result<Decoder<'a>, CodecError> {
    let TileLayout { width, height, .. } = tile.layout;
    // Strict: a stream that ends early would otherwise come back as grey pixels.
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(width as usize).set_max_height(height as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| CodecError::corrupt(&error))?;
    let info = decoder.info().ok_or_else(|| CodecError::Corrupt { what: "no frame header".to_owned() })?;
    check_frame(usize::from(info.components), (u32::from(info.width), u32::from(info.height)), tile.layout)?;
    Ok(decoder)
}

/// Refuses a tile that is not what the directory says.
fn check_frame(components: usize, (width, height): (u32, u32), layout: TileLayout) -> Result<(), CodecError> {
    if components != layout.color.samples() {
        return Err(CodecError::Unsupported { what: format!("a JPEG of {components} components") });
    }
    if (width, height) != (layout.width, layout.height) {
        let (expected_width, expected_height) = (layout.width, layout.height);
        return Err(CodecError::Size { width, height, expected_width, expected_height });
    }
    Ok(())
}

/// Bounds the passes over a tile. In entropy-coded data 0xff is always stuffed, so the markers can be counted.
fn check_scans(tile: EncodedTile<'_>) -> Result<(), CodecError> {
    // Slices of one length: the compiler compares many bytes at once.
    let (all, next) = (tile.bytes, tile.bytes.get(1..).unwrap_or_default());
    let scans = next.iter().zip(all).filter(|(next, marker)| (**marker == 0xff) & (**next == 0xda)).count();
    if scans > tile.scans { Err(CodecError::Scans { scans }) } else { Ok(()) }
}

/// Makes the decoder return samples in the directory's colour, or in what is to be converted to it.
fn force_color(decoder: &mut Decoder<'_>, color: Color) -> Result<Color, CodecError> {
    let believed = decoder.input_colorspace();
    let (out, samples) = match (believed, color) {
        (Some(ColorSpace::Luma), Color::Grey | Color::GreyInverted) => (ColorSpace::Luma, color),
        (Some(ColorSpace::YCbCr | ColorSpace::YCCK), Color::YCbCr) => (ColorSpace::RGB, Color::Rgb),
        // Asking for what the decoder believes to be there returns the samples as they are. With three components it
        // turns CMYK into RGB and YCCK into YCbCr once it decodes.
        (Some(ColorSpace::YCbCr | ColorSpace::YCCK), Color::Rgb) => (ColorSpace::YCbCr, Color::Rgb),
        (Some(ColorSpace::RGB | ColorSpace::CMYK), color) => (ColorSpace::RGB, color),
        (other, _) => return Err(CodecError::Unsupported { what: format!("a JPEG of colour space {other:?}") }),
    };
    let options = decoder.options().jpeg_set_out_colorspace(out);
    decoder.set_options(options);
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use bytes::Bytes;

    use super::*;
    use crate::{
        Limits,
        codec::color::ycbcr_to_rgb,
        formats,
        tiff::{Step, Walker},
    };

    const LAYOUT: TileLayout = TileLayout { width: 240, height: 240, color: Color::Rgb, predictor: 1 };

    /// Tables and one tile of a real slide: RGB samples, no markers about colour.
    fn real_tile() -> (Bytes, Vec<u8>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");
        let file = Bytes::from(std::fs::read(path).unwrap());
        let limits = Limits::default();
        let mut walker = Walker::start(file.clone(), file.len() as u64, &limits).unwrap();
        assert_eq!(walker.step().unwrap(), Step::Done);
        let levels = formats::read(&walker.finish()).unwrap().levels;
        let Range { start, end } = levels[0].locate(57, file.len() as u64, &limits).unwrap().unwrap();
        (levels[0].tables.clone(), file[start as usize..end as usize].to_vec())
    }

    fn decode(tables: &[u8], bytes: &[u8], color: Color) -> Result<Vec<u8>, CodecError> {
        let (region, mut pixels) = (Region { x: 0, y: 0, width: 240, height: 240 }, vec![0; 240 * 240 * 3]);
        let tile = EncodedTile { bytes, tables, layout: TileLayout { color, ..LAYOUT }, scans: 8 };
        let target = Target { region, pixels: &mut pixels, stride: 240 * 3, format: PixelFormat::Rgb };
        Jpeg.decode(tile, &mut [target], &mut Scratch::default()).map(|()| pixels)
    }

    fn largest_difference(one: &[u8], other: &[u8]) -> u8 {
        one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap()
    }

    #[test]
    fn colour_follows_the_directory_whatever_the_markers_say() {
        let (tables, tile) = real_tile();
        let rgb = decode(&tables, &tile, Color::Rgb).unwrap();
        let mut converted = rgb.clone();
        converted.chunks_exact_mut(3).for_each(ycbcr_to_rgb);
        assert!(largest_difference(&rgb, &converted) > 50);
        for transform in [None, Some(0), Some(1), Some(2)] {
            let mut marked = tile[..2].to_vec();
            // An Adobe segment: 0 says RGB, 1 YCbCr, 2 YCCK.
            marked.extend(transform.iter().flat_map(|t| [b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0", &[*t][..]].concat()));
            marked.extend(&tile[2..]);
            assert!(decode(&tables, &marked, Color::Rgb).unwrap() == rgb, "{transform:?}");
            let ycbcr = decode(&tables, &marked, Color::YCbCr).unwrap();
            assert!(largest_difference(&ycbcr, &converted) <= 1, "{transform:?}");
        }
    }

    #[test]
    fn tables_may_be_in_the_tile() {
        let (tables, tile) = real_tile();
        let whole = [&tables[..tables.len() - 2], &tile[2..]].concat();
        assert!(decode(&[], &whole, Color::Rgb).unwrap() == decode(&tables, &tile, Color::Rgb).unwrap());
    }

    #[test]
    fn a_region_is_a_crop() {
        let (tables, bytes) = real_tile();
        let all = decode(&tables, &bytes, Color::Rgb).unwrap();
        let (region, mut pixels) = (Region { x: 17, y: 200, width: 100, height: 40 }, vec![0; 40 * 400]);
        let tile = EncodedTile { bytes: &bytes, tables: &tables, layout: LAYOUT, scans: 8 };
        let target = Target { region, pixels: &mut pixels, stride: 400, format: PixelFormat::Rgb };
        Jpeg.decode(tile, &mut [target], &mut Scratch::default()).unwrap();
        for (row, pixels) in pixels.chunks_exact(400).enumerate() {
            let start = ((200 + row) * 240 + 17) * 3;
            assert_eq!(pixels[..300], all[start..start + 300]);
        }
    }

    /// A file of 240 × 240 pixels.
    fn file(name: &str) -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/jpeg/").to_owned() + name).unwrap()
    }

    #[test]
    fn grey_becomes_rgb() {
        let samples: Vec<u8> = (0..240 * 240_u32).map(|at| (at % 240) as u8).collect();
        let tile = file("grey.jpg");
        let rgb = decode(&[], &tile, Color::Grey).unwrap();
        let grey: Vec<u8> = samples.iter().flat_map(|sample| [*sample; 3]).collect();
        assert!(largest_difference(&rgb, &grey) <= 2);
        let inverted: Vec<u8> = rgb.iter().map(|sample| 255 - sample).collect();
        assert!(decode(&[], &tile, Color::GreyInverted).unwrap() == inverted);
        let said = "a JPEG of 1 components is not read";
        assert_eq!(decode(&[], &tile, Color::Rgb).unwrap_err().to_string(), said);
    }

    #[test]
    fn restart_markers_change_nothing() {
        let plain = decode(&[], &file("restart-0.jpg"), Color::YCbCr).unwrap();
        for interval in [1, 7, 30] {
            let tile = file(&format!("restart-{interval}.jpg"));
            assert!(decode(&[], &tile, Color::YCbCr).unwrap() == plain, "every {interval}");
        }
    }

    #[test]
    fn bad_tiles_are_errors() {
        let (tables, tile) = real_tile();
        assert!(matches!(decode(&tables, &[], Color::Rgb), Err(CodecError::Corrupt { .. })));
        assert!(matches!(decode(&[], &tile, Color::Rgb), Err(CodecError::Corrupt { .. })));
        for cut in [1, 10, tile.len() / 2, tile.len() - 200] {
            assert!(decode(&tables, &tile[..cut], Color::Rgb).is_err(), "cut at {cut}");
        }
        let mut smaller = tile.clone();
        let frame = tile.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        smaller[frame + 6] = 200;
        let said = "tile has 240x200 pixels, its directory says 240x240";
        assert_eq!(decode(&tables, &smaller, Color::Rgb).unwrap_err().to_string(), said);
        // A tile of many scans is of a kind that only the decoder of whole tiles reads.
        let mut scans = [tile.as_slice(), &[0xff, 0xda].repeat(9)].concat();
        scans[frame + 1] = 0xc2;
        assert_eq!(decode(&tables, &scans, Color::Rgb), Err(CodecError::Scans { scans: 10 }));
    }
}
