//! A bounded TIFF and BigTIFF directory walker over byte ranges.
//!
//! Sans IO: [`Walker::step`] says which ranges it needs, the caller fetches them. Only known tags are kept. Nothing here
//! panics, loops or allocates more than [`crate::Limits`] on any input.
//! Format facts: TIFF 6.0 (Adobe, 1992), TIFF Technical Note 2 (JPEG), and the BigTIFF page of libtiff.

mod directory;
mod header;
mod order;
mod sparse;
pub(crate) mod tags;
mod values;
mod walk;

pub(crate) use directory::Directory;
pub(crate) use walk::{Step, Tiff, Walker, Wanted};
