//! `simulate`: what the queue would do with a scenario. Reads a file, prints decisions; touches no cluster.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::simulate::{self, line, plot, table};

/// What is simulated, and how it is told.
pub(crate) struct Simulation {
    /// `-` is standard input.
    pub(crate) file: PathBuf,
    pub(crate) output: Output,
    /// Where a picture of the shares goes.
    pub(crate) plot: Option<PathBuf>,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// One line of JSON a decision, and one of shares and usage
    Jsonl,
    /// Tables
    Table,
}

impl Output {
    pub(super) fn text(self, outcome: &line::Outcome) -> String {
        match self {
            Self::Jsonl => line::jsonl(outcome),
            Self::Table => table::table(outcome),
        }
    }
}

/// The input is wrong.
pub(super) const BAD_INPUT: u8 = 2;

/// Simulates.
pub(crate) fn run(simulation: &Simulation) -> anyhow::Result<ExitCode> {
    let text = read(&simulation.file)?;
    let scenario = match simulate::parse(&text) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let outcome = simulate::run(scenario);
    if let Some(file) = &simulation.plot {
        std::fs::write(file, plot::svg(&outcome)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&simulation.output.text(&outcome)).map(|()| ExitCode::SUCCESS)
}

/// Data goes to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// A file's text, or standard input's.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    // Bytes that are no text are refused by whoever parses them.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
