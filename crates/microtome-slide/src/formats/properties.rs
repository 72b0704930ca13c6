//! Properties under OpenSlide's names.

use std::collections::BTreeMap;

use super::{Associated, Contents, number};
use crate::tiff::{Directory, Tiff, tags};

/// Texts of directory 0 that become `tiff.NAME`.
const TEXTS: [(&str, u16); 9] = [
    ("Artist", tags::ARTIST),
    ("Copyright", tags::COPYRIGHT),
    ("DateTime", tags::DATE_TIME),
    ("DocumentName", tags::DOCUMENT_NAME),
    ("HostComputer", tags::HOST_COMPUTER),
    ("ImageDescription", tags::IMAGE_DESCRIPTION),
    ("Make", tags::MAKE),
    ("Model", tags::MODEL),
    ("Software", tags::SOFTWARE),
];

/// `tiff.*`: what directory 0 says. Values that cannot be read are left out; they do not spoil the pixels.
pub(super) fn tiff(tiff: &Tiff) -> BTreeMap<String, String> {
    let Some(first) = tiff.directories().first() else { return BTreeMap::new() };
    let texts = TEXTS.iter().filter_map(|(name, tag)| Some((*name, tiff.text(first, *tag).ok().flatten()?)));
    let numbers = [("XResolution", tags::X_RESOLUTION), ("YResolution", tags::Y_RESOLUTION)];
    let numbers = numbers.into_iter().filter_map(|(name, tag)| Some((name, number::print(tiff.rational(first, tag)?))));
    let unit = match tiff.uint(first, tags::RESOLUTION_UNIT) {
        Ok(Some(1)) => "none",
        Ok(Some(3)) => "centimeter",
        Ok(Some(2) | None) => "inch",
        _ => "unknown",
    };
    let unit = [("ResolutionUnit", unit.to_owned())];
    texts.chain(numbers).chain(unit).map(|(name, value)| (format!("tiff.{name}"), value)).collect()
}

/// All properties: the format's, and `openslide.*` made of what it found.
pub(super) fn openslide(vendor: &str, tiff: &Tiff, contents: &Contents) -> BTreeMap<String, String> {
    let mut all = contents.properties.clone();
    let mut put = |name: &str, value: String| {
        all.insert(format!("openslide.{name}"), value);
    };
    put("vendor", vendor.to_owned());
    put("level-count", contents.levels.len().to_string());
    for (index, level) in contents.levels.iter().enumerate() {
        put(&format!("level[{index}].width"), level.width.to_string());
        put(&format!("level[{index}].height"), level.height.to_string());
        put(&format!("level[{index}].downsample"), number::print(level.downsample));
        put(&format!("level[{index}].tile-width"), level.layout.width.to_string());
        put(&format!("level[{index}].tile-height"), level.layout.height.to_string());
    }
    if let Some((x, y)) = contents.mpp {
        put("mpp-x", number::print(x));
        put("mpp-y", number::print(y));
    }
    if let Some(power) = contents.objective_power {
        put("objective-power", number::print(power));
    }
    if let Some(bytes) = tiff.directories().first().and_then(icc_bytes) {
        put("icc-size", bytes.to_string());
    }
    for Associated { name, width, height, icc_bytes, .. } in &contents.associated {
        put(&format!("associated.{name}.width"), width.to_string());
        put(&format!("associated.{name}.height"), height.to_string());
        if let Some(bytes) = icc_bytes {
            put(&format!("associated.{name}.icc-size"), bytes.to_string());
        }
    }
    if let Some(comment) = contents.properties.get("tiff.ImageDescription") {
        put("comment", comment.clone());
    }
    all
}

/// Size of a directory's colour profile.
pub(super) fn icc_bytes(directory: &Directory) -> Option<u64> {
    directory.entry(tags::ICC_PROFILE).map(|entry| entry.at.end - entry.at.start)
}
