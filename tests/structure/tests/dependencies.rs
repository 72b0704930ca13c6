//! The crates' dependency table. A crate that needs more than its row allows is a change of the design: make it there first.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crate, the crates of ours that it may use, and what must not come in by any way.
const TABLE: [(&str, &[&str], &[&str]); 7] = [
    ("microtome-plan", &[], &["tokio", "kube-core", "tonic", "object_store"]),
    ("microtome-queue", &[], &["tokio", "kube-core", "tonic", "jiff", "chrono", "rand"]),
    ("microtome-api", &["microtome-plan"], &["tokio", "kube-client", "tonic", "object_store"]),
    ("microtome-slide", &[], &["kube-core", "tonic"]),
    ("microtome-feed", &["microtome-slide", "microtome-plan", "microtome-api"], &["kube-client"]),
    (
        "microtome-operator",
        &["microtome-api", "microtome-queue", "microtome-plan"],
        &["object_store", "zune-jpeg", "tiff", "pyo3"],
    ),
    ("kubectl-microtome", &["microtome-api", "microtome-plan"], &["kube-runtime", "object_store", "tonic"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).exec().unwrap()
}

/// Everything that a crate is built from on this platform, without what only its tests and build script need.
fn built_from(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let root = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == name).unwrap();
    let (mut open, mut seen) = (vec![&root.id], BTreeSet::new());
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if normal && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn every_crate_keeps_to_its_row() {
    let metadata = metadata();
    for (name, may_use, must_not) in TABLE {
        let built_from = built_from(&metadata, name);
        for package in &built_from {
            let ours = package.starts_with("microtome-");
            assert!(!ours || may_use.contains(&package.as_str()), "{name} uses {package}, which its row does not allow");
            assert!(!must_not.contains(&package.as_str()), "{name} pulls in {package}");
        }
    }
}

#[test]
fn every_crate_has_a_row() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let in_crates = package.manifest_path.as_str().contains("/crates/");
        let has_row = TABLE.iter().any(|(name, ..)| *name == package.name.as_str());
        assert!(!in_crates || has_row, "{} has no row", package.name);
    }
}
