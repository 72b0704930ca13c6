//! The dataset as it is written: one type for YAML, the CRDs and the digests.
//!
//! Field docs become the CRD's descriptions (`kubectl explain`). Only fields that work are here; [`crate::dataset`] says
//! nothing about how they are carried out. [`Dataset::recipe`] checks everything once; nothing downstream reads this type.

mod recipe;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use recipe::{DatasetError, Grid, Recipe, SamplingRule};

/// Patches to cut from a set of slides: which, how large, in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dataset {
    /// The name that the program asks for, say `train`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The slides.
    pub slides: Slides,
    /// What is cut at each coordinate. One view, for now.
    #[schemars(length(min = 1, max = 1), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub views: Vec<View>,
    /// How coordinates are chosen on a slide.
    pub sampling: Sampling,
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

/// Where the slides are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slides {
    /// Slides by their URLs.
    #[schemars(length(min = 1, max = 10000))]
    pub list: Vec<SlideEntry>,
}

/// One slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlideEntry {
    /// `az://CONTAINER/PATH`, `file:///PATH`, or, without a cluster, a path. Never with a key (`?sig=`).
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a slide's URL must not hold a query or a key"},
    ]))]
    pub url: String,
}

/// What is cut at a coordinate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct View {
    /// The batch's key, say `image`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]([_a-z0-9]*)$"))]
    pub name: String,
    /// Width and height of a patch in pixels.
    #[schemars(range(min = 1, max = 8192))]
    pub size: u32,
    /// The slide's level to read; 0 is the finest.
    #[schemars(range(min = 0, max = 63))]
    pub level: u32,
}

/// How coordinates are chosen: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.grid) != has(self.random)", "message": "give exactly one of grid and random"},
]))]
pub struct Sampling {
    /// Patches on a regular grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridSampling>,
    /// Patches at random places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomSampling>,
}

/// A regular grid from the slide's upper left corner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GridSampling {
    /// Distance of neighbours, in pixels of the view's level.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub stride: u32,
    /// What happens to a patch that reaches over the slide's edge.
    #[serde(default)]
    pub edge: Edge,
}

/// Uniformly random places, all of the patch inside the slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RandomSampling {
    /// How many patches each slide gives.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub per_slide: u32,
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
    "`Shuffled` mixes all slides, the same for the same seed; `Sequential` keeps slides and coordinates in order.",
    ["Shuffled", "Sequential"]
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
