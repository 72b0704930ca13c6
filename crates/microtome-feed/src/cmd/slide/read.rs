//! `microtome slide read URL`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use microtome_slide::{GAP_RANDOM_BYTES, PatchRequest};

use crate::sink::png::Picture;

/// Arguments of `microtome slide read`.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Args {
    /// A path, file:///PATH or az://CONTAINER/PATH.
    url: String,
    /// Left edge in level-0 pixels; may be negative.
    #[arg(long, default_value_t = 0)]
    x: i64,
    /// Upper edge in level-0 pixels; may be negative.
    #[arg(long, default_value_t = 0)]
    y: i64,
    /// The level to read; 0 is the finest.
    #[arg(long, default_value_t = 0)]
    level: u32,
    /// Width in pixels of the level.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,
    /// Height in pixels of the level.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    height: u32,
    /// The PNG file to write. What lies outside the slide is white.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let slide = super::open(&args.url).await?;
    let request = PatchRequest {
        level: args.level,
        width: args.width,
        height: args.height,
        origins: vec![(args.x, args.y)],
        gap_bytes: GAP_RANDOM_BYTES,
    };
    let patches = slide.read_patches(&request).await?;
    if let Some((_, error)) = patches.errors.into_iter().next() {
        bail!(error);
    }
    Picture { width: args.width, height: args.height, pixels: patches.pixels }.write(&args.output)?;
    Ok(())
}
