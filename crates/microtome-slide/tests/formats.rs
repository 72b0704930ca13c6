//! What formats make of a file: pyramids in sub-directories, and tiles that are left out.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use microtome_slide::Limits;
use support::{
    memory, open_bytes, open_in, read, request,
    tiff::{CLASSIC, Kind, Level, Value, Writer, pixel, raw_level, raw_tile},
};

/// OME-XML of an image of so many channels.
fn ome(channels: u32) -> String {
    format!(
        "<?xml version=\"1.0\"?><OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\"><Instrument><Objective \
         NominalMagnification=\"40.0\"/></Instrument><Image><Pixels SizeC=\"{channels}\" SizeZ=\"1\" SizeT=\"1\" \
         PhysicalSizeX=\"0.25\" PhysicalSizeY=\"250\" PhysicalSizeYUnit=\"nm\"/></Image></OME>"
    )
}

/// An OME-TIFF whose sub-directories lie before directory 0.
fn ome_tiff(kind: Kind, description: &str, sizes: &[(u32, u32)]) -> Vec<u8> {
    let mut writer = Writer::new(kind);
    let level = |size| Level { description: description.to_owned(), ..raw_level(size, (16, 16)) };
    let mut offsets = Vec::new();
    for (number, size) in (1..).zip(&sizes[1..]) {
        let level = level(*size);
        let entries = level.write_tiles(&mut writer, true, |tile| raw_tile(number, &level, tile));
        offsets.push(writer.sub_directory(&entries) as u32);
    }
    let level = level(sizes[0]);
    let mut entries = level.write_tiles(&mut writer, false, |tile| raw_tile(0, &level, tile));
    entries.push((330, Value::Long(offsets)));
    writer.directory(&entries);
    writer.out
}

#[tokio::test]
async fn ome_pyramids_lie_in_sub_directories() {
    for (big_endian, big_tiff) in [(false, false), (true, true)] {
        let bytes = ome_tiff(Kind { big_endian, big_tiff }, &ome(3), &[(100, 80), (50, 40), (25, 20)]);
        let slide = open_bytes(bytes).await.unwrap();
        let info = slide.info();
        assert_eq!((info.format.as_str(), info.levels.len()), ("ome-tiff", 3));
        assert_eq!((info.mpp_x, info.mpp_y), (Some(0.25), Some(0.25)));
        assert_eq!(info.properties["openslide.objective-power"], "40");
        for level in 0..3 {
            let pixels = read(&slide, level, (1, 1), &[(40, 20)]).await;
            assert_eq!(pixels, pixel(level, 40 >> level, 20 >> level));
        }
    }
}

#[tokio::test]
async fn channels_of_their_own_are_refused() {
    let error = open_bytes(ome_tiff(CLASSIC, &ome(7), &[(100, 80)])).await.unwrap_err();
    let said = "cannot read az://slides/case/a.svs: 7 channels in directories of their own (IFD 0)";
    assert_eq!(error.to_string(), said);
    assert_eq!(error.category(), "Unsupported");
}

#[tokio::test]
async fn sub_directories_are_walked_within_bounds() {
    let good = ome_tiff(CLASSIC, &ome(3), &[(100, 80), (50, 40)]);
    let entry = good.windows(4).rposition(|bytes| bytes == [0x4a, 1, 4, 0]).unwrap();
    for (offset, said) in [
        (u32::from_le_bytes(good[4..8].try_into().unwrap()), "Malformed: TIFF directories form a loop"),
        (u32::MAX - 9, "Truncated: TIFF directory lies outside the file"),
    ] {
        let mut bytes = good.clone();
        bytes[entry + 8..entry + 12].copy_from_slice(&offset.to_le_bytes());
        let error = open_bytes(bytes.clone()).await.unwrap_err();
        assert!(
            format!("{}: {error}", error.category())
                .replace("cannot read az://slides/case/a.svs: ", "")
                .starts_with(said),
            "{error}"
        );
        // Other formats do not look at them.
        let at = bytes.windows(4).position(|bytes| bytes == b"/OME").unwrap();
        bytes[at..at + 4].copy_from_slice(b"/XYZ");
        let others: Vec<usize> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"/OME").collect();
        others.into_iter().for_each(|at| bytes[at + 1] = b'X');
        assert_eq!(open_bytes(bytes).await.unwrap().info().format, "generic-tiff");
    }
    let limits = Limits { levels: 1, ..Limits::default() };
    let sizes = [(100, 80), (50, 40), (25, 20)];
    let error = open_in(memory(ome_tiff(CLASSIC, &ome(3), &sizes)).await, &limits).await.unwrap_err();
    assert!(error.to_string().contains("2 sub-directories"), "{error}");
}

