//! Formats of slides: one file and one row of [`FORMATS`] each.
//!
//! A format turns a walked TIFF into levels and properties; it does no IO and decodes no pixels.
//! Format facts: <https://openslide.org/formats/>.

mod aperio;
mod foreign;
mod generic_tiff;
mod level;
mod number;
mod ome_tiff;
mod properties;
mod stored;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use level::Level;
pub(crate) use stored::StoredSlide;

use crate::{
    Fault, LevelInfo, Limits, SlideInfo,
    tiff::{Tiff, tags},
};

/// One format: its name as OpenSlide has it, how it is recognised, and how it is read.
struct Format {
    name: &'static str,
    detect: fn(&Tiff) -> bool,
    read: fn(&Tiff) -> Result<Contents, Fault>,
}

/// In order of detection: the generic one takes every tiled TIFF.
const FORMATS: &[Format] = &[
    Format { name: "aperio", detect: aperio::detect, read: aperio::read },
    Format { name: "ome-tiff", detect: ome_tiff::detect, read: ome_tiff::read },
    Format { name: "generic-tiff", detect: generic_tiff::detect, read: generic_tiff::read },
];

/// What a format finds in a file.
struct Contents {
    /// Level 0 first.
    levels: Vec<Level>,
    mpp: Option<(f64, f64)>,
    objective_power: Option<f64>,
    associated: Vec<Associated>,
    /// The vendor's own and TIFF's properties.
    properties: BTreeMap<String, String>,
}

/// An image beside the pyramid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Associated {
    pub(crate) name: &'static str,
    /// Number of its TIFF directory.
    pub(crate) directory: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Size of its colour profile.
    icc_bytes: Option<u64>,
}

/// What is read from a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) info: SlideInfo,
    pub(crate) levels: Vec<Arc<Level>>,
    pub(crate) associated: Vec<Associated>,
}

impl Found {
    /// Whether it keeps within limits; what has just been read does.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        let tiles = self.levels.iter().fold(0u64, |sum, level| sum.saturating_add(level.tiles()));
        let pixels = |level: &Level| u64::from(level.layout.width) * u64::from(level.layout.height);
        let small = self.levels.iter().all(|level| pixels(level) <= limits.tile_pixels);
        self.levels.len() <= limits.levels && tiles <= limits.tiles && small
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> u64 {
        let levels = self.levels.iter().map(|level| level.tiles() * 12 + level.tables.len() as u64);
        let properties = self.info.properties.iter().map(|(name, value)| (name.len() + value.len()) as u64);
        levels.chain(properties).sum()
    }
}

/// Recognises and reads a walked file.
pub(crate) fn read(tiff: &Tiff) -> Result<Found, Fault> {
    if tiff.directories().is_empty() {
        return Err(Fault::not_a_slide("TIFF file without directories"));
    }
    foreign::refuse(tiff)?;
    let tiled = |format: &&Format| (format.detect)(tiff);
    let format = FORMATS.iter().find(tiled).ok_or_else(|| {
        let strips = tiff.directories().first().is_some_and(|first| first.entry(tags::STRIP_OFFSETS).is_some());
        let what = if strips {
            "first TIFF directory is in strips, not in tiles"
        } else {
            "first TIFF directory is not tiled"
        };
        Fault::not_a_slide(what).in_directory(0).at(tiff.header().first)
    })?;
    let mut contents = (format.read)(tiff)?;
    set_downsamples(&mut contents.levels, tiff.limits())?;
    let first = contents.levels.first().ok_or_else(|| Fault::not_a_slide("no tiled TIFF directory"))?;
    let (width, height) = (first.width, first.height);
    let properties = properties::openslide(format.name, tiff, &contents);
    let (mpp_x, mpp_y) = contents.mpp.unzip();
    let levels = contents.levels.iter().map(level_info).collect();
    let info = SlideInfo { format: format.name.to_owned(), width, height, mpp_x, mpp_y, levels, properties };
    let levels = contents.levels.into_iter().map(Arc::new).collect();
    Ok(Found { info, levels, associated: contents.associated })
}

/// Downsamples as OpenSlide defines them, `((w0 / w) + (h0 / h)) / 2`; levels must get smaller.
fn set_downsamples(levels: &mut [Level], limits: &Limits) -> Result<(), Fault> {
    if levels.len() > limits.levels {
        return Err(Fault::limit(format!("{} levels", levels.len())));
    }
    let Some((width, height)) = levels.first().map(|level| (f64::from(level.width), f64::from(level.height))) else {
        return Ok(());
    };
    let mut previous = 0.0;
    for level in levels {
        level.downsample = (height / f64::from(level.height) + width / f64::from(level.width)) / 2.0;
        if level.downsample < previous {
            return Err(Fault::malformed("levels are not in order of size").in_directory(level.directory));
        }
        previous = level.downsample;
    }
    Ok(())
}

fn level_info(level: &Level) -> LevelInfo {
    LevelInfo {
        width: level.width,
        height: level.height,
        downsample: level.downsample,
        tile_width: level.layout.width,
        tile_height: level.layout.height,
        compression: level.compression.to_owned(),
    }
}
