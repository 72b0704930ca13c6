//! `microtome slide thumbnail URL`.

use std::path::PathBuf;

use anyhow::Result;
use microtome_slide::{Background, Mode, RegionRequest, Scale, SlideInfo};

use super::picture;

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
    let request = request(slide.info(), args.size);
    let pixels = slide.read_region(&request).await?;
    picture(&request, pixels).write(&args.output)?;
    Ok(())
}

/// The whole slide in a square of `size`.
fn request(info: &SlideInfo, size: u32) -> RegionRequest {
    let downsample = (f64::from(info.width.max(info.height)) / f64::from(size)).max(1.0);
    // The cast is of a number between 1 and the slide's size.
    let length = |pixels: u32| (f64::from(pixels) / downsample).round().max(1.0) as u32;
    RegionRequest {
        x: 0,
        y: 0,
        width: length(info.width),
        height: length(info.height),
        scale: Scale::Downsample(downsample),
        mode: Mode::Exact,
        background: Background::White,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_edge_has_the_size() {
        let info = |width, height| SlideInfo {
            format: String::new(),
            width,
            height,
            mpp_x: None,
            mpp_y: None,
            levels: Vec::new(),
            properties: std::collections::BTreeMap::new(),
        };
        let of = |width, height, size| {
            let request = request(&info(width, height), size);
            (request.width, request.height)
        };
        assert_eq!(of(2220, 2967, 512), (383, 512));
        assert_eq!(of(100, 50, 512), (100, 50));
        assert_eq!(of(100_000, 10, 100), (100, 1));
    }
}
