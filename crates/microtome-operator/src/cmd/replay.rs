//! `replay`: derives the decisions of a recorded cluster again. Reads a log, prints decisions; touches no cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use super::simulate::{BAD_INPUT, Output, print, read};
use crate::logs::chain;
use crate::replay;

/// What is replayed, and how it is told.
pub(crate) struct Replaying {
    /// `-` is standard input.
    pub(crate) log: PathBuf,
    pub(crate) output: Output,
}

/// Replays. What was derived before the first difference is printed all the same.
pub(crate) fn run(replaying: &Replaying) -> anyhow::Result<ExitCode> {
    let text = read(&replaying.log)?;
    let (outcome, ended) = replay::replay(&text);
    print(&replaying.output.text(&outcome))?;
    match ended {
        Ok(passes) => {
            eprintln!("{passes} passes came out as they were recorded");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{}", chain(&error));
            Ok(if error.is_difference() { ExitCode::FAILURE } else { ExitCode::from(BAD_INPUT) })
        }
    }
}
