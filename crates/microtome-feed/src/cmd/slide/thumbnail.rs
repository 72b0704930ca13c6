//! `microtome slide thumbnail URL`.

use std::path::PathBuf;

use anyhow::Result;

use super::picture;
use crate::overview::thumbnail;

/// Arguments of `microtome slide thumbnail`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A path, file:///PATH or az://CONTAINER/PATH.
    url: String,
    /// Longer edge of the picture in pixels; never more than the slide has.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// The PNG file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Makes it from the pyramid, never from an image beside it, which may show a label.
pub(super) async fn run(args: &Args) -> Result<()> {
    let slide = super::open(&args.url).await?;
    let request = thumbnail(slide.info(), args.size);
    let pixels = slide.read_region(&request).await?;
    picture(&request, pixels).write(&args.output)?;
    Ok(())
}
