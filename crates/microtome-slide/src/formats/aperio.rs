//! Aperio SVS.
//!
//! Every tiled directory is a level, in file order; the others are thumbnail, label and macro. `ImageDescription` starts
//! with `Aperio` and holds `key = value` pairs between pipe characters. A tile that a level leaves out is made from the
//! finer level. The writer made the next coarser level from the hole, so what lies over it there is left out too.

use std::collections::BTreeMap;

use super::{Associated, Contents, Level, level::positive, number, properties};
use crate::{
    Fault,
    tiff::{Directory, Tiff, tags},
};

pub(super) fn detect(tiff: &Tiff) -> bool {
    let Some(first) = tiff.directories().first().filter(|first| first.is_tiled()) else { return false };
    matches!(tiff.text(first, tags::IMAGE_DESCRIPTION), Ok(Some(text)) if text.starts_with("Aperio"))
}

pub(super) fn read(tiff: &Tiff) -> Result<Contents, Fault> {
    let mut tiles_left = tiff.limits().tiles;
    let tiled = tiff.directories().iter().filter(|directory| directory.is_tiled());
    let levels = tiled.take(tiff.limits().levels + 1).map(|directory| Level::read(tiff, directory, &mut tiles_left));
    let mut levels = levels.collect::<Result<Vec<_>, _>>()?;
    fill_holes(&mut levels);
    let mut properties = properties::tiff(tiff);
    let description = properties.get("tiff.ImageDescription").cloned().unwrap_or_default();
    let pairs = pairs(&description);
    let get = |key: &str| pairs.get(key).and_then(|value| number::parse(value));
    let mpp = get("MPP").filter(|mpp| *mpp > 0.0).map(|mpp| (mpp, mpp));
    let objective_power = get("AppMag");
    properties.extend(pairs.iter().map(|(key, value)| (format!("aperio.{key}"), value.clone())));
    Ok(Contents { levels, mpp, objective_power, associated: associated(tiff), properties })
}

/// The images in strips: directory 1 is the thumbnail, label and macro are marked. Those without a size are left out.
fn associated(tiff: &Tiff) -> Vec<Associated> {
    let named = |directory: &Directory| {
        let kind = tiff.uint(directory, tags::NEW_SUBFILE_TYPE).ok().flatten();
        let name = match (directory.number, kind) {
            (1, _) => "thumbnail",
            (_, Some(1)) => "label",
            (_, Some(9)) => "macro",
            _ => return None,
        };
        let width = positive(tiff, directory, tags::IMAGE_WIDTH).ok()?;
        let height = positive(tiff, directory, tags::IMAGE_LENGTH).ok()?;
        let icc_bytes = properties::icc_bytes(directory).or_else(|| shared_profile(tiff, directory));
        Some(Associated { name, directory: directory.number, width, height, icc_bytes })
    };
    tiff.directories().iter().filter(|directory| !directory.is_tiled()).filter_map(named).collect()
}

/// Size of the slide's colour profile if an image without one names the same in its description, as far as that is known
/// without a request of its own.
fn shared_profile(tiff: &Tiff, directory: &Directory) -> Option<u64> {
    let first = tiff.directories().first()?;
    let profile = |directory| {
        let description = tiff.text(directory, tags::IMAGE_DESCRIPTION).ok().flatten()?;
        pairs(&description).remove("ICC Profile")
    };
    profile(directory).filter(|name| profile(first).as_ref() == Some(name)).and_then(|_| properties::icc_bytes(first))
}

/// Has each level filled from the one before it, and spreads each hole one level down and no further.
fn fill_holes(levels: &mut [Level]) {
    for coarser in (1..levels.len()).rev() {
        let (finer_levels, coarser_levels) = levels.split_at_mut(coarser);
        let (Some(finer), Some(level)) = (finer_levels.last(), coarser_levels.first_mut()) else { continue };
        level.finer = Some(coarser as u32 - 1);
        for tile in finer.left_out() {
            let fractions = |number: u64, tile: u32, pixels: u32| {
                let at = |number: u64| number as f64 * f64::from(tile) / f64::from(pixels);
                (at(number), at(number + 1).min(1.0))
            };
            let across = fractions(tile % finer.tiles_across, finer.layout.width, finer.width);
            let down = fractions(tile / finer.tiles_across, finer.layout.height, finer.height);
            level.leave_out(across, down);
        }
    }
}

/// The pairs of a description; the text before the first pipe character is free.
fn pairs(description: &str) -> BTreeMap<String, String> {
    let pairs = description.split('|').skip(1).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_split_at_pipes() {
        let pairs = pairs("Aperio Image Library v11\r\n46000x32914 Q=30|AppMag = 20|MPP = 0.4990|Title = a = b|odd");
        assert_eq!(pairs.len(), 3);
        assert_eq!(pairs["AppMag"], "20");
        assert_eq!(pairs["MPP"], "0.4990");
        assert_eq!(pairs["Title"], "a = b");
    }
}
