//! Tiles that libjpeg-turbo wrote, and the check sums of the pixels that it reads from them (`bench goldens` makes both).

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod common;

use common::{crop, decode, whole};
use microtome_jpeg::{Decoder, Header, Index, Kernels, Region};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiles/").to_owned() + name).unwrap()
}

/// Every tile's name, bytes and check sum.
fn tiles() -> Vec<(String, Vec<u8>, u32)> {
    let sums = String::from_utf8(file("crc32.txt")).unwrap();
    let lines = sums.lines().filter(|line| !line.starts_with('#'));
    let tiles: Vec<_> = lines
        .map(|line| {
            let (name, sum) = line.split_once(' ').unwrap();
            (name.to_owned(), file(&format!("{name}.jpg")), u32::from_str_radix(sum, 16).unwrap())
        })
        .collect();
    assert_eq!(tiles.len(), 21);
    tiles
}

/// The tables of an abbreviated tile.
fn tables(name: &str) -> Vec<u8> {
    if name.ends_with("abbreviated") { file("tables.jpg") } else { Vec::new() }
}

#[test]
fn pixels_are_libjpeg_turbos() {
    for (name, tile, sum) in tiles() {
        let tables = tables(&name);
        let header = Header::parse(&tile, &tables).unwrap();
        for kernels in Kernels::all() {
            let pixels = decode(&mut Decoder::new(kernels, 0), &header, whole(&header), None).unwrap();
            assert_eq!(crc32fast::hash(&pixels), sum, "{name}, {}", kernels.name());
        }
    }
}

#[test]
fn pixels_stay_the_same_as_tables_grow_and_go() {
    // Every tile comes often enough for large tables, and the last of these decoders forgets most tables in between.
    for table_bytes in [1 << 20, 60_000, 0] {
        let mut decoder = Decoder::new(Kernels::best(), table_bytes);
        for round in 0..6 {
            for (name, tile, sum) in tiles() {
                let tables = tables(&name);
                let header = Header::parse(&tile, &tables).unwrap();
                let pixels = decode(&mut decoder, &header, whole(&header), None).unwrap();
                assert_eq!(crc32fast::hash(&pixels), sum, "{name}, round {round}");
            }
        }
    }
}

#[test]
fn an_index_of_another_tile_is_forgotten() {
    let (mut decoder, mut index) = (Decoder::default(), Index::new(1, 1 << 12));
    for (name, tile, _) in tiles() {
        let tables = tables(&name);
        let header = Header::parse(&tile, &tables).unwrap();
        let all = decode(&mut decoder, &header, whole(&header), None).unwrap();
        let region = Region { x: header.width() - 2, y: header.height() - 3, width: 2, height: 3 };
        for _ in 0..2 {
            let pixels = decode(&mut decoder, &header, region, Some(&mut index)).unwrap();
            assert!(pixels == crop(&all, header.width(), region), "{name}");
        }
        // Where there are restart markers, they are jumped to instead.
        assert_eq!(index.bytes() > 0, !name.ends_with("restart"), "{name}");
    }
}
