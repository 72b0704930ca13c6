//! Any bytes as a tile: no panic, nothing written outside the region, the same outcome with all kernels and with an index,
//! and a region equals the crop of the whole where both are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microtome_jpeg::{ColorTransform, Decoder, Error, Header, Index, Kernels, PixelFormat, Region, Request, Rest, Target};

/// A tile this large takes a moment, and shows nothing that smaller ones do not.
const MOST_PIXELS: u32 = 1 << 18;

const GUARD: u8 = 0xa5;

struct Wanted {
    region: Region,
    transform: ColorTransform,
    format: PixelFormat,
}

/// Decodes into a buffer with a guard around each row; the rows without it.
fn decode(kernels: Kernels, header: &Header<'_>, wanted: &Wanted, index: Option<&mut Index>) -> Result<Vec<u8>, Error> {
    let Wanted { region, transform, .. } = *wanted;
    guarded(wanted, |target| Decoder::new(kernels, 0).decode_region(header, Request { region, transform }, target, index))
        .map(|(pixels, ())| pixels)
}

/// As `decode`, below what `above` was left of; with what is left then.
fn go_on(header: &Header<'_>, wanted: &Wanted, above: Option<&Rest>) -> Result<(Vec<u8>, Option<Rest>), Error> {
    let Wanted { region, transform, .. } = *wanted;
    guarded(wanted, |target| Decoder::default().decode_rows(header, transform, &mut [(region, target)], above))
}

fn guarded<T>(wanted: &Wanted, decode: impl FnOnce(Target<'_>) -> Result<T, Error>) -> Result<(Vec<u8>, T), Error> {
    let Wanted { region, format, .. } = *wanted;
    let row = region.width as usize * format.bytes();
    let stride = row + 5;
    let mut pixels = vec![GUARD; stride * region.height as usize];
    let outcome = decode(Target { pixels: &mut pixels, stride, format });
    for line in pixels.chunks_exact(stride) {
        assert!(line[row..].iter().all(|byte| *byte == GUARD));
    }
    outcome.map(|found| (pixels.chunks_exact(stride).flat_map(|line| &line[..row]).copied().collect(), found))
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, tile)) = input.split_first_chunk::<8>() else { return };
    let tables = if choice[0] & 1 == 0 { &[][..] } else { include_bytes!("../../tests/tiles/tables.jpg") };
    let Ok(header) = Header::parse(tile, tables) else { return };
    let (width, height) = (header.width(), header.height());
    if width.saturating_mul(height) > MOST_PIXELS {
        return;
    }
    let part = |low: u8, high: u8, size: u32| {
        let (first, second) = (u32::from(low) * size / 256, u32::from(high) * size / 256);
        (first.min(second), first.abs_diff(second) + 1)
    };
    let ((x, part_width), (y, part_height)) = (part(choice[1], choice[2], width), part(choice[3], choice[4], height));
    let transform = if choice[5] & 1 == 0 { ColorTransform::None } else { ColorTransform::YCbCr };
    let format = if choice[5] & 2 == 0 { PixelFormat::Rgb } else { PixelFormat::Rgba };
    let wanted = Wanted { region: Region { x, y, width: part_width, height: part_height }, transform, format };
    let whole = Wanted { region: Region { x: 0, y: 0, width, height }, transform, format };
    let mut index = Index::new(u32::from(choice[6] % 16) + 1, usize::from(choice[7]) * 12);

    let outcomes: Vec<_> = Kernels::all().into_iter().map(|kernels| decode(kernels, &header, &wanted, None)).collect();
    for outcome in &outcomes {
        assert_eq!(*outcome, outcomes[0]);
    }
    let all = decode(Kernels::best(), &header, &whole, Some(&mut index));
    let again = decode(Kernels::best(), &header, &wanted, Some(&mut index));
    let upper = go_on(&header, &wanted, None);
    let bottom = y + part_height;
    let below = Wanted { region: Region { x: 0, y: bottom, width, height: height - bottom }, transform, format };
    let lower = upper.as_ref().ok().and_then(|(_, rest)| rest.as_ref()).map(|rest| go_on(&header, &below, Some(rest)));
    if let (Ok(pixels), Ok(all)) = (&outcomes[0], &all) {
        let (bytes, row) = (format.bytes(), width as usize * format.bytes());
        let rows = all.chunks_exact(row).skip(y as usize).take(part_height as usize);
        let crop: Vec<u8> =
            rows.flat_map(|row| &row[x as usize * bytes..(x + part_width) as usize * bytes]).copied().collect();
        assert_eq!(*pixels, crop);
        assert_eq!(again.as_ref(), Ok(&crop));
        assert_eq!(upper.as_ref().map(|(pixels, _)| pixels), Ok(&crop));
        if let Some(lower) = lower {
            assert_eq!(lower.map(|(pixels, _)| pixels), Ok(all[bottom as usize * row..].to_vec()));
        }
    }
    assert!(index.bytes() <= usize::from(choice[7]) * 12);
});
