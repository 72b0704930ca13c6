//! `microtome slide read URL`.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use microtome_slide::{Background, Mode, RegionRequest, Scale};

use super::picture;

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
    /// Micrometres per pixel to read at, from the best level, instead of a level.
    #[arg(long, conflicts_with = "level")]
    mpp: Option<f64>,
    /// Width in pixels of the picture.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,
    /// Height in pixels of the picture.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    height: u32,
    /// What an origin between two pixels of a level means.
    #[arg(long, value_enum, default_value = "nearest")]
    mode: ModeName,
    /// What lies outside the slide.
    #[arg(long, value_enum, default_value = "white")]
    background: BackgroundName,
    /// The PNG file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    /// Interpolated, as OpenSlide's `read_region` does.
    Exact,
    /// The pixel it lies in, as patches are read.
    Nearest,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackgroundName {
    /// An RGB file.
    White,
    /// An RGBA file.
    Transparent,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let slide = super::open(&args.url).await?;
    let request = args.request();
    let pixels = slide.read_region(&request).await?;
    picture(&request, pixels).write(&args.output)?;
    Ok(())
}

impl Args {
    fn request(&self) -> RegionRequest {
        RegionRequest {
            x: self.x,
            y: self.y,
            width: self.width,
            height: self.height,
            scale: self.mpp.map_or(Scale::Level(self.level), Scale::Mpp),
            mode: match self.mode {
                ModeName::Exact => Mode::Exact,
                ModeName::Nearest => Mode::Nearest,
            },
            background: match self.background {
                BackgroundName::White => Background::White,
                BackgroundName::Transparent => Background::Transparent,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn arguments_become_a_request() {
        let line = "read a.svs --x -5 --mpp 0.5 --mode exact --background transparent -o a.png";
        let request = Program::parse_from(line.split(' ')).args.request();
        assert_eq!((request.x, request.width, request.scale), (-5, 256, Scale::Mpp(0.5)));
        assert_eq!((request.mode, request.background), (Mode::Exact, Background::Transparent));
        let plain = Program::parse_from("read a.svs --level 2 -o a.png".split(' ')).args.request();
        assert_eq!((plain.scale, plain.mode, plain.background), (Scale::Level(2), Mode::Nearest, Background::White));
        assert!(Program::try_parse_from("read a.svs --level 2 --mpp 1 -o a.png".split(' ')).is_err());
    }
}
