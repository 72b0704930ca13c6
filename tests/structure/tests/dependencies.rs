//! The crates' dependency table. A crate that needs more than its row allows is a change of the design: make it there first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Crate, the crates of ours that it may use, and what must not come in by any way.
const TABLE: [(&str, &[&str], &[&str]); 9] = [
    ("microtome-plan", &[], &["tokio", "kube-core", "tonic", "object_store"]),
    ("microtome-queue", &[], &["tokio", "kube-core", "tonic", "jiff", "chrono", "rand"]),
    ("microtome-api", &["microtome-plan"], &["tokio", "kube-client", "tonic", "object_store"]),
    ("microtome-jpeg", &[], &["tokio", "kube-core", "tonic", "object_store", "zune-jpeg"]),
    ("microtome-slide", &["microtome-jpeg"], &["kube-core", "tonic"]),
    ("microtome-feed", &["microtome-slide", "microtome-jpeg", "microtome-plan", "microtome-api"], &["kube-client"]),
    (
        "microtome-python",
        &["microtome-feed", "microtome-slide", "microtome-jpeg", "microtome-plan", "microtome-api"],
        &["kube-client"],
    ),
    (
        "microtome-operator",
        &["microtome-api", "microtome-queue", "microtome-plan"],
        &["object_store", "zune-jpeg", "tiff", "pyo3"],
    ),
    ("kubectl-microtome", &["microtome-api", "microtome-plan"], &["kube-runtime", "object_store", "tonic"]),
];

/// Everything that a crate alone is built from, without what only its tests and build script need. (`cargo metadata` would
/// show what all crates together make of each other's features.)
fn built_from(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", name])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

#[test]
fn every_crate_keeps_to_its_row() {
    for (name, may_use, must_not) in TABLE {
        let built_from = built_from(name);
        assert!(!built_from.is_empty() || may_use.is_empty(), "{name}: cargo tree says nothing");
        for package in &built_from {
            let ours = package.starts_with("microtome-");
            assert!(
                !ours || may_use.contains(&package.as_str()),
                "{name} uses {package}, which its row does not allow"
            );
            assert!(!must_not.contains(&package.as_str()), "{name} pulls in {package}");
        }
    }
}

#[test]
fn every_crate_has_a_row() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TABLE.iter().any(|(row, ..)| *row == name), "{name} has no row");
    }
}
