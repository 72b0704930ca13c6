//! `kubectl microtome`: what a researcher asks of the cluster. Data on stdout, everything else on stderr.
//!
//! Reads and writes objects through the user's own kubeconfig and rights; what it prints is a pure function of objects and
//! now. Exit codes: 0 done, 1 the cluster said no or there is no such thing, 2 the command line is wrong, 130 after Ctrl-C;
//! `submit --wait` and `attach` end with the program's own.

mod client;
mod cmd;
mod complete;
mod follow;
mod interrupt;
mod job;
mod log;
mod output;
mod paged;
mod reference;
mod refusal;
mod screen;
mod table;
mod target;
mod terminal;
mod text;
mod waiting;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cmd::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&error.into()),
    };
    let outcome = runtime.block_on(cmd::run(cli));
    // A key that nobody pressed any more is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        // Who reads the output has seen enough, say `head`.
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => told(&error),
    }
}

fn told(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