/// An Aperio slide of three levels of one colour each, with holes.
fn with_holes(holes: &[(u32, usize)]) -> Vec<u8> {
    let mut writer = Writer::new(CLASSIC);
    for (number, size) in (0..).zip([(128, 128), (64, 64), (32, 32)]) {
        let level = raw_level(size, (16, 16));
        let colour = 50 * number as u8;
        let tile = |tile| if holes.contains(&(number, tile)) { Vec::new() } else { vec![colour; 16 * 16 * 3] };
        level.write(&mut writer, number > 0, tile);
    }
    writer.out
}

/// The grey levels of single pixels of a level, 8 pixels apart.
async fn greys(bytes: Vec<u8>, level: u32, edge: i64) -> Vec<u8> {
    let slide = open_bytes(bytes).await.unwrap();
    let places: Vec<i64> = (0..edge / 8).map(|at| at * 8 + 4).collect();
    let scale = 1 << level;
    let origins: Vec<(i64, i64)> =
        places.iter().flat_map(|y| places.iter().map(move |x| (x * scale, y * scale))).collect();
    read(&slide, level, (1, 1), &origins).await.chunks_exact(3).map(|pixel| pixel[0]).collect()
}

#[tokio::test]
async fn a_hole_of_aperios_shows_the_finer_level() {
    let rows = [[0, 0, 100, 100], [0, 0, 100, 100], [100; 4], [100; 4]].concat();
    // A hole in level 2 is made from level 1, and one in level 1 is a hole of level 2 too.
    assert_eq!(greys(with_holes(&[(2, 0)]), 2, 32).await, rows.iter().map(|grey| (*grey).max(50)).collect::<Vec<u8>>());
    let through = greys(with_holes(&[(1, 0), (1, 1), (1, 4), (1, 5)]), 2, 32).await;
    assert_eq!(through, rows);
    // A hole in level 0 is white, and so is what level 1 had made of it, but not level 2.
    let holes: Vec<(u32, usize)> = [0, 1, 8, 9].map(|tile| (0, tile)).to_vec();
    let level_1 = greys(with_holes(&holes), 1, 64).await;
    assert_eq!((level_1[0], level_1[7], level_1[63]), (255, 50, 50));
    assert_eq!(greys(with_holes(&holes), 2, 32).await, [100; 16]);
}

#[tokio::test]
async fn what_fills_a_hole_is_fetched_with_its_plan_and_may_be_bad() {
    let bytes = with_holes(&[(2, 3)]);
    let slide = open_bytes(bytes.clone()).await.unwrap();
    let plan = slide.plan(&request(2, (32, 32), &[(0, 0)])).unwrap();
    assert_eq!(plan.needed_bytes(), 3 * 768 + 9 * 768);
    // Level 1 begins behind level 0 and its directory; its tiles now lie outside of the file.
    let cut = Limits { compressed_tile_bytes: 767, ..Limits::default() };
    let slide = open_in(memory(bytes).await, &cut).await.unwrap();
    let patches = slide.read_patches(&request(2, (4, 4), &[(100, 100)])).await.unwrap();
    assert_eq!(patches.errors[0].1.category(), "Limit");
    assert!(patches.pixels.iter().all(|sample| *sample == 255));
}
