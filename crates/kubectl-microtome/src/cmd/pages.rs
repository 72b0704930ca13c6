//! `man/` holds what the command line says. `UPDATE=1 cargo test -p kubectl-microtome pages` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use clap::CommandFactory;

use super::Cli;

fn read(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let page = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
    };
    entries.map(page).collect()
}

#[test]
fn the_written_pages_are_what_the_command_line_says() {
    let generated = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(Cli::command(), generated.path()).unwrap();
    let wanted = read(generated.path());
    assert!(wanted.contains_key("kubectl-microtome-submit.1") && wanted.len() > 16, "{:?}", wanted.keys());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    if env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &wanted {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let written = read(&folder);
    assert!(written.keys().eq(wanted.keys()), "crates/kubectl-microtome/man has other pages: run with UPDATE=1");
    for (name, text) in &wanted {
        assert!(&written[name] == text, "man/{name} is not what the command line says; run with UPDATE=1");
    }
}
