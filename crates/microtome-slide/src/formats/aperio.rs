//! Aperio SVS.
//!
//! Every tiled directory is a level, in file order; the others are thumbnail, label and macro. `ImageDescription` starts
//! with `Aperio` and holds `key = value` pairs between pipe characters.

use std::collections::BTreeMap;

use super::{Contents, Level, number, properties};
use crate::{
    Fault,
    tiff::{Tiff, tags},
};

pub(super) fn detect(tiff: &Tiff) -> bool {
    let Some(first) = tiff.directories().first().filter(|first| first.is_tiled()) else { return false };
    matches!(tiff.text(first, tags::IMAGE_DESCRIPTION), Ok(Some(text)) if text.starts_with("Aperio"))
}

pub(super) fn read(tiff: &Tiff) -> Result<Contents, Fault> {
    let mut tiles_left = tiff.limits().tiles;
    let tiled = tiff.directories().iter().filter(|directory| directory.is_tiled());
    let levels = tiled.take(tiff.limits().levels + 1).map(|directory| Level::read(tiff, directory, &mut tiles_left));
    let levels = levels.collect::<Result<Vec<_>, _>>()?;
    let mut properties = properties::tiff(tiff);
    let description = properties.get("tiff.ImageDescription").cloned().unwrap_or_default();
    let pairs = pairs(&description);
    let get = |key: &str| pairs.get(key).and_then(|value| number::parse(value));
    let mpp = get("MPP").filter(|mpp| *mpp > 0.0).map(|mpp| (mpp, mpp));
    let objective_power = get("AppMag");
    properties.extend(pairs.iter().map(|(key, value)| (format!("aperio.{key}"), value.clone())));
    Ok(Contents { levels, mpp, objective_power, properties })
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
