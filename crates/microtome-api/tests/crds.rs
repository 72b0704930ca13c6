//! `crds/` and the chart hold what the types say. `UPDATE=1 cargo test -p microtome-api --test crds` writes it anew.

use std::path::Path;
use std::{env, fs};

const HEADER: &str =
    "# Generated from crates/microtome-api: change the types, then UPDATE=1 cargo test -p microtome-api --test crds\n";

/// For `kubectl apply`, and the copy that the chart needs because a chart reads nothing outside its folder.
const DIRECTORIES: [&str; 2] = ["crds", "charts/microtome/files/crds"];

/// A bare `y` is a text in YAML 1.2, by which it was written, and a boolean in YAML 1.1, by which kubectl reads it.
fn quoted(yaml: &str) -> String {
    yaml.replace(": y\n", ": \"y\"\n")
}

#[test]
fn no_field_is_a_boolean_of_yaml_1_1() {
    let booleans = ["y", "n", "yes", "no", "on", "off", "true", "false"];
    for definition in microtome_api::crds::all() {
        for line in quoted(&serde_yaml::to_string(&definition).unwrap()).lines() {
            let key = line.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default();
            assert!(!booleans.contains(&key.to_ascii_lowercase().as_str()), "{line:?}");
        }
    }
}

#[test]
fn the_written_definitions_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for definition in microtome_api::crds::all() {
        let name = format!("microtome.dev_{}.yaml", definition.spec.names.plural);
        let wanted = format!("{HEADER}{}", quoted(&serde_yaml::to_string(&definition).unwrap()));
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

/// What `kubectl get` prints of each kind.
#[test]
fn the_columns_are_those_of_the_screens() {
    let wanted: [(&str, &[&str]); 4] = [
        ("teams", &["Ready", "Share", "Fair", "Running", "Queued", "Age"]),
        ("patchprofiles", &["ServiceAccount", "Age"]),
        ("patchclusters", &["State", "Queue", "Workers", "Age"]),
        ("patchjobs", &["Team", "State", "Queue", "Progress", "Rate", "Waiting", "Age"]),
    ];
    let definitions = microtome_api::crds::all();
    assert_eq!(definitions.len(), wanted.len());
    for (plural, columns) in wanted {
        let definition = definitions.iter().find(|definition| definition.spec.names.plural == plural).unwrap();
        let version = serde_json::to_value(&definition.spec.versions[0]).unwrap();
        let printed = version["additionalPrinterColumns"].as_array().unwrap();
        let names: Vec<&str> = printed.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(names, columns, "{plural}");
        // A path that leads nowhere prints nothing, and nobody says why. Metadata is the apiserver's, conditions are a list.
        for path in printed.iter().map(|column| column["jsonPath"].as_str().unwrap()) {
            let path = path.split(".conditions[").next().unwrap().trim_start_matches('.');
            let steps: Vec<&str> = path.split('.').filter(|_| !path.starts_with("metadata")).collect();
            let schema = steps.iter().fold(&version["schema"]["openAPIV3Schema"], |at, step| &at["properties"][step]);
            assert!(schema.is_object(), "{plural}: {path}");
        }
    }
}
