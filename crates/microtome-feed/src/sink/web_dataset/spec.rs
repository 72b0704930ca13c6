//! What fixes an output besides the selection: it is kept with it, and compared before anything is added.

use microtome_plan::dataset::Dataset;
use microtome_slide::SlideUrl;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::sink::output::{Encoding, Output};

/// Fields of dataset and output, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spec(Map<String, Value>);

impl Spec {
    /// Of a dataset that is stored with these settings.
    pub fn new(dataset: &Dataset, output: &Output) -> Self {
        let mut fields = match serde_json::to_value(dataset) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        if let Some(slides) = fields.get_mut("slides") {
            absolute(slides);
        }
        let (encoding, quality) = match output.encoding {
            Encoding::Jpeg(quality) => ("JPEG", json!(quality)),
            Encoding::Png => ("PNG", Value::Null),
        };
        fields.insert("encoding".to_owned(), json!(encoding));
        fields.insert("quality".to_owned(), quality);
        fields.insert("shardSize".to_owned(), json!(output.shard_bytes));
        Self(fields)
    }

    /// The first field in which another one differs, with both values as text.
    pub(super) fn differs(&self, other: &Self) -> Option<(String, String, String)> {
        let names = self.0.keys().chain(other.0.keys());
        let value = |spec: &Self, name: &String| spec.0.get(name).cloned().unwrap_or_default();
        names
            .map(|name| (name, value(self, name), value(other, name)))
            .find(|(_, here, there)| here != there)
            .map(|(name, here, there)| (name.clone(), shortened(&here), shortened(&there)))
    }
}

/// The same place however it is written: paths do not depend on where the program was started.
fn absolute(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let url = matches!(name.as_str(), "url" | "prefix").then(|| value.as_str()).flatten();
                match url.and_then(|url| SlideUrl::parse_prefix(url).ok()) {
                    Some(url) => *value = json!(url.to_string()),
                    None => absolute(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(absolute),
        _ => {}
    }
}

/// Enough to see what differs.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
