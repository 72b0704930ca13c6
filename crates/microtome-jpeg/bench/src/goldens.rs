//! Writes the small tiles of `tests/tiles` and the check sums of libjpeg-turbo's pixels.

use std::{fmt::Write, fs, path::Path};

use crate::{
    tissue::Tissue,
    turbo::{self, Decoder, Encoding, SAMPLINGS},
};

/// Name's suffix, size, and whether tables are the tile's own, restart markers.
const KINDS: [(&str, usize, usize, bool, i32); 4] =
    [("whole", 64, 48, false, 0), ("odd", 61, 45, true, 0), ("restart", 50, 50, false, 3), ("narrow", 3, 33, false, 0)];

pub(crate) fn run(tissue: &Tissue) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tiles"));
    let mut sums = String::from("# CRC-32 of the RGB pixels that libjpeg-turbo 3.1.0 decodes: islow, fancy upsampling.\n");
    for (sampling_name, sampling) in SAMPLINGS {
        for (kind, width, height, optimize, restart) in KINDS {
            let rgb = tissue.cut(900, 700, width, height);
            let jpeg = turbo::encode(&rgb, width, Encoding { sampling, quality: 75, optimize, restart });
            let name = format!("{}-{kind}", sampling_name.replace(':', ""));
            let mut pixels = vec![0; rgb.len()];
            Decoder::new().whole(&jpeg, &mut pixels);
            writeln!(sums, "{name} {:08x}", crc32fast::hash(&pixels)).expect("a string grows");
            fs::write(folder.join(format!("{name}.jpg")), &jpeg).expect("a file");
            if name == "420-whole" {
                let (tables, tile) = abbreviate(&jpeg);
                fs::write(folder.join("tables.jpg"), tables).expect("a file");
                fs::write(folder.join("420-abbreviated.jpg"), tile).expect("a file");
                writeln!(sums, "420-abbreviated {:08x}", crc32fast::hash(&pixels)).expect("a string grows");
            }
        }
    }
    fs::write(folder.join("crc32.txt"), sums).expect("a file");
}

/// Splits a stream into one of its tables and one without them, as TIFF has it.
fn abbreviate(jpeg: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut tile, mut at) = (jpeg[..2].to_vec(), jpeg[..2].to_vec(), 2);
    loop {
        let (marker, length) = (jpeg[at + 1], usize::from(jpeg[at + 2]) << 8 | usize::from(jpeg[at + 3]));
        let part = if matches!(marker, 0xc4 | 0xdb) { &mut tables } else { &mut tile };
        if marker == 0xda {
            part.extend(&jpeg[at..]);
            tables.extend([0xff, 0xd9]);
            return (tables, tile);
        }
        part.extend(&jpeg[at..at + 2 + length]);
        at += 2 + length;
    }
}
