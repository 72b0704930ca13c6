//! `microtome slide`: looks at one slide, wherever it is.

mod info;
mod read;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use microtome_slide::{Limits, Slide, SlideUrl, Stores};

/// Arguments of `microtome slide`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print format, size, resolution and levels.
    Info(info::Args),
    /// Write a part of a slide as a PNG file.
    Read(read::Args),
}

#[tokio::main]
pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.verb {
        Verb::Info(args) => info::run(&args).await,
        Verb::Read(args) => read::run(&args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn open(url: &str) -> Result<Slide> {
    Ok(Slide::open(&Stores::from_env(), &SlideUrl::parse(url)?, &Limits::default()).await?)
}
