//! The selection: slides that could be read, with the coordinates accepted on each. Immutable; it fixes the epoch's length.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dataset::SlideEntry;
use crate::random::VERSION;
use crate::select::Coordinate;

/// The frozen outcome of selecting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Slides with their coordinates, in the dataset's order.
    pub slides: Vec<SelectedSlide>,
    /// Slides that were left out.
    pub quarantined: Vec<Quarantined>,
}

/// A slide that was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedSlide {
    /// Where it stands in the dataset.
    pub index: u32,
    /// Its URL and what is known of it.
    pub entry: Arc<SlideEntry>,
    /// The version of the blob that was read: later reads are of this one or fail.
    pub etag: Option<String>,
    /// The blob's size in bytes.
    pub size_bytes: u64,
    /// Accepted coordinates, neighbours next to each other.
    pub coordinates: Vec<Coordinate>,
}

/// A slide that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Where it stands in the dataset.
    pub index: u32,
    /// The class of the error.
    pub category: String,
    /// One line: file, place, what is wrong.
    pub reason: String,
}

impl Selection {
    /// The same slides, some of them without patches: those of these URLs.
    #[must_use]
    pub fn without(&self, urls: &[String]) -> Self {
        let urls: BTreeSet<&str> = urls.iter().map(String::as_str).collect();
        let kept = |slide: &SelectedSlide| match urls.contains(slide.entry.url.as_str()) {
            true => SelectedSlide { coordinates: Vec::new(), ..slide.clone() },
            false => slide.clone(),
        };
        Self { slides: self.slides.iter().map(kept).collect(), quarantined: self.quarantined.clone() }
    }

    /// How many patches an epoch has.
    pub fn patches(&self) -> u64 {
        self.slides.iter().map(|slide| slide.coordinates.len() as u64).sum()
    }

    /// The number of each slide's first patch, counted over all slides in their order.
    pub fn starts(&self) -> Vec<u64> {
        let mut patches = 0;
        let start = |slide: &SelectedSlide| {
            let start = patches;
            patches += slide.coordinates.len() as u64;
            start
        };
        self.slides.iter().map(start).collect()
    }

    /// SHA-256 over what the order depends on: which slides by their place in the dataset, and their coordinates. Neither
    /// URLs nor ETags: the same slides in another store are the same selection.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(VERSION.to_le_bytes());
        for slide in &self.slides {
            digest.update(slide.index.to_le_bytes());
            digest.update((slide.coordinates.len() as u64).to_le_bytes());
            for coordinate in &slide.coordinates {
                digest.update(coordinate.x.to_le_bytes());
                digest.update(coordinate.y.to_le_bytes());
            }
        }
        digest.finalize().into()
    }
}
