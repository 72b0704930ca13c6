//! Whatever the tile, a region is the crop of the whole: with all kernels, with an index or without, first and again.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod common;

use common::{
    crop, decode,
    encode::{Shape, TOLERANCE, encode},
    packed, whole,
};
use microtome_jpeg::{ColorTransform, Decoder, Header, Index, Kernels, PixelFormat, Region, Request, Rest, Target};
use proptest::{collection::vec, prelude::*};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

fn shapes() -> impl Strategy<Value = Shape> {
    let sampling = prop_oneof![Just(None), (1_u32..3, 1_u32..3).prop_map(Some)];
    let size = || prop_oneof![1_u32..5, 1_u32..90];
    (size(), size(), sampling, 0_u16..9, 1_u8..33).prop_map(|(width, height, sampling, restart_interval, step)| Shape {
        width,
        height,
        sampling,
        restart_interval,
        step,
    })
}

/// A part of a side, by two numbers of 2^16.
fn part((one, other): (u16, u16), side: u32) -> (u32, u32) {
    let [one, other] = [one, other].map(|at| u32::from(at) * side / 65_536);
    (one.min(other), one.abs_diff(other) + 1)
}

fn largest_difference(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap()
}

proptest! {
    #[test]
    fn a_region_is_the_crop_of_the_whole(
        shape in shapes(),
        seed in vec(any::<u8>(), 3000),
        parts in vec((any::<(u16, u16)>(), any::<(u16, u16)>()), 1..8),
        spacing in 1_u32..20,
        entries in prop_oneof![Just(usize::MAX / 16), 0_usize..9],
    ) {
        let tile = encode(shape, &mut seed.iter().copied().cycle());
        let header = Header::parse(&tile, &[]).unwrap();
        let all = decode(&mut Decoder::new(Kernels::portable(), 0), &header, whole(&header), None).unwrap();
        let regions = parts.iter().map(|(columns, rows)| {
            let ((x, width), (y, height)) = (part(*columns, shape.width), part(*rows, shape.height));
            Region { x, y, width, height }
        });
        let crops: Vec<_> = regions.map(|region| (region, crop(&all, shape.width, region))).collect();
        for kernels in Kernels::all() {
            let mut decoder = Decoder::new(kernels, 1 << 20);
            let mut index = Index::new(spacing, entries * 12);
            let mut together: Vec<_> = crops.iter().map(|(_, expected)| vec![0; expected.len()]).collect();
            let mut targets = Vec::new();
            for (pixels, (region, _)) in together.iter_mut().zip(&crops) {
                targets.push((*region, packed(pixels, *region)));
            }
            decoder.decode_regions(&header, ColorTransform::YCbCr, &mut targets, None).unwrap();
            for (together, (_, expected)) in together.iter().zip(&crops) {
                prop_assert!(together == expected, "together");
            }
            for (region, expected) in crops.clone() {
                prop_assert!(decode(&mut decoder, &header, region, None).unwrap() == expected);
                prop_assert!(decode(&mut decoder, &header, region, Some(&mut index)).unwrap() == expected, "first {region:?}");
                prop_assert!(decode(&mut decoder, &header, region, Some(&mut index)).unwrap() == expected, "again {region:?}");
            }
        }
    }

    #[test]
    fn rows_that_are_decoded_one_after_the_other_are_those_of_the_whole(
        shape in shapes(),
        seed in vec(any::<u8>(), 3000),
        parts in vec((any::<(u16, u16)>(), any::<u16>(), 0_u32..2), 1..8),
    ) {
        let tile = encode(shape, &mut seed.iter().copied().cycle());
        let header = Header::parse(&tile, &[]).unwrap();
        let all = decode(&mut Decoder::new(Kernels::portable(), 0), &header, whole(&header), None).unwrap();
        for kernels in Kernels::all() {
            let (mut decoder, mut rest, mut bottom) = (Decoder::new(kernels, 1 << 20), None::<Rest>, 0);
            for (columns, rows, gap) in &parts {
                let y = bottom + gap;
                if y >= shape.height {
                    break;
                }
                let ((x, width), height) = (part(*columns, shape.width), part((0, *rows), shape.height - y).1);
                // Another decode between the two must not show.
                decode(&mut decoder, &header, whole(&header), None).unwrap();
                let region = Region { x, y, width, height };
                let mut pixels = vec![0; width as usize * 3 * height as usize];
                let mut targets = [(region, packed(&mut pixels, region))];
                let left = decoder.decode_rows(&header, ColorTransform::YCbCr, &mut targets, rest.as_ref()).unwrap();
                prop_assert!(pixels == crop(&all, shape.width, region), "{region:?} after {rest:?}");
                bottom = y + height;
                prop_assert!(left.is_some() || (header.mcus().1 - 1) * 8 < bottom + 10, "nothing is left at {bottom}");
                if left.is_none() {
                    break;
                }
                rest = left;
            }
        }
    }

    #[test]
    fn zune_jpeg_reads_the_same(mut shape in shapes(), seed in vec(any::<u8>(), 3000)) {
        // It takes what lies beyond the tile's edge in its last blocks for neighbours; libjpeg does not.
        (shape.width, shape.height) = (shape.width.next_multiple_of(16), shape.height.next_multiple_of(16));
        let tile = encode(shape, &mut seed.iter().copied().cycle());
        let header = Header::parse(&tile, &[]).unwrap();
        let ours = decode(&mut Decoder::default(), &header, whole(&header), None).unwrap();
        let options = DecoderOptions::default().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
        let theirs = JpegDecoder::new_with_options(ZCursor::new(&tile), options).decode().unwrap();
        let largest = largest_difference(&ours, &theirs);
        prop_assert!(largest <= TOLERANCE, "{largest}");
    }

    #[test]
    fn other_pixels_are_left_alone(shape in shapes(), seed in vec(any::<u8>(), 300), format_is_rgba: bool) {
        let tile = encode(shape, &mut seed.iter().copied().cycle());
        let header = Header::parse(&tile, &[]).unwrap();
        let format = if format_is_rgba { PixelFormat::Rgba } else { PixelFormat::Rgb };
        let (row, region) = (header.width() as usize * format.bytes(), whole(&header));
        let stride = row + 7;
        let rgb = decode(&mut Decoder::default(), &header, region, None).unwrap();
        let mut pixels = vec![99; stride * header.height() as usize - 7];
        let target = Target { pixels: &mut pixels, stride, format };
        let request = Request { region, transform: ColorTransform::YCbCr };
        Decoder::default().decode_region(&header, request, target, None).unwrap();
        for (line, rgb) in pixels.chunks(stride).zip(rgb.chunks(header.width() as usize * 3)) {
            let (inside, outside) = line.split_at(row);
            prop_assert!(outside.iter().all(|byte| *byte == 99));
            for (pixel, rgb) in inside.chunks(format.bytes()).zip(rgb.chunks(3)) {
                prop_assert!(pixel[..3] == *rgb && pixel[3..].iter().all(|alpha| *alpha == 255));
            }
        }
    }
}
