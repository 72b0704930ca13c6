//! `microtome shell`: a command with the environment that the head of this container gives its program.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use super::environment::{self, Environment};

/// Of these the first that is there is taken, after the user's own.
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// Arguments of `microtome shell`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is run, after `--` [default: $SHELL, /bin/bash or /bin/sh].
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    environment::keep_memory_private()?;
    let (program, arguments) = match args.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (shell().context("there is no shell here: give a COMMAND after --")?, &[][..]),
    };
    let mut command = Command::new(&program);
    Environment::kept()?.give(command.args(arguments));
    // Takes this process's place; it returns only where that failed.
    Err(command.exec()).with_context(|| format!("{program}: cannot be started"))
}

fn shell() -> Option<String> {
    let own = env::var("SHELL").ok().filter(|shell| !shell.is_empty());
    own.into_iter().chain(SHELLS.map(ToOwned::to_owned)).find(|shell| Path::new(shell).is_file())
}
