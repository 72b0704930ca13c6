//! What is not read is refused with its reason; what is damaged is an error where the damage matters, and never a panic.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod common;

use common::{
    decode,
    encode::{Shape, encode},
    whole,
};
use microtome_jpeg::{ColorTransform, Decoder, Error, Header, PixelFormat, Region, Request, Target};

const SHAPE: Shape = Shape { width: 64, height: 48, sampling: Some((2, 2)), restart_interval: 0, step: 7 };

fn tile(shape: Shape) -> Vec<u8> {
    let mut state = 1_u32;
    encode(
        shape,
        &mut std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }),
    )
}

/// Where a marker's segment starts.
fn find(tile: &[u8], marker: u8) -> usize {
    tile.windows(2).position(|pair| pair == [0xff, marker]).unwrap()
}

fn read(tile: &[u8]) -> Result<Vec<u8>, Error> {
    let header = Header::parse(tile, &[])?;
    decode(&mut Decoder::default(), &header, whole(&header), None)
}

/// A tile with bytes replaced behind the start of a segment.
fn patched(marker: u8, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tile = tile(SHAPE);
    let start = find(&tile, marker) + at;
    tile[start..start + bytes.len()].copy_from_slice(bytes);
    tile
}

#[test]
fn what_is_not_read_says_why() {
    const SOF: u8 = 0xc0;
    let cases: [(Vec<u8>, &str); 18] = [
        (patched(SOF, 1, &[0xc2]), "a JPEG with progressive coding is not read"),
        (patched(SOF, 1, &[0xc9]), "a JPEG with this coding process is not read"),
        (patched(SOF, 4, &[12]), "a JPEG with other than 8 bits a sample is not read"),
        (patched(SOF, 5, &[0, 0]), "a JPEG with a height that follows the scan is not read"),
        (patched(SOF, 7, &[0, 0]), "JPEG header: a frame without columns (byte 288)"),
        (patched(SOF, 9, &[4]), "a JPEG with other than 1 or 3 components is not read"),
        (patched(SOF, 9, &[1]), "JPEG header: a frame of wrong length (byte 288)"),
        (patched(SOF, 11, &[0x41]), "a JPEG with this sampling is not read"),
        (patched(SOF, 14, &[0x21]), "a JPEG with this sampling is not read"),
        (patched(SOF, 14, &[0x01]), "JPEG header: a sampling of 0 (byte 288)"),
        (patched(SOF, 12, &[2]), "JPEG header: a scan with a table that is nowhere (byte 307)"),
        (patched(0xda, 4, &[1]), "a JPEG with several scans is not read"),
        (patched(0xda, 5, &[2]), "a JPEG with components in another order than its frame's is not read"),
        (patched(0xda, 6, &[0x11]), "JPEG header: a scan with a table that is nowhere (byte 307)"),
        (patched(0xda, 12, &[5]), "a JPEG with a scan of part of the coefficients is not read"),
        (patched(0xc4, 5, &[3, 0, 3]), "JPEG header: a Huffman table with more codes than there are (byte 72)"),
        (patched(0xdb, 4, &[0x20]), "JPEG header: a quantization table of unknown kind (byte 3)"),
        (patched(0xdb, 2, &[0, 1]), "JPEG header: a segment shorter than its length (byte 3)"),
    ];
    for (at, (tile, said)) in cases.iter().enumerate() {
        assert_eq!(read(tile).unwrap_err().to_string(), *said, "case {at}");
    }
}

#[test]
fn streams_that_are_none() {
    for (stream, category) in [
        (&b""[..], "Truncated"),
        (b"\xff", "Truncated"),
        (b"II*\0", "Malformed"),
        (b"\xff\xd8", "Truncated"),
        (b"\xff\xd8\xff", "Truncated"),
        (b"\xff\xd8\xff\xd9", "Malformed"),
        (b"\xff\xd8\x12\x34", "Malformed"),
        (b"\xff\xd8\xff\xd8", "Malformed"),
    ] {
        assert_eq!(Header::parse(stream, &[]).unwrap_err().category(), category, "{stream:x?}");
    }
    let tile = tile(SHAPE);
    assert_eq!(Header::parse(&tile, &tile).unwrap_err().category(), "Unsupported");
}

#[test]
fn a_tile_may_be_cut_behind_the_region_only() {
    let tile = tile(SHAPE);
    let all = read(&tile).unwrap();
    let data = Header::parse(&tile, &[]).map(|_| find(&tile, 0xda) + 14).unwrap();
    for cut in data..tile.len() - 2 {
        assert_eq!(read(&tile[..cut]), Err(Error::Truncated), "cut at {cut}");
    }
    // Without its end marker a tile is complete.
    assert_eq!(read(&tile[..tile.len() - 2]).unwrap(), all);
    let header = Header::parse(&tile[..tile.len() - 60], &[]).unwrap();
    let first = Region { x: 0, y: 0, width: 64, height: 1 };
    assert_eq!(decode(&mut Decoder::default(), &header, first, None).unwrap(), all[..64 * 3]);
}

#[test]
fn restart_markers_are_held_to() {
    let sound = tile(Shape { restart_interval: 2, ..SHAPE });
    assert!(read(&sound).is_ok());
    let marker = find(&sound, 0xd1);
    let mut wrong = sound.clone();
    wrong[marker + 1] = 0xd3;
    assert_eq!(read(&wrong), Err(Error::Data { what: "a restart marker out of turn", mcu: 4 }));
    let mut longer = sound.clone();
    longer.insert(marker, 0x55);
    assert_eq!(read(&longer), Err(Error::Data { what: "data that do not end at their restart marker", mcu: 4 }));
    let without = [&sound[..marker], &sound[marker + 2..]].concat();
    assert!(read(&without).is_err());
    assert_eq!(read(&sound[..marker]), Err(Error::Truncated));
}

#[test]
fn damaged_tiles_do_not_panic() {
    let sound = tile(Shape { restart_interval: 3, ..SHAPE });
    let mut refused = 0;
    for at in 2..sound.len() {
        for byte in [0, 0xff, sound[at] ^ 1, sound[at] ^ 0x80] {
            let mut tile = sound.clone();
            tile[at] = byte;
            // A tile that became huge is another test's matter.
            if Header::parse(&tile, &[]).is_ok_and(|header| header.width() * header.height() < 1 << 16) {
                refused += u32::from(read(&tile).is_err());
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn requests_that_do_not_fit() {
    let tile = tile(SHAPE);
    let header = Header::parse(&tile, &[]).unwrap();
    let ask = |region: Region, bytes: usize, stride: usize| {
        let mut pixels = vec![0; bytes];
        let target = Target { pixels: &mut pixels, stride, format: PixelFormat::Rgba };
        let request = Request { region, transform: ColorTransform::None };
        Decoder::default().decode_region(&header, request, target, None)
    };
    let region = Region { x: 60, y: 40, width: 4, height: 8 };
    assert_eq!(ask(region, 7 * 20 + 16, 20), Ok(()));
    for (region, bytes, stride) in [
        (Region { x: 61, ..region }, 1000, 20),
        (Region { y: 41, ..region }, 1000, 20),
        (Region { x: u32::MAX, ..region }, 1000, 20),
        (Region { width: 0, ..region }, 1000, 20),
        (Region { height: 0, ..region }, 1000, 20),
        (region, 7 * 20 + 15, 20),
        (region, 1000, 15),
        (region, 1000, usize::MAX),
    ] {
        assert_eq!(ask(region, bytes, stride).unwrap_err().category(), "Request", "{region:?} {bytes} {stride}");
    }
}
