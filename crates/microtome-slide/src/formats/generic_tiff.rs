//! Tiled TIFF of no known vendor.
//!
//! Levels are directory 0 and the tiled directories marked as reduced-resolution images, by width.

use super::{Contents, Level, properties};
use crate::{
    Fault,
    tiff::{Directory, Tiff, tags},
};

/// Micrometres in an inch and in a centimetre.
const MICROMETRES: [(u64, f64); 2] = [(2, 25_400.0), (3, 10_000.0)];

pub(super) fn detect(tiff: &Tiff) -> bool {
    tiff.directories().first().is_some_and(Directory::is_tiled)
}

pub(super) fn read(tiff: &Tiff) -> Result<Contents, Fault> {
    let mut tiles_left = tiff.limits().tiles;
    let is_level = |directory: &&Directory| {
        let reduced = matches!(tiff.uint(directory, tags::NEW_SUBFILE_TYPE), Ok(Some(kind)) if kind & 1 == 1);
        directory.is_tiled() && (directory.number == 0 || reduced)
    };
    let tiled = tiff.directories().iter().filter(is_level);
    let levels = tiled.take(tiff.limits().levels + 1).map(|directory| Level::read(tiff, directory, &mut tiles_left));
    let mut levels = levels.collect::<Result<Vec<_>, _>>()?;
    levels.sort_by_key(|level| std::cmp::Reverse(level.width));
    Ok(Contents {
        levels,
        mpp: mpp(tiff),
        objective_power: None,
        associated: Vec::new(),
        properties: properties::tiff(tiff),
    })
}

/// Micrometres per pixel from the resolution of directory 0.
fn mpp(tiff: &Tiff) -> Option<(f64, f64)> {
    let first = tiff.directories().first()?;
    // TIFF 6.0: the unit is the inch if the tag is missing.
    let unit = tiff.uint(first, tags::RESOLUTION_UNIT).ok()?.unwrap_or(2);
    let (_, micrometres) = MICROMETRES.into_iter().find(|(code, _)| *code == unit)?;
    let along = |tag| tiff.rational(first, tag).filter(|resolution| *resolution > 0.0).map(|value| micrometres / value);
    along(tags::X_RESOLUTION).zip(along(tags::Y_RESOLUTION))
}
