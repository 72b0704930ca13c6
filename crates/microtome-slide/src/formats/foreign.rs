//! Vendors' formats that are tiled TIFF but would be read wrongly as generic ones: refused by name.

use crate::{
    Fault,
    tiff::{Tiff, tags},
};

/// How a vendor's file is told.
enum Mark {
    /// A text of directory 0 starts so.
    Starts(u16, &'static str),
    /// A text of directory 0 has this in it.
    Holds(u16, &'static str),
    /// Directory 0 has the tag.
    Present(u16),
}

/// OpenSlide's name for each vendor, and its mark.
const VENDORS: &[(&str, Mark)] = &[
    ("hamamatsu", Mark::Present(tags::NDPI_FORMAT)),
    ("philips", Mark::Starts(tags::SOFTWARE, "Philips")),
    ("leica", Mark::Holds(tags::IMAGE_DESCRIPTION, "http://www.leica-microsystems.com/scn/")),
    ("ventana", Mark::Holds(tags::XMP, "iScan")),
    ("trestle", Mark::Starts(tags::SOFTWARE, "MedScan")),
    ("huron", Mark::Starts(tags::MAKE, "Huron")),
    ("argos", Mark::Holds(tags::ARGOS_XML, "Argos")),
];

/// Refuses the formats of the table.
pub(super) fn refuse(tiff: &Tiff) -> Result<(), Fault> {
    let Some(first) = tiff.directories().first() else { return Ok(()) };
    let text = |tag| tiff.text(first, tag).ok().flatten().unwrap_or_default();
    for (vendor, mark) in VENDORS {
        let found = match mark {
            Mark::Starts(tag, start) => text(*tag).starts_with(start),
            Mark::Holds(tag, part) => text(*tag).contains(part),
            Mark::Present(tag) => first.entry(*tag).is_some(),
        };
        if found {
            return Err(Fault::unsupported(format!("{vendor} slides are not read")).in_directory(0).at(first.offset));
        }
    }
    Ok(())
}
