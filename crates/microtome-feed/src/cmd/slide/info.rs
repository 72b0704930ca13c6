//! `microtome slide info URL`.

use std::fmt::Write as _;

use anyhow::Result;
use microtome_slide::SlideInfo;

use crate::cmd::Output;

/// Arguments of `microtome slide info`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A path, file:///PATH or az://CONTAINER/PATH.
    url: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

pub(super) async fn run(args: &Args) -> Result<()> {
    let slide = super::open(&args.url).await?;
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(slide.info())?),
        Output::Table => print!("{}", table(slide.info())),
    }
    Ok(())
}

fn table(info: &SlideInfo) -> String {
    let mpp = info.mpp_x.map_or_else(|| "unknown".to_owned(), |mpp| format!("{mpp} µm/px"));
    let mut text =
        format!("format      {}\nsize        {} × {} px\nresolution  {mpp}\n", info.format, info.width, info.height);
    text.push_str("\nLEVEL  WIDTH   HEIGHT  DOWNSAMPLE  TILE       COMPRESSION\n");
    for (number, level) in info.levels.iter().enumerate() {
        let tile = format!("{}×{}", level.tile_width, level.tile_height);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{number:<6} {:<7} {:<7} {:<11} {tile:<10} {}",
            level.width,
            level.height,
            format!("{:.4}", level.downsample).trim_end_matches('0').trim_end_matches('.'),
            level.compression
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_level() {
        let info: SlideInfo = serde_json::from_value(serde_json::json!({
            "format": "aperio", "width": 2220, "height": 2967, "mpp_x": 0.499, "mpp_y": 0.499, "properties": {},
            "levels": [{"width": 2220, "height": 2967, "downsample": 1.0, "tile_width": 240, "tile_height": 240,
                        "compression": "jpeg"}],
        }))
        .unwrap();
        let wanted = "\
format      aperio
size        2220 × 2967 px
resolution  0.499 µm/px

LEVEL  WIDTH   HEIGHT  DOWNSAMPLE  TILE       COMPRESSION
0      2220    2967    1           240×240    jpeg
";
        assert_eq!(table(&info), wanted);
    }
}
