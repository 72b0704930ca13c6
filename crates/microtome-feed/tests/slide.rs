//! `microtome slide` as a user calls it: what it prints and writes, and how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Output};

const SLIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_microtome")).arg("slide").args(arguments).output().unwrap()
}

/// Runs what must succeed without a word on stderr; returns stdout.
fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
        (Some(0), ""),
        "{arguments:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs what must fail; returns its exit code and stderr.
fn failed(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn png(path: &Path) -> (png::OutputInfo, Vec<u8>) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info, pixels)
}

#[test]
fn info_is_json_of_these_keys() {
    let info: serde_json::Value = serde_json::from_str(&done(&["info", SLIDE, "-o", "json"])).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&info), ["format", "height", "levels", "mpp_x", "mpp_y", "properties", "width"]);
    let level = ["compression", "downsample", "height", "tile_height", "tile_width", "width"];
    assert_eq!(keys(&info["levels"][0]), level);
    assert_eq!((&info["format"], &info["mpp_x"]), (&"aperio".into(), &0.499.into()));
    assert!(done(&["info", SLIDE]).starts_with("format      aperio\n"));
}

#[test]
fn read_writes_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.png");
    let out = file.to_str().unwrap();
    let size = ["--width", "60", "--height", "40", "-o", out];
    done(&[&["read", SLIDE, "--x", "-5", "--y", "-7", "--level", "0"], &size[..]].concat());
    let (info, pixels) = png(&file);
    assert_eq!((info.width, info.height, info.color_type), (60, 40, png::ColorType::Rgb));
    let white = |x: usize, y: usize| pixels[(y * 60 + x) * 3..][..3] == [255; 3];
    assert!(white(4, 20) && white(30, 6) && !(5..60).all(|x| white(x, 20)));
    done(
        &[&["read", SLIDE, "--x=-5", "--mpp", "1.0", "--mode", "exact", "--background", "transparent"], &size[..]]
            .concat(),
    );
    let (info, pixels) = png(&file);
    assert_eq!((info.color_type, pixels[3], pixels[(20 * 60 + 30) * 4 + 3]), (png::ColorType::Rgba, 0, 255));
    done(&["thumbnail", SLIDE, "--size", "128", "-o", out]);
    assert_eq!((png(&file).0.width, png(&file).0.height), (96, 128));
}

#[test]
fn failures_are_one_line_that_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, out) = (folder.path().join("bad.svs"), folder.path().join("out.png"));
    let (bad, out) = (bad.to_str().unwrap(), out.to_str().unwrap());
    let mut slide = std::fs::read(SLIDE).unwrap();
    // The first tile is overwritten, whose bytes lie behind the header.
    slide[16..2000].fill(0x55);
    std::fs::write(bad, &slide).unwrap();
    let (code, said) = failed(&["read", bad, "-o", out]);
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    assert!(
        said.starts_with(&format!("microtome: cannot read {bad}: ")) && said.contains("(IFD 0, tile 0, byte "),
        "{said}"
    );
    std::fs::write(bad, &slide[..slide.len() / 2]).unwrap();
    let (code, said) = failed(&["info", bad]);
    assert!(code == 1 && said.lines().count() == 1 && said.contains("(IFD ") && said.contains("byte "), "{said}");
    let (code, said) = failed(&["info", &format!("{bad}.none")]);
    assert!(code == 1 && said.starts_with(&format!("microtome: {bad}.none does not exist")), "{said}");
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["read", SLIDE][..],
        &["read", SLIDE, "-o", "x.png", "--level", "0", "--mpp", "1"],
        &["read", SLIDE, "-o", "x.png", "--width", "0"],
        &["read", SLIDE, "-o", "x.png", "--mode", "fast"],
        &["info", SLIDE, "-o", "xml"],
        &["info"],
    ] {
        assert_eq!(failed(arguments).0, 2, "{arguments:?}");
    }
}
