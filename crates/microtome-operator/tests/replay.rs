//! `replay`: the decisions of a log on stdout, and by exit code whether they are those that were recorded. `UPDATE=1` writes what
//! came out; read it before you keep it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay").join(name)
}

fn replay(log: &str, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_microtome-operator"));
    program.arg("replay").arg("-").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_log_comes_out_as_it_was_recorded() {
    let log = std::fs::read_to_string(file("log.jsonl")).unwrap();
    let output = replay(&log, &[]);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "15 passes came out as they were recorded\n"));
    let (wanted, got) = (file("expected.jsonl"), String::from_utf8(output.stdout).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&wanted, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(wanted).unwrap());
    let table = replay(&log, &["-o", "table"]);
    assert!(String::from_utf8(table.stdout).unwrap().starts_with("AT "));
}

#[test]
fn the_first_difference_is_named_and_a_log_that_lacks_something_is_no_difference() {
    let log = std::fs::read_to_string(file("log.jsonl")).unwrap();
    // A start that was within its guarantee, says the log now.
    let (before, after) = (r#"\"within\":false,\"pods\""#, r#"\"within\":true,\"pods\""#);
    let line = log.lines().position(|line| line.contains(before)).unwrap() + 1;
    let output = replay(&log.replacen(before, after, 1), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = said(&output);
    assert!(told.starts_with(&format!("line {line}, pass ")) && told.contains("x/u"), "{told}");
    let first = log.lines().next().unwrap();
    let middle: String =
        log.lines().filter(|line| !line.contains("isSnapshot")).map(|line| format!("{line}\n")).collect();
    for (log, wanted) in [
        (middle.as_str(), "no whole record of a pass"),
        ("", "no whole record"),
        (&first.replace(":1,", ":9,"), "version 9"),
    ] {
        let output = replay(log, &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains(wanted), "{}", said(&output));
    }
}
