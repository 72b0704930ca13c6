//! `kubectl microtome`: what a researcher asks of the cluster. Data on stdout, everything else on stderr.
//!
//! Reads objects through the user's own kubeconfig and rights; what it prints is a pure function of objects and now.
//! Exit codes: 0 done, 1 the cluster said no or there is no such thing, 2 the command line is wrong.

mod args;
mod client;
mod cmd;
mod output;
mod screen;
mod settings;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match args::Args::parse().verb {
        args::Verb::Status(status) => cmd::status::run(status.into()).await,
        args::Verb::Version => cmd::version::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
