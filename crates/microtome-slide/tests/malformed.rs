//! Hostile files: every one is an error or a slide, never a panic, a hang or a large allocation.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use microtome_slide::{Background, Error, Limits, Mode, RegionRequest, Scale, Slide, SlideUrl, Stores};
use proptest::prelude::*;
use support::{
    memory, open_in, request, slide_path,
    tiff::{CLASSIC, Kind, Level, Writer, raw_level, raw_slide},
};

/// Far more than any of these files takes, far less than a hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens bytes and reads from every level.
async fn try_all(bytes: Vec<u8>) {
    let limits = Limits { tile_pixels: 1 << 20, ..Limits::default() };
    let Ok(slide) = open_in(memory(bytes).await, &limits).await else { return };
    for level in 0..slide.info().levels.len() as u32 {
        if let Ok(patches) = slide.read_patches(&request(level, (64, 64), &[(0, 0), (-9, 40), (100, 7)])).await {
            assert_eq!(patches.pixels.len(), 3 * 64 * 64 * 3);
        }
    }
}

#[tokio::test]
async fn fuzzers_finds_are_refused_quickly() {
    let mut seen = 0;
    for file in std::fs::read_dir(slide_path("malformed")).unwrap() {
        let path = file.unwrap().path();
        let start = Instant::now();
        let url = SlideUrl::parse(path.to_str().unwrap()).unwrap();
        let error = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap_err();
        assert!(!error.to_string().contains('\n'));
        assert!(start.elapsed() < PATIENCE, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 20);
}

/// Opens a file and reads a little of everything in it; says what came of it.
async fn try_file(path: &Path) -> String {
    let url = SlideUrl::parse(path.to_str().unwrap()).unwrap();
    let slide = match Slide::open(&Stores::from_env(), &url, &Limits::default()).await {
        Ok(slide) => slide,
        Err(error) => return error.category().to_owned(),
    };
    let mut said = Vec::new();
    let mut note = |outcome: Result<(), String>| said.extend(outcome.err());
    for level in 0..slide.info().levels.len() as u32 {
        match slide.read_patches(&request(level, (64, 64), &[(0, 0), (-9, 40), (1000, 700)])).await {
            Ok(patches) => patches.errors.iter().for_each(|(_, error)| note(Err(error.to_string()))),
            Err(error) => note(Err(error.to_string())),
        }
        for (scale, mode) in [(Scale::Level(level), Mode::Exact), (Scale::Downsample(3.3), Mode::Nearest)] {
            let background = Background::Transparent;
            let region = RegionRequest { x: 9, y: -5, width: 70, height: 50, scale, mode, background };
            note(slide.read_region(&region).await.map(drop).map_err(|error| error.to_string()));
        }
    }
    for name in slide.associated_names() {
        note(slide.read_associated(name).await.map(drop).map_err(|error| error.to_string()));
    }
    note(slide.quickhash().await.map(drop).map_err(|error| error.to_string()));
    if said.is_empty() { "read".to_owned() } else { said.join("; ") }
}

/// `MICROTOME_CORPUS` names a larger folder.
#[tokio::test]
async fn every_file_is_read_or_refused_quickly() {
    let mut folders = vec![std::env::var_os("MICROTOME_CORPUS").map_or_else(|| slide_path(""), PathBuf::from)];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let start = Instant::now();
            let outcome = try_file(&path).await;
            println!("{} {:?}: {outcome}", path.file_name().unwrap().display(), start.elapsed());
            assert!(!outcome.contains('\n') && !outcome.contains("gave up"), "{}", path.display());
            assert!(start.elapsed() < PATIENCE, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 30);
}

/// Opens bytes that must be refused, and returns why.
async fn refused(bytes: Vec<u8>) -> String {
    let error = open_in(memory(bytes).await, &Limits::default()).await.unwrap_err();
    format!("{}: {error}", error.category()).replace("cannot read az://slides/case/a.svs: ", "")
}

#[tokio::test]
async fn directories_that_loop_or_lie() {
    let level = raw_level((60, 50), (16, 16));
    let mut looping = raw_slide(CLASSIC, std::slice::from_ref(&level));
    let first = u32::from_le_bytes(looping[4..8].try_into().unwrap()) as usize;
    let entries = usize::from(u16::from_le_bytes(looping[first..first + 2].try_into().unwrap()));
    let next = first + 2 + entries * 12;
    looping[next..next + 4].copy_from_slice(&(first as u32).to_le_bytes());
    assert_eq!(
        refused(looping.clone()).await,
        format!("Malformed: TIFF directories form a loop (IFD 1, byte {first})")
    );

    let mut outside = looping.clone();
    outside[4..8].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let said = "Truncated: TIFF directory lies outside the file (IFD 0, byte 4294967280)";
    assert_eq!(refused(outside).await, said);

    let mut crowded = looping.clone();
    crowded[first..first + 2].copy_from_slice(&60_000u16.to_le_bytes());
    assert_eq!(refused(crowded).await, format!("Limit: TIFF directory has 60000 entries (IFD 0, byte {first})"));

    let mut empty = looping;
    empty[4..8].fill(0);
    assert_eq!(refused(empty).await, "NotASlide: TIFF file without directories");
}

#[tokio::test]
async fn arrays_are_checked_against_grid_and_file() {
    let level = raw_level((60, 50), (16, 16));
    let kind = Kind { big_endian: true, big_tiff: true };
    let write = |offsets: Vec<u64>, counts| {
        let mut writer = Writer::new(kind);
        writer.directory(&level.entries(false, offsets, counts, kind));
        writer.out
    };
    assert!(refused(write(vec![0; 15], vec![0; 16])).await.starts_with("Malformed: tag 324 has 15 of 16 values"));
    assert!(refused(write(vec![0; 16], vec![0; 15])).await.starts_with("Malformed: tag 325 has 15 of 16 values"));
    // A count of 2^61 offsets: more bytes than 64 bits can count.
    let mut lying = write(vec![0; 16], vec![0; 16]);
    let entry = lying.windows(4).position(|bytes| bytes == [1, 0x44, 0, 16]).unwrap();
    lying[entry + 4..entry + 12].copy_from_slice(&(1u64 << 61).to_be_bytes());
    assert!(refused(lying.clone()).await.starts_with("Malformed: tag 324 announces 2305843009213693952 values"));
    lying[entry + 4..entry + 12].copy_from_slice(&(1u64 << 40).to_be_bytes());
    assert!(refused(lying).await.starts_with("Truncated: values of tag 324 lie outside the file"));
}

/// What opening says of a plain file with some entries changed or added.
async fn with_entries(new: &[(u16, support::tiff::Value)]) -> Result<Option<f64>, String> {
    let level = Level { description: String::new(), ..raw_level((8, 8), (8, 8)) };
    let mut writer = Writer::new(CLASSIC);
    let mut entries = level.write_tiles(&mut writer, false, |_| vec![7; 192]);
    entries.retain(|(tag, _)| new.iter().all(|(other, _)| tag != other));
    entries.extend(new.iter().cloned());
    entries.sort_by_key(|(tag, _)| *tag);
    writer.directory(&entries);
    let slide = open_in(memory(writer.out).await, &Limits::default()).await;
    let text = |error: Error| format!("{}: {error}", error.category());
    slide.map(|slide| slide.info().mpp_x).map_err(text)
}

#[tokio::test]
async fn samples_that_are_none_are_refused() {
    use support::tiff::Value::{Long, Short};
    for (tag, value, category) in [
        (258, Short(vec![0; 3]), "Unsupported"),
        (258, Short(vec![7; 3]), "Unsupported"),
        (258, Short(vec![16; 3]), "Unsupported"),
        (258, Short(vec![64; 3]), "Unsupported"),
        (258, Short(vec![8, 8, 16]), "Unsupported"),
        (277, Short(vec![0]), "Unsupported"),
        (277, Short(vec![5000]), "Unsupported"),
        (277, Long(vec![u32::MAX]), "Unsupported"),
        (284, Short(vec![2]), "Unsupported"),
        (284, Short(vec![9]), "Unsupported"),
        (322, Long(vec![u32::MAX]), ""),
        (323, Long(vec![0]), "Malformed"),
    ] {
        let said = with_entries(&[(tag, value.clone())]).await.map_or_else(|said| said, |mpp| format!("read: {mpp:?}"));
        assert!(said.starts_with(category) && !said.contains('\n'), "tag {tag} {value:?}: {said}");
    }
}

#[tokio::test]
async fn a_resolution_that_is_none_is_left_out() {
    use support::tiff::Value::Rational;
    for (value, mpp) in
        [(Rational(0, 1), None), (Rational(0, 0), None), (Rational(20_000, 0), None), (Rational(20_000, 1), Some(1.27))]
    {
        // Pixels an inch, as no unit is said.
        let found = with_entries(&[(282, value.clone()), (283, value.clone())]).await;
        assert_eq!(found, Ok(mpp), "{value:?}");
    }
}

#[tokio::test]
async fn sizes_are_bounded() {
    let huge_tile = raw_level((1 << 20, 1 << 20), (1 << 17, 1 << 17));
    let mut writer = Writer::new(CLASSIC);
    writer.directory(&huge_tile.entries(false, vec![8; 64], vec![1; 64], CLASSIC));
    assert!(refused(writer.out).await.starts_with("Limit: tiles of 131072x131072 pixels"));

    let many_tiles = raw_level((u32::MAX, u32::MAX), (1, 1));
    let mut writer = Writer::new(CLASSIC);
    writer.directory(&many_tiles.entries(false, vec![8], vec![1], CLASSIC));
    assert!(refused(writer.out).await.starts_with("Limit: 18446744065119617025 tiles"));

    let nothing = raw_level((60, 50), (16, 16));
    let mut writer = Writer::new(CLASSIC);
    let mut entries = nothing.entries(false, vec![8; 16], vec![1; 16], CLASSIC);
    entries[8].1 = support::tiff::Value::Long(vec![0]);
    writer.directory(&entries);
    assert!(refused(writer.out).await.starts_with("Malformed: tag 322 is 0"));
}

/// Runs a future of a property test.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn kinds() -> impl Strategy<Value = Kind> {
    (any::<bool>(), any::<bool>()).prop_map(|(big_endian, big_tiff)| Kind { big_endian, big_tiff })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), magic in 0usize..5) {
        let magics: [&[u8]; 5] =
            [b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", b"MM\0+\0\x08\0\0"];
        block_on(try_all([magics[magic], &bytes].concat()));
    }

    #[test]
    fn mutated_directories_never_panic(
        kind in kinds(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let levels = [raw_level((40, 30), (16, 16)), raw_level((20, 15), (16, 16))];
        let mut bytes = raw_slide(kind, &levels);
        for (at, value) in changes {
            // The directory and its arrays are the last sixth of each file; data is not worth changing.
            let from = bytes.len() * 5 / 6;
            let at = from + at.index(bytes.len() - from);
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        block_on(try_all(bytes));
    }

    #[test]
    fn mutated_slides_never_panic(
        file in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let file = ["tiled-jpeg-rgb-u8.tif", "quad-tile.jpg.tiff", "tiff_with_subifd_chain.tif"][file];
        let mut bytes = std::fs::read(slide_path(file)).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        block_on(try_all(bytes));
    }

    #[test]
    fn mutated_tiles_never_panic(
        kind in 0usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (compression, file) =
            [(33003, "ycbcr_420"), (33003, "ycbcr_444"), (33005, "rgb_mct"), (50000, "rgb_mct"), (8, "rgb_mct")][kind];
        let mut tile = std::fs::read(slide_path(&format!("jpeg2000/{file}.j2k"))).unwrap();
        // The schemes without a file get headers of their own before bytes that mean nothing.
        match compression {
            50000 => tile.splice(0..4, [0x28, 0xb5, 0x2f, 0xfd]).for_each(drop),
            8 => tile.splice(0..2, [0x78, 0x9c]).for_each(drop),
            _ => {}
        }
        for (at, value) in changes {
            let at = at.index(tile.len());
            tile[at] = value;
        }
        let level = Level { compression, ..raw_level((16, 12), (16, 12)) };
        let mut writer = Writer::new(CLASSIC);
        level.write(&mut writer, false, |_| tile.clone());
        block_on(try_all(writer.out));
    }
}
