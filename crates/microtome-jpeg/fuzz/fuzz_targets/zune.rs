//! A tile of random coefficients, sound by construction, as bytes: what is read here must be read by zune-jpeg too, with the
//! same pixels but for rounding. The encoder is in `tests/common`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microtome_jpeg::{ColorTransform, Decoder, Header, PixelFormat, Region, Request, Target};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

#[path = "../../tests/common/encode.rs"]
mod encode;

fuzz_target!(|input: &[u8]| {
    let Some((choice, seed)) = input.split_first_chunk::<8>() else { return };
    let shape = encode::Shape {
        // Whole MCUs: zune-jpeg takes what lies beyond the tile's edge in its last blocks for neighbours, libjpeg does not.
        width: u32::from(choice[0]) % 5 * 16 + 16,
        height: u32::from(choice[1]) % 5 * 16 + 16,
        sampling: [None, Some((1, 1)), Some((2, 1)), Some((1, 2)), Some((2, 2))][usize::from(choice[2]) % 5],
        restart_interval: u16::from(choice[3] % 8),
        step: choice[4] % 32 + 1,
    };
    let tile = encode::encode(shape, &mut seed.iter().copied().cycle());
    let header = Header::parse(&tile, &[]).expect("sound");
    let (width, height) = (header.width(), header.height());
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let region = Region { x: 0, y: 0, width, height };
    let target = Target { pixels: &mut pixels, stride: width as usize * 3, format: PixelFormat::Rgb };
    let request = Request { region, transform: ColorTransform::YCbCr };
    Decoder::default().decode_region(&header, request, target, None).expect("sound");

    let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
    let theirs = JpegDecoder::new_with_options(ZCursor::new(&tile), options).decode().expect("sound for zune-jpeg");
    assert_eq!(theirs.len(), pixels.len());
    let largest = pixels.iter().zip(&theirs).map(|(one, other)| one.abs_diff(*other)).max();
    assert!(largest <= Some(encode::TOLERANCE), "{largest:?} at {shape:?}");
});
