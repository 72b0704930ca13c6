//! Files stay small enough to be read: a file that wants to be long shows a piece that is missing in the design.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file without its tests.
const CEILING: usize = 500;
/// Lines of the median file, all included.
const MEDIAN: usize = 150;

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_are_short() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates"), &mut files);
    let mut lengths: Vec<usize> = files
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
            assert!(code <= CEILING, "{}: {code} lines without tests", path.display());
            text.lines().count()
        })
        .collect();
    lengths.sort_unstable();
    assert!(lengths[lengths.len() / 2] <= MEDIAN, "the median file has {} lines", lengths[lengths.len() / 2]);
}
