//! The command line. One file a verb: what it takes, and what it does.

mod attach;
mod complete;
mod delete;
mod explain;
mod init;
mod list;
mod logs;
#[cfg(test)]
mod pages;
mod queue;
mod render;
mod resume;
mod slides;
mod status;
mod stop;
mod submit;
mod suspend;
mod top;
mod version;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::target::Target;

/// Jobs that read patches of whole-slide images, on a cluster that is shared fairly.
#[derive(Debug, Parser)]
#[command(name = "kubectl-microtome", bin_name = "kubectl microtome", version, about)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    Submit(Box<submit::Args>),
    List(list::Args),
    Status(status::Args),
    Logs(logs::Args),
    Stop(stop::Args),
    Delete(delete::Args),
    Suspend(suspend::Args),
    Resume(resume::Args),
    Attach(attach::Args),
    Queue(queue::Args),
    Explain(explain::Args),
    Top(top::Args),
    Slides(slides::Args),
    Render(Box<render::Args>),
    Init(init::Args),
    Version(version::Args),
    #[command(name = "__complete", hide = true)]
    Complete(complete::Args),
}

/// Does it. The exit code is the program's own where one was waited for.
pub(crate) async fn run(Cli { target, verb }: Cli) -> anyhow::Result<ExitCode> {
    if let Some(fault) = target.fault() {
        Cli::command().error(ErrorKind::MissingRequiredArgument, fault).exit();
    }
    let done = |()| ExitCode::SUCCESS;
    match verb {
        Verb::Submit(args) => submit::run(*args, target).await,
        Verb::List(args) => list::run(&args, &target).await.map(done),
        Verb::Status(args) => status::run(args, target).await,
        Verb::Logs(args) => logs::run(args, target).await,
        Verb::Stop(args) => stop::run(args, target).await,
        Verb::Delete(args) => delete::run(args, target).await,
        Verb::Suspend(args) => suspend::run(args, target).await.map(done),
        Verb::Resume(args) => resume::run(args, target).await.map(done),
        Verb::Attach(args) => attach::run(args, target).await,
        Verb::Queue(args) => queue::run(args, target).await.map(done),
        Verb::Explain(args) => explain::run(args, target).await.map(done),
        Verb::Top(args) => top::run(args, target).await.map(done),
        Verb::Slides(args) => slides::run(args, target).await.map(done),
        Verb::Render(args) => render::run(&args, &target).map(done),
        Verb::Init(args) => init::run(&args).map(done),
        Verb::Version(args) => version::run(&args).map(done),
        Verb::Complete(args) => complete::run(&args, target).await.map(done),
    }
}
