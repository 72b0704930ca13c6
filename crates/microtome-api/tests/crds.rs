//! `crds/` and the chart hold what the types say. `UPDATE=1 cargo test -p microtome-api --test crds` writes it anew.

use std::path::Path;
use std::{env, fs};

const HEADER: &str =
    "# Generated from crates/microtome-api: change the types, then UPDATE=1 cargo test -p microtome-api --test crds\n";

/// For `kubectl apply`, and the copy that the chart needs because a chart reads nothing outside its folder.
const DIRECTORIES: [&str; 2] = ["crds", "charts/microtome/files/crds"];

#[test]
fn the_written_definitions_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for definition in microtome_api::crds::all() {
        let name = format!("microtome.dev_{}.yaml", definition.spec.names.plural);
        let wanted = format!("{HEADER}{}", serde_yaml::to_string(&definition).unwrap());
        for directory in DIRECTORIES {
            let path = root.join(directory).join(&name);
            if env::var_os("UPDATE").is_some() {
                fs::write(&path, &wanted).unwrap();
            }
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(written == wanted, "{directory}/{name} is not what the types say; run with UPDATE=1");
        }
    }
}
