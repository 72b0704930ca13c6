//! The dataset as it is written: one type for YAML, the CRDs and the digests.
//!
//! Field docs become the CRD's descriptions (`kubectl explain`). Only fields that work are here; [`crate::dataset`] says
//! nothing about how they are carried out. [`Dataset::recipe`] checks everything once; nothing downstream reads this type.

mod patches;
mod recipe;
mod slides;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use patches::{CoordinateColumns, CoordinateTable, Filter, GridSampling, RandomSampling, Sampling, Tissue, View};
pub use recipe::{DatasetError, Grid, Recipe, Resolution, SamplingRule, SlideSource, ViewRule};
pub use slides::{Columns, Label, Manifest, SlideEntry, Slides};

/// Patches to cut from a set of slides: which, how large, in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dataset {
    /// The name that the program asks for, say `train`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The slides.
    pub slides: Slides,
    /// What is cut at each coordinate: one or more pictures with the same centre. The first says what sampling is about.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub views: Vec<View>,
    /// How coordinates are chosen on a slide.
    pub sampling: Sampling,
    /// Which of the coordinates are taken; all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Patches a batch. The last batch of an epoch may be smaller.
    #[serde(default = "default_batch_size")]
    #[schemars(range(min = 1, max = 65536))]
    pub batch_size: u32,
    /// Fixes the order and every random coordinate.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seed: u64,
    /// How often the program may go through the dataset.
    #[serde(default = "default_epochs")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: u32,
    /// The order of the patches.
    #[serde(default)]
    pub order: Order,
    /// What a slide that cannot be read does to the job.
    #[serde(default)]
    pub on_error: OnError,
}

/// What happens to a grid's patch that reaches over the slide's edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edge {
    /// It is left out.
    #[default]
    Drop,
    /// It is kept; what lies outside is white.
    Pad,
}

/// The order of the patches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Mixed over all slides, differently each epoch, the same for the same seed.
    #[default]
    Shuffled,
    /// All patches of a slide, in their order, then those of the next; slides mixed, differently each epoch.
    BySlide,
    /// As the slides and coordinates come.
    Sequential,
}

/// What a slide that cannot be read does to the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The slide is left out and reported with its reason.
    #[default]
    Quarantine,
    /// The job fails.
    Fail,
}

impl Dataset {
    /// Every URL or path that the dataset names.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let Slides { list, prefix, manifest } = &self.slides;
        let slides = list.iter().flatten().map(|slide| slide.url.as_str());
        let tables = self.sampling.coordinates.iter().map(|table| table.url.as_str());
        slides.chain(prefix.as_deref()).chain(manifest.iter().map(|manifest| manifest.url.as_str())).chain(tables)
    }

    /// As [`Dataset::urls`], to be changed.
    pub fn urls_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Slides { list, prefix, manifest } = &mut self.slides;
        let slides = list.iter_mut().flatten().map(|slide| &mut slide.url);
        let tables = self.sampling.coordinates.iter_mut().map(|table| &mut table.url);
        slides.chain(prefix.as_mut()).chain(manifest.iter_mut().map(|manifest| &mut manifest.url)).chain(tables)
    }
}

/// schemars turns documented variants into `oneOf` of constants, which a CRD cannot hold; these write a plain enum.
macro_rules! plain_enum {
    ($type:ident, $description:literal, [$($variant:literal),+]) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "description": $description, "enum": [$($variant),+]})
            }
        }
    };
}
plain_enum!(
    Edge,
    "What happens to a patch over the slide's edge: `Drop` leaves it out, `Pad` fills with white.",
    ["Drop", "Pad"]
);
plain_enum!(
    Order,
    "`Shuffled` mixes all slides, the same for the same seed; `BySlide` mixes the slides but keeps each one's patches together; `Sequential` keeps slides and coordinates in order.",
    ["Shuffled", "BySlide", "Sequential"]
);
plain_enum!(
    OnError,
    "What a slide that cannot be read does: `Quarantine` leaves it out and reports it, `Fail` ends the job.",
    ["Quarantine", "Fail"]
);

fn default_batch_size() -> u32 {
    32
}

fn default_epochs() -> u32 {
    1
}
