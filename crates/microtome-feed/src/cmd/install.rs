//! `microtome install DIRECTORY`: copies this binary. Images of ours hold no shell that could.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result};

/// Arguments of `microtome install`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the binary goes.
    directory: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let source = env::current_exe().context("this binary's path is not known")?;
    let target = args.directory.join("microtome");
    fs::copy(&source, &target).with_context(|| format!("{}: cannot be written", target.display()))?;
    Ok(ExitCode::SUCCESS)
}
