//! The table for users has every condition and every reason that the operator writes, and none besides.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = "crates/microtome-api/CONDITIONS.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The words of a table's first column, in the section of this heading. A row is of no use with an empty cell.
fn words(heading: &str) -> BTreeSet<String> {
    let text = read(TABLE);
    let section = text.split("\n## ").find_map(|section| section.strip_prefix(heading)).unwrap();
    let mut words = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        assert!(words.insert(cells[0].trim_matches('`').to_owned()), "twice: {row}");
    }
    words
}

/// All Rust files of the operator without its tests.
fn code(directory: &Path, found: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match (path.is_dir(), name) {
            (true, "testing") | (false, "tests.rs" | "testing.rs") => {}
            (true, _) => code(&path, found),
            (false, _) => {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(text.lines().take_while(|line| *line != "#[cfg(test)]").flat_map(|line| [line, "\n"]));
            }
        }
    }
}

/// What stands behind each `Reason::`.
fn reasons(code: &str) -> BTreeSet<String> {
    let after = code.split("Reason::").skip(1);
    after.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric()).collect()).collect()
}

#[test]
fn the_table_has_every_reason_that_the_operator_writes() {
    let mut operator = String::new();
    code(&root().join("crates/microtome-operator/src"), &mut operator);
    let (written, told) = (reasons(&operator), words("Reasons"));
    assert!(written.len() > 20, "the operator's code is found: {written:?}");
    let missing: Vec<_> = written.difference(&told).collect();
    assert!(missing.is_empty(), "{TABLE} lacks {missing:?}: say what they mean and what to do");
    let stale: Vec<_> = told.difference(&written).collect();
    assert!(stale.is_empty(), "{TABLE} has {stale:?}, which nobody writes");
    let words = read("crates/microtome-api/src/condition.rs");
    for reason in written {
        assert!(words.contains(&format!("Self::{reason} => \"{reason}\",")), "{reason} is written as another word");
    }
}

#[test]
fn the_table_has_every_type_of_condition() {
    let text = read("crates/microtome-api/src/condition.rs");
    let constants = text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
    assert_eq!(words("Types"), constants.map(str::to_owned).collect());
}
