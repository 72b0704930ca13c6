//! A patch as it is stored: what it is called, what it shows, and what is known of it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::head::Batch;

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

/// What descriptions of patches take from the dataset.
#[derive(Clone, Debug)]
pub struct Described {
    /// The slides' URLs as written.
    pub slides: Vec<String>,
    /// The view's name.
    pub view: String,
    /// What its pixels are: `level` or `mpp`, and its value.
    pub scale: (&'static str, Value),
}

/// The patches of a batch, the first of which is the stream's patch `first`.
pub fn of_batch(batch: &Batch, first: u64, described: &Described) -> Vec<Record> {
    let numbered = (first..).zip(batch.patches());
    let record = |(index, patch): (u64, &crate::head::Patch)| {
        let (scale, value) = &described.scale;
        let facts = json!({
            "index": index,
            "slide": described.slides.get(patch.slide as usize),
            "x": patch.coordinate.x,
            "y": patch.coordinate.y,
            "size": batch.size,
            *scale: value,
        });
        let Value::Object(facts) = facts else { unreachable!("an object was written") };
        let picture = Picture { view: described.view.clone(), size: batch.size, pixels: patch.pixels.clone() };
        Record { index, facts, pictures: vec![picture] }
    };
    numbered.map(record).collect()
}
