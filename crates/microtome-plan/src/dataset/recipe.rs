//! The checked form of a dataset: what selection and plan work with.

mod check;

use std::num::{NonZeroU32, NonZeroU64};

use super::{CoordinateTable, Dataset, Edge, Manifest, OnError, Order, SlideEntry};

/// A dataset whose fields were all checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The dataset's name.
    pub name: String,
    /// Where the slides are listed.
    pub slides: SlideSource,
    /// What is cut at a coordinate; at least one. The first says what sampling and filter are about.
    pub views: Vec<ViewRule>,
    /// How coordinates are chosen.
    pub sampling: SamplingRule,
    /// The least part of a patch that must be tissue, in percent; 0 takes all.
    pub tissue_percent: u8,
    /// Patches a batch.
    pub batch_size: NonZeroU32,
    /// Fixes order and random coordinates.
    pub seed: u64,
    /// Epochs.
    pub epochs: NonZeroU32,
    /// The order of the patches.
    pub order: Order,
    /// What an unreadable slide does.
    pub on_error: OnError,
}

/// Where the slides are listed.
#[derive(Clone, Debug, PartialEq)]
pub enum SlideSource {
    /// Here.
    List(Vec<SlideEntry>),
    /// In the store: all that is below this URL.
    Prefix(String),
    /// In a table.
    Manifest(Manifest),
}

/// A picture that is cut at each coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewRule {
    /// The batch's key.
    pub name: String,
    /// Width and height in its own pixels.
    pub size: NonZeroU32,
    /// What its pixels are.
    pub resolution: Resolution,
}

/// What a view's pixels are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolution {
    /// Those of a level of the slide; 0 is the finest.
    Level(u32),
    /// Micrometres per pixel.
    Mpp(f64),
}

/// How coordinates are chosen on a slide.
#[derive(Clone, Debug, PartialEq)]
pub enum SamplingRule {
    /// A regular grid.
    Grid(Grid),
    /// This many uniformly random places a slide.
    Random(NonZeroU32),
    /// The places that a table names.
    Coordinates(CoordinateTable),
}

/// A regular grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Distance of neighbours in pixels of the first view.
    pub stride: NonZeroU32,
    /// What happens at the slide's edge.
    pub edge: Edge,
}

/// A field of a dataset is wrong; the text names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct DatasetError {
    /// The field's path inside the dataset, say `views[0].size`.
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl DatasetError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "InvalidDataset"
    }
}

impl ViewRule {
    /// Bytes of one picture: RGB, one byte each.
    pub fn bytes(&self) -> u64 {
        u64::from(self.size.get()) * u64::from(self.size.get()) * 3
    }
}

impl Recipe {
    /// Bytes of one patch: all its views one after another.
    pub fn patch_bytes(&self) -> NonZeroU64 {
        let bytes = self.views.iter().map(ViewRule::bytes).sum();
        NonZeroU64::new(bytes).unwrap_or(NonZeroU64::MIN)
    }

    /// The view that coordinates, grid and filter are about.
    pub fn first_view(&self) -> &ViewRule {
        self.views.first().expect("a checked dataset has a view")
    }
}

impl Dataset {
    /// Checks every field. The CRD's rules say the same; a laptop's file meets only this.
    pub fn recipe(&self) -> Result<Recipe, DatasetError> {
        check::recipe(self)
    }
}
