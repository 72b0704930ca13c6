//! A place in a stream, to go on from: small enough to be stored with every model checkpoint (< 1 KiB as JSON).
//!
//! It counts batches that the program *got*, never what was cut ahead. It fixes everything that the order depends on, so a
//! stream that would go on differently is refused by name instead of being wrong; who cuts the patches, and on how many
//! workers, is not part of it.

use serde::{Deserialize, Serialize};

use crate::plan::Seat;
use crate::random::VERSION;
use crate::selection::Selection;

/// The next batch of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The epoch; counts from 0.
    pub epoch: u64,
    /// The batch of the epoch; counts from 0.
    pub step: u64,
}

/// Where a reading of a stream starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Where another reading stopped.
    Checkpoint(Checkpoint),
    /// An epoch's first batch; also of an epoch behind the last one, which is then read to its end.
    Epoch(u64),
    /// The first epoch, without the slides of these URLs: what was done with them need not be done again.
    Without(Vec<String>),
}

/// A cursor with all that it is only valid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    version: u32,
    selection: String,
    seed: u64,
    epoch: u64,
    step: u64,
    batch: u64,
    lanes: u64,
    block: u64,
    window: u64,
}

/// A checkpoint is of another stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint is of another stream: its {what} is {was}, this stream's is {is}")]
pub struct CheckpointError {
    /// What differs.
    pub what: &'static str,
    /// In the checkpoint.
    pub was: String,
    /// In the stream.
    pub is: String,
}

impl CheckpointError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "CheckpointMismatch"
    }
}

impl Checkpoint {
    /// The place `cursor` of a stream.
    pub fn new(selection: &Selection, seat: &Seat, cursor: Cursor) -> Self {
        let shape = &seat.shape;
        Self {
            version: VERSION,
            selection: selection.digest().iter().map(|byte| format!("{byte:02x}")).collect(),
            seed: seat.seed,
            epoch: cursor.epoch,
            step: cursor.step,
            batch: shape.batch,
            lanes: shape.lanes,
            block: shape.block,
            window: shape.window,
        }
    }

    /// Another place of the same stream.
    #[must_use]
    pub fn at(&self, cursor: Cursor) -> Self {
        Self { epoch: cursor.epoch, step: cursor.step, ..self.clone() }
    }

    /// Where the stream goes on, if it is the same stream.
    pub fn cursor(&self, selection: &Selection, seat: &Seat) -> Result<Cursor, CheckpointError> {
        let cursor = Cursor { epoch: self.epoch, step: self.step };
        let here = Self::new(selection, seat, cursor);
        let numbers = [
            ("version", u64::from(self.version), u64::from(here.version)),
            ("seed", self.seed, here.seed),
            ("batch size", self.batch, here.batch),
            ("number of lanes", self.lanes, here.lanes),
            ("block size", self.block, here.block),
            ("window", self.window, here.window),
        ];
        if let Some((what, was, is)) = numbers.into_iter().find(|(_, was, is)| was != is) {
            return Err(CheckpointError { what, was: was.to_string(), is: is.to_string() });
        }
        if self.selection != here.selection {
            let (was, is) = (self.selection.clone(), here.selection);
            return Err(CheckpointError { what: "selection of slides and coordinates", was, is });
        }
        let steps = selection.patches().div_ceil(seat.shape.batch);
        if self.step >= steps.max(1) {
            let is = format!("below {steps}");
            return Err(CheckpointError { what: "step", was: self.step.to_string(), is });
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dataset::Order;
    use crate::select::Coordinate;
    use crate::selection::SelectedSlide;
    use crate::shape::Shape;

    fn selection(patches: i32) -> Selection {
        let coordinates = (0..patches).map(|x| Coordinate { x, y: 0 }).collect();
        let slide = SelectedSlide { index: 0, entry: Arc::default(), etag: None, size_bytes: 0, coordinates };
        Selection { slides: vec![slide], quarantined: Vec::new() }
    }

    fn seat() -> Seat {
        let shape = Shape { batch: 8, lanes: 4, block: 4, window: 2, patch_bytes: 1 };
        Seat { seed: 7, epoch: 0, order: Order::Shuffled, shape }
    }

    #[test]
    fn a_checkpoint_is_small_and_comes_back_as_it_was() {
        let cursor = Cursor { epoch: 3, step: 4 };
        let json = serde_json::to_string(&Checkpoint::new(&selection(40), &seat(), cursor)).unwrap();
        assert!(json.len() < 1024);
        let read: Checkpoint = serde_json::from_str(&json).unwrap();
        assert_eq!(read.cursor(&selection(40), &seat()), Ok(cursor));
    }

    #[test]
    fn a_checkpoint_of_another_stream_is_refused_by_what_differs() {
        let checkpoint = Checkpoint::new(&selection(40), &seat(), Cursor { epoch: 0, step: 4 });
        let refused = |selection: &Selection, seat: &Seat| checkpoint.cursor(selection, seat).unwrap_err().what;
        assert_eq!(refused(&selection(41), &seat()), "selection of slides and coordinates");
        assert_eq!(refused(&selection(40), &Seat { seed: 8, ..seat() }), "seed");
        let larger = Seat { shape: Shape { batch: 16, ..seat().shape }, ..seat() };
        assert_eq!(refused(&selection(40), &larger), "batch size");
        let beyond = Checkpoint::new(&selection(40), &seat(), Cursor { epoch: 0, step: 5 });
        assert_eq!(beyond.cursor(&selection(40), &seat()).unwrap_err().what, "step");
    }
}
