//! Which patches are cut of each slide, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Edge;

/// What is cut at a coordinate. All views of a dataset have the same centre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(has(self.level) && has(self.mpp))", "message": "give level or mpp, not both"},
    {"rule": "has(self.level) || has(self.mpp)", "message": "give level or mpp"},
]))]
pub struct View {
    /// The batch's key, say `image`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z]([_a-z0-9]*)$"))]
    pub name: String,
    /// Width and height of a patch in pixels.
    #[schemars(range(min = 1, max = 8192))]
    pub size: u32,
    /// The slide's level to read; 0 is the finest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 63))]
    pub level: Option<u32>,
    /// Micrometres per pixel: the best level is read and made smaller, unless it is within 3 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub mpp: Option<f64>,
}

/// How coordinates are chosen: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.grid), has(self.random), has(self.coordinates)].filter(given, given).size() == 1",
     "message": "give exactly one of grid, random and coordinates"},
]))]
pub struct Sampling {
    /// Patches on a regular grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<GridSampling>,
    /// Patches at random places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomSampling>,
    /// Patches at places of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<CoordinateTable>,
}

/// A regular grid from the slide's upper left corner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GridSampling {
    /// Distance of neighbours, in pixels of the first view.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub stride: u32,
    /// What happens to a patch of the first view that reaches over the slide's edge.
    #[serde(default)]
    pub edge: Edge,
}

/// Uniformly random places, all of the first view's patch inside the slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RandomSampling {
    /// How many patches each slide gives; a slide's `weight` multiplies it. With a filter on little tissue it may be fewer.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub per_slide: u32,
}

/// A table with one row a patch: CSV with a header, or Parquet, by the ending of its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoordinateTable {
    /// Where the table is. What `microtome select -o FILE` writes is one.
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a table's URL must not hold a query or a key"},
    ]))]
    pub url: String,
    /// Which column holds what.
    #[serde(default)]
    pub columns: CoordinateColumns,
}

/// Names of a table's columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CoordinateColumns {
    /// The slide's URL, or its file name with or without its ending.
    #[schemars(length(min = 1, max = 256))]
    pub url: String,
    /// The first view's left edge in level-0 pixels.
    #[schemars(length(min = 1, max = 256))]
    pub left: String,
    /// The first view's upper edge in level-0 pixels. (Not named `y`: YAML 1.1, which kubectl reads, takes that for "yes".)
    #[schemars(length(min = 1, max = 256))]
    pub top: String,
}

impl Default for CoordinateColumns {
    fn default() -> Self {
        Self { url: "url".to_owned(), left: "x".to_owned(), top: "y".to_owned() }
    }
}

/// Which of the coordinates are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Only patches that show tissue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tissue: Option<Tissue>,
}

/// What counts as tissue: pixels whose saturation is above Otsu's threshold for the slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tissue {
    /// The least part of the first view's patch that is tissue, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub min_percent: u8,
}
