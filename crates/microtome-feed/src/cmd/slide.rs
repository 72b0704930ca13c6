//! `microtome slide`: looks at one slide, wherever it is.

mod info;
mod read;
mod thumbnail;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use microtome_slide::{Background, Limits, RegionRequest, Slide, SlideUrl, Stores};

use crate::sink::png::{Alpha, Picture};

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
    /// Write the whole slide, made smaller, as a PNG file.
    Thumbnail(thumbnail::Args),
}

#[tokio::main]
pub(super) async fn run(args: Args) -> Result<ExitCode> {
    match args.verb {
        Verb::Info(args) => info::run(&args).await,
        Verb::Read(args) => read::run(&args).await,
        Verb::Thumbnail(args) => thumbnail::run(&args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn open(url: &str) -> Result<Slide> {
    Ok(Slide::open(&Stores::from_env(), &SlideUrl::parse(url)?, &Limits::default()).await?)
}

/// What was read, as a picture.
fn picture(request: &RegionRequest, pixels: Vec<u8>) -> Picture {
    let alpha = match request.background {
        Background::White => Alpha::Without,
        Background::Transparent => Alpha::Straight,
    };
    Picture { width: request.width, height: request.height, alpha, pixels }
}
