//! Files made to cost far more than they weigh. One test, for the peak of the process's memory is what it checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::time::{Duration, Instant};

use microtome_slide::{Limits, PatchRequest, Scale};
use support::{
    memory, open_in, slide_path,
    tiff::{CLASSIC, Kind, Level, Value, Writer, raw_level},
};

/// Far more than any of these takes, far less than a hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the whole process may take at its peak, the files included.
const PEAK_BYTES: u64 = 256 << 20;

/// Opens a file and reads a patch; one line of what came of it.
async fn outcome(bytes: Vec<u8>) -> String {
    let slide = match open_in(memory(bytes).await, &Limits::default()).await {
        Ok(slide) => slide,
        Err(error) => return format!("{}: {error}", error.category()),
    };
    let origins = vec![(0, 0), (100, 100)];
    let request = PatchRequest { scale: Scale::Level(0), width: 200, height: 200, origins, gap_bytes: 0 };
    match slide.read_patches(&request).await {
        Ok(patches) if patches.errors.is_empty() => "read".to_owned(),
        Ok(patches) => format!("{}: {}", patches.errors[0].1.category(), patches.errors[0].1),
        Err(error) => format!("{}: {error}", error.category()),
    }
}

/// A file of one tile.
fn tile(level: &Level, tile: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(CLASSIC);
    level.write(&mut writer, false, |_| tile.to_vec());
    writer.out
}

fn level(compression: u16, edge: u32) -> Level {
    Level { compression, ..raw_level((edge, edge), (edge, edge)) }
}

fn grey_jpeg() -> Vec<u8> {
    std::fs::read(slide_path("jpeg/grey.jpg")).unwrap()
}

/// Files of one JPEG tile, and of one JPEG 2000 tile.
fn images() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let grey = Level { samples: 1, photometric: 1, ..level(7, 240) };
    let mut scans = grey_jpeg();
    let end = scans.len() - 2;
    scans.splice(end..end, b"\xff\xda\0\x08\x01\x01\0\0\x3f\0".repeat(80_000)).for_each(drop);
    // A baseline image is read from its first scan; only a progressive one is made of many.
    let mut progressive = scans.clone();
    let frame = progressive.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    progressive[frame + 1] = 0xc2;
    let mut huge = grey_jpeg();
    let frame = huge.windows(2).position(|marker| matches!(marker, [0xff, 0xc0 | 0xc2])).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let j2k = |changes: &[(usize, &[u8])]| {
        let mut bytes = std::fs::read(slide_path("jpeg2000/rgb_nomct.j2k")).unwrap();
        changes.iter().for_each(|(at, to)| bytes[*at..at + to.len()].copy_from_slice(to));
        tile(&Level { compression: 33005, ..raw_level((16, 12), (16, 12)) }, &bytes)
    };
    let wide = |value: u32| value.to_be_bytes();
    vec![
        ("80,000 progressive scans", tile(&grey, &progressive), "Limit: "),
        ("80,000 scans behind the image", tile(&grey, &scans), "read"),
        ("a frame of 65,500 pixels", tile(&grey, &huge), "Malformed: "),
        ("SIZ of 2^31 pixels", j2k(&[(8, &wide(1 << 31)), (12, &wide(1 << 31))]), "Malformed: "),
        (
            "inner tiles of a pixel, 2^31 wide",
            j2k(&[(8, &wide(1 << 31)), (24, &[0, 0, 0, 1, 0, 0, 0, 1])]),
            "Malformed: ",
        ),
        ("16,384 components", j2k(&[(40, &[0x40, 0])]), ""),
        ("no components", j2k(&[(40, &[0, 0])]), ""),
    ]
}

/// Files whose compressed data is nothing, many times.
fn streams() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let megabyte = vec![0; 1 << 20];
    (0..300).for_each(|_| std::io::Write::write_all(&mut deflate, &megabyte).unwrap());
    let rle = [&(1_u32 << 1 | 0x1_ffff << 3).to_le_bytes()[..3], &[7]].concat();
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0xff][..], &rle.repeat(200_000)].concat();
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&megabyte).unwrap();
    vec![
        ("300 MB of zeros, deflated", tile(&level(8, 64), &deflate.finish().unwrap()), "read"),
        ("26 GB of sevens, zstd with a window of terabytes", tile(&level(50000, 64), &zstd), "read"),
        ("more than a tile, LZW", tile(&level(5, 64), &lzw), "read"),
        ("less than a tile, LZW", tile(&level(5, 2048), &lzw), "Truncated: "),
    ]
}

