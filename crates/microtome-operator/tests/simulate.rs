//! `simulate`: a folder a case. `scenario.yaml` goes in; out comes `expected.jsonl`, or `refused.txt` on stderr with exit code 2.
//! `UPDATE=1` writes what came out; read it before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulate");
    let mut cases: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn simulate(arguments: &[&str], input: &Path) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_microtome-operator"));
    let mut program = program;
    program.arg("simulate").args(arguments).stdin(Stdio::from(fs::File::open(input).unwrap())).output().unwrap()
}

fn compare(got: &[u8], file: &Path) {
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(file, got).unwrap();
    }
    let wanted = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(got), wanted, "{}", file.display());
}

#[test]
fn every_case_comes_out_as_written() {
    let cases = cases();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for case in cases {
        let scenario = case.join("scenario.yaml");
        let output = simulate(&[scenario.to_str().unwrap()], &scenario);
        let is_refusal = case.file_name().unwrap().to_str().unwrap().starts_with("refused-");
        if is_refusal {
            assert_eq!(output.status.code(), Some(2), "{}: {output:?}", case.display());
            assert!(output.stdout.is_empty());
            compare(&output.stderr, &case.join("refused.txt"));
        } else {
            assert_eq!(output.status.code(), Some(0), "{}: {output:?}", case.display());
            assert!(output.stderr.is_empty());
            compare(&output.stdout, &case.join("expected.jsonl"));
        }
    }
}

#[test]
fn standard_input_a_table_and_a_picture() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulate/backfill/scenario.yaml");
    let file = std::env::temp_dir().join(format!("microtome-simulate-{}.svg", std::process::id()));
    let plot = format!("--plot={}", file.display());
    let output = simulate(&["-", "-o", "table", &plot], &scenario);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("AT    JOB     TEAM   DECISION   ETA   REASON\n"), "{table}");
    let picture = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    let again = simulate(&["-", "-o", "table"], &scenario);
    assert_eq!(again.stdout, table.as_bytes(), "twice the same");
}
