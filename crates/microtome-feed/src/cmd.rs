//! The command line: arguments → settings → one module a verb. Data goes to stdout, everything else to stderr.
//!
//! Exit codes: 0 done, 1 failed (one line says why), 2 wrong usage, 130 and 143 told to stop (Ctrl-C, SIGTERM); `head` ends
//! with its program's code, `shell` with its command's.

mod environment;
mod format;
mod head;
mod install;
mod interrupt;
mod local;
mod logs;
mod progress;
mod run;
mod select;
mod shell;
mod slide;
mod storage;
mod store;
mod summary;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Patches cut on the fly from whole-slide images, for a program that trains on them.
#[derive(Debug, Parser)]
#[command(name = "microtome", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Cut a job's patches in this process, without a cluster, and leave a contact sheet of the first batch.
    Run(run::Args),
    /// Choose a job's slides and coordinates, and say what was chosen.
    Select(select::Args),
    /// Look at a slide.
    Slide(slide::Args),
    /// Feed a program: run it and hand it the patches that workers cut (in a cluster: the head pod).
    Head(head::Args),
    /// Cut patches for a head (in a cluster: a worker pod).
    Worker(worker::Args),
    /// Put this binary, and what else a head needs, into a directory (in a cluster: the head's init container).
    Install(install::Args),
    /// Run a command as the program of this container's head would be (in a cluster: through `kubectl exec`).
    Shell(shell::Args),
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = logs::start(default_filter(&cli.verb)).and_then(|()| match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Select(args) => select::run(&args),
        Verb::Slide(args) => slide::run(args),
        Verb::Head(args) => head::run(&args),
        Verb::Worker(args) => worker::run(&args),
        Verb::Install(args) => install::run(&args),
        Verb::Shell(args) => shell::run(&args),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("microtome: {}", format::chain(&error));
        ExitCode::FAILURE
    })
}

/// Pods log what they do; at a terminal only what goes wrong is worth a line between the results, and what ends a verb is said
/// at its end.
fn default_filter(verb: &Verb) -> &'static str {
    match verb {
        Verb::Head(_) | Verb::Worker(_) | Verb::Install(_) => "info",
        Verb::Run(_) | Verb::Select(_) | Verb::Slide(_) | Verb::Shell(_) => "error,microtome_feed::head=off",
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}