/// Files of a directory that announces or repeats too much.
fn directories() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let described = |description: String| {
        let level = Level { description, ..raw_level((240, 240), (240, 240)) };
        tile(&level, &[9; 240 * 240 * 3])
    };
    let ome =
        |rest: String| described(format!("<OME xmlns=\"http://www.openmicroscopy.org/Schemas/OME/2016-06\">{rest}"));
    let aliased = raw_level((25_600, 25_600), (256, 256));
    let mut alias = Writer::new(CLASSIC);
    let at = alias.data(&[5; 256 * 256 * 3]);
    alias.directory(&aliased.entries(false, vec![at; 10_000], vec![256 * 256 * 3; 10_000], CLASSIC));
    let mut chain = Writer::new(CLASSIC);
    (0..5000).for_each(|_| chain.directory(&[(256, Value::Long(vec![1]))]));
    let kind = Kind { big_endian: false, big_tiff: true };
    let mut tiles = Writer::new(kind);
    tiles.directory(&raw_level((1 << 31, 1 << 31), (1, 1)).entries(false, vec![8], vec![1], kind));
    vec![
        ("attributes without end", ome("<Image a=\"b\" ".repeat(60_000)), ""),
        ("elements in elements", ome("<a>".repeat(300_000)), ""),
        ("namespaces without end", ome((0..20_000).map(|at| format!("<Pixels xmlns:a{at}=\"b\" ")).collect()), ""),
        ("entities in entities", ome("<!DOCTYPE a [<!ENTITY a \"&b;&b;\">]>&a;".repeat(20_000)), ""),
        ("a description of 20 MB", described("x".repeat(20 << 20)), ""),
        ("pairs without end", described(format!("Aperio{}", "|a = b".repeat(150_000))), "read"),
        ("10,000 tiles in one place", alias.out, "read"),
        ("5,000 directories", chain.out, "Limit: "),
        ("4 · 10^18 tiles", tiles.out, "Limit: "),
    ]
}

/// The most memory that this process has had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn what_weighs_little_costs_little() {
    for files in [images, streams, directories] {
        for (name, bytes, expected) in files() {
            let began = Instant::now();
            let said = outcome(bytes).await;
            println!("{name}: {:?}, peak {} MB: {said}", began.elapsed(), peak_bytes() >> 20);
            assert!(said.starts_with(expected) && !said.contains("gave up") && !said.contains('\n'), "{name}: {said}");
            assert!(began.elapsed() < PATIENCE, "{name}: {:?}", began.elapsed());
            assert!(peak_bytes() < PEAK_BYTES, "{name}: {} MB", peak_bytes() >> 20);
        }
    }
}

#[tokio::test]
async fn a_file_may_end_anywhere() {
    let slide = std::fs::read(slide_path("CMU-1-Small-Region.svs")).unwrap();
    for end in (0..slide.len()).step_by(64 << 10) {
        assert_ne!(outcome(slide[..end].to_vec()).await, "read", "cut at {end}");
    }
    let small = tile(&Level { description: String::new(), ..raw_level((8, 8), (8, 8)) }, &[9; 192]);
    for end in 0..small.len() {
        assert_ne!(outcome(small[..end].to_vec()).await, "read", "cut at {end} of {}", small.len());
    }
    assert_eq!(outcome(small).await, "read");
}

#[tokio::test]
async fn numbers_that_are_none_are_left_out() {
    for (text, mpp) in [
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("-0", None),
        ("0", None),
        ("-0.5", None),
        ("0x1p3", None),
        ("", None),
        ("0.25", Some(0.25)),
    ] {
        let description = format!("Aperio |MPP = {text}|AppMag = {text}");
        let level = Level { description, ..raw_level((8, 8), (8, 8)) };
        let slide = open_in(memory(tile(&level, &[9; 192])).await, &Limits::default()).await.unwrap();
        assert_eq!(slide.info().mpp_x, mpp, "{text:?}");
    }
}
