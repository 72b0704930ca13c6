//! Which slides a dataset is made of, as it is written.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where the slides are: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.list), has(self.prefix), has(self.manifest)].filter(given, given).size() == 1",
     "message": "give exactly one of list, prefix and manifest"},
]))]
pub struct Slides {
    /// Slides by their URLs; for more than a thousand there are prefixes and manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub list: Option<Vec<SlideEntry>>,
    /// All slides below a URL such as `az://CONTAINER/FOLDER/`, sorted by name. What is named like no slide is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a prefix must not hold a query or a key"},
    ]))]
    pub prefix: Option<String>,
    /// A table with one row a slide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// One slide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlideEntry {
    /// `az://CONTAINER/PATH`, `file:///PATH`, or, without a cluster, a path. Never with a key (`?sig=`).
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a slide's URL must not hold a query or a key"},
    ]))]
    pub url: String,
    /// What is known of the slide: the batch's keys of these names. Texts or numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, Label>,
    /// What the slide belongs with, say its patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub group: Option<String>,
    /// Micrometres per level-0 pixel, where the slide does not say it or says it wrongly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub mpp: Option<f64>,
    /// The slide gives `perSlide` times this many random patches; 1 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub weight: Option<f64>,
}

/// What is known of a slide under some name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// A whole number.
    Integer(i64),
    /// Another number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A CRD cannot say "a number or a text" of a value: the apiserver keeps it as it is, and the head checks it.
impl JsonSchema for Label {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Label".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}

/// A table of slides: CSV with a header, or Parquet, by the ending of its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Where the table is.
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a manifest's URL must not hold a query or a key"},
    ]))]
    pub url: String,
    /// Which column holds what.
    #[serde(default)]
    pub columns: Columns,
}

/// Names of a manifest's columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Columns {
    /// The slides' URLs, or paths beside the manifest.
    #[schemars(length(min = 1, max = 256))]
    pub url: String,
    /// What becomes keys of the batch, under the columns' names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub labels: Vec<String>,
    /// What slides belong together by, say the patient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub group: Option<String>,
    /// Micrometres per level-0 pixel; an empty cell leaves it to the slide.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub mpp: Option<String>,
    /// How many times `perSlide` random patches a slide gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub weight: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { url: "url".to_owned(), labels: Vec::new(), group: None, mpp: None, weight: None }
    }
}
