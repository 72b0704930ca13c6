//! `crds/` holds what the types say. `UPDATE=1 cargo test -p microtome-api --test crds` writes it anew.

use std::path::Path;
use std::{env, fs};

const HEADER: &str = "# Generated from crates/microtome-api: change the types, then UPDATE=1 cargo test -p microtome-api --test crds\n";

#[test]
fn the_written_definitions_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
    for definition in microtome_api::crds::all() {
        let name = format!("microtome.dev_{}.yaml", definition.spec.names.plural);
        let wanted = format!("{HEADER}{}", serde_yaml::to_string(&definition).unwrap());
        if env::var_os("UPDATE").is_some() {
            fs::write(directory.join(&name), &wanted).unwrap();
        }
        let written = fs::read_to_string(directory.join(&name)).unwrap_or_default();
        assert!(written == wanted, "crds/{name} is not what the types say; run with UPDATE=1");
    }
}
