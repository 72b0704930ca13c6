//! OME-TIFF: directory 0 with its pyramid in sub-directories, described by an OME-XML text.
//!
//! Of the XML only attributes of the first image are read, as text: no entities, no nesting. Format facts:
//! <https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html>.

use super::{Contents, Level, number, properties};
use crate::{
    Fault,
    tiff::{Directory, Tiff, tags},
};

/// Namespace of all versions of the schema.
const NAMESPACE: &str = "www.openmicroscopy.org/Schemas/OME";

/// Micrometres in a unit of length.
const MICROMETRES: [(&str, f64); 5] = [("µm", 1.0), ("um", 1.0), ("nm", 1e-3), ("mm", 1e3), ("cm", 1e4)];

pub(super) fn detect(tiff: &Tiff) -> bool {
    let Some(first) = tiff.directories().first().filter(|first| first.is_tiled()) else { return false };
    matches!(tiff.text(first, tags::IMAGE_DESCRIPTION), Ok(Some(text)) if text.contains(NAMESPACE))
}

pub(super) fn read(tiff: &Tiff) -> Result<Contents, Fault> {
    let properties = properties::tiff(tiff);
    let xml = properties.get("tiff.ImageDescription").map_or("", String::as_str);
    let pixels = element(xml, "Pixels").unwrap_or_default();
    let mut tiles_left = tiff.limits().tiles;
    let sub_directories = tiff.sub_directories()?.iter().filter(|directory| directory.is_tiled());
    let directories = tiff.directories().iter().take(1).chain(sub_directories).take(tiff.limits().levels + 1);
    let levels = directories.map(|directory: &Directory| Level::read(tiff, directory, &mut tiles_left));
    let mut levels = levels.collect::<Result<Vec<_>, _>>()?;
    for (attribute, what) in [("SizeC", "channels"), ("SizeZ", "focal planes"), ("SizeT", "points in time")] {
        let there = attribute_of(pixels, attribute).and_then(|count| count.parse().ok()).unwrap_or(1);
        let in_a_pixel = levels.first().map_or(1, |level| level.layout.color.samples());
        if there > if attribute == "SizeC" { in_a_pixel } else { 1 } {
            return Err(Fault::unsupported(format!("{there} {what} in directories of their own")).in_directory(0));
        }
    }
    levels.sort_by_key(|level| std::cmp::Reverse(level.width));
    let mpp = length(pixels, "PhysicalSizeX").zip(length(pixels, "PhysicalSizeY"));
    let objective = element(xml, "Objective").and_then(|tag| attribute_of(tag, "NominalMagnification"));
    let objective_power = objective.and_then(number::parse);
    Ok(Contents { levels, mpp, objective_power, associated: Vec::new(), properties })
}

/// A positive length in micrometres, with its unit beside it.
fn length(tag: &str, name: &str) -> Option<f64> {
    let value = attribute_of(tag, name).and_then(number::parse).filter(|value| *value > 0.0)?;
    let unit = attribute_of(tag, &format!("{name}Unit")).unwrap_or("µm");
    MICROMETRES.into_iter().find(|(known, _)| *known == unit).map(|(_, micrometres)| value * micrometres)
}

/// The attributes of the first element of a name, with or without a namespace prefix.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let starts = xml.match_indices(name).filter(|(at, _)| {
        let before = xml[..*at].chars().next_back();
        let after = xml[*at + name.len()..].chars().next();
        matches!(before, Some('<' | ':')) && after.is_some_and(char::is_whitespace)
    });
    let (start, _) = starts.into_iter().next()?;
    let tag = &xml[start + name.len()..];
    tag.find('>').map(|end| &tag[..end])
}

/// The value of an attribute.
fn attribute_of<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let starts_word = |at: usize| tag[..at].chars().next_back().is_none_or(char::is_whitespace);
    let found = tag.match_indices(name).filter(|(at, _)| starts_word(*at));
    found.into_iter().find_map(|(at, _)| {
        let value = tag[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split_once(quote).map(|(value, _)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_by_whole_names() {
        let xml = r#"<OME><Image Name="Pixels x"><ome:Pixels ID='a' PhysicalSizeXUnit="nm" PhysicalSizeX = "250" SizeX="3"/>"#;
        let pixels = element(xml, "Pixels").unwrap();
        assert_eq!(attribute_of(pixels, "ID"), Some("a"));
        assert_eq!(attribute_of(pixels, "PhysicalSizeX"), Some("250"));
        assert_eq!((attribute_of(pixels, "SizeC"), attribute_of(pixels, "Size")), (None, None));
        assert_eq!(length(pixels, "PhysicalSizeX"), Some(0.25));
        assert_eq!(length(pixels, "PhysicalSizeY"), None);
        assert_eq!(
            (element("<Pixels", "Pixels"), element("<Pixels a", "Pixels"), element("", "Pixels")),
            (None, None, None)
        );
    }
}
