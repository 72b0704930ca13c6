//! A patch as it is stored: what it is called, what it shows, and what is known of it.

use bytes::Bytes;
use microtome_plan::dataset::{Resolution, ViewRule};
use serde_json::{Map, Value, json};

use crate::head::{Batch, Patch};

/// One patch.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the stream over all epochs; counts from 0. Its files are named after it.
    pub index: u64,
    /// What its description says.
    pub facts: Map<String, Value>,
    /// What it shows; at least one.
    pub pictures: Vec<Picture>,
}

/// One view of a patch.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The view's name.
    pub view: String,
    /// Width and height in pixels.
    pub size: u32,
    /// RGB, one byte each, row by row.
    pub pixels: Bytes,
}

/// The patches of a batch, the first of which is the stream's patch `first`.
pub fn of_batch(batch: &Batch, first: u64) -> Vec<Record> {
    let numbered = (first..).zip(batch.patches());
    let record = |(index, patch): (u64, &Patch)| {
        let pictures = batch.pictures().map(|(view, picture)| Picture {
            view: view.name.clone(),
            size: view.size.get(),
            pixels: patch.pixels.slice(picture),
        });
        Record { index, facts: facts(index, patch, &batch.views), pictures: pictures.collect() }
    };
    numbered.map(record).collect()
}

/// What is known of a patch. Of one view it stands beside the rest, of several by their names.
fn facts(index: u64, patch: &Patch, views: &[ViewRule]) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("index".to_owned(), json!(index));
    facts.insert("slide".to_owned(), json!(patch.entry.url));
    facts.insert("x".to_owned(), json!(patch.coordinate.x));
    facts.insert("y".to_owned(), json!(patch.coordinate.y));
    match views {
        [view] => facts.extend(pixels(view)),
        views => {
            let by_name: Map<String, Value> =
                views.iter().map(|view| (view.name.clone(), Value::Object(pixels(view)))).collect();
            facts.insert("views".to_owned(), Value::Object(by_name));
        }
    }
    if let Some(group) = &patch.entry.group {
        facts.insert("group".to_owned(), json!(group));
    }
    if !patch.entry.labels.is_empty() {
        facts.insert("labels".to_owned(), json!(patch.entry.labels));
    }
    facts
}

fn pixels(view: &ViewRule) -> Map<String, Value> {
    let (name, value) = match view.resolution {
        Resolution::Level(level) => ("level", json!(level)),
        Resolution::Mpp(mpp) => ("mpp", json!(mpp)),
    };
    [("size".to_owned(), json!(view.size.get())), (name.to_owned(), value)].into_iter().collect()
}
