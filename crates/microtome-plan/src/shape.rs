//! The shape of the order: how many lanes, how large blocks and windows are, and what memory that needs.
//!
//! It follows from the recipe alone, never from the machine, so that the stream is the same everywhere.

use std::fmt;

use crate::dataset::{Order, Recipe, SamplingRule};

/// A block is about this large: one lease, long enough to hide a round trip, short enough to be cut again.
const BLOCK_BYTES: u64 = 4 << 20;
/// Blocks of fewer patches would waste their tiles, of more would mix badly.
const BLOCK_PATCHES: (u64, u64) = (4, 64);
/// Random neighbours share few tiles: larger blocks would only mix worse.
const RANDOM_BLOCK_PATCHES: u64 = 8;
/// So many places of the dataset, at least, meet in a batch that is large enough.
const LANES: u64 = 16;
/// Blocks among which a lane's patches are shuffled.
const WINDOW_BLOCKS: u64 = 2;

/// Numbers that fix the order, together with selection, seed and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Patches a batch (B).
    pub batch: u64,
    /// Lanes that the stream takes patches from in turn (C).
    pub lanes: u64,
    /// Patches a block (k).
    pub block: u64,
    /// Blocks a window (w).
    pub window: u64,
    /// Bytes of a patch.
    pub patch_bytes: u64,
}

/// An amount of memory, for people: rounded up, so that what is said to be needed is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mebibytes(pub u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0.div_ceil(1 << 20))
    }
}

/// The memory budget cannot hold the shuffle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "memory: batches of {batch} patches of {patch_bytes} bytes need {}, the budget is {}; \
     raise --memory (in a cluster: the head's memory limit, of which the feed takes a quarter), or lower batchSize or the view's size",
    Mebibytes(*needed), Mebibytes(*budget)
)]
pub struct BudgetError {
    /// Patches a batch.
    pub batch: u64,
    /// Bytes of a patch.
    pub patch_bytes: u64,
    /// What the order needs.
    pub needed: u64,
    /// What there is.
    pub budget: u64,
}

impl BudgetError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "Budget"
    }
}

impl Shape {
    /// The shape of a recipe's order.
    pub fn of(recipe: &Recipe) -> Self {
        let patch_bytes = recipe.patch_bytes().get();
        let batch = u64::from(recipe.batch_size.get());
        let most = match recipe.sampling {
            SamplingRule::Grid(_) => BLOCK_PATCHES.1,
            SamplingRule::Random(_) | SamplingRule::Coordinates(_) => RANDOM_BLOCK_PATCHES,
        };
        let block = (BLOCK_BYTES / patch_bytes).clamp(BLOCK_PATCHES.0, most);
        let (lanes, window) = match recipe.order {
            Order::Shuffled => (LANES.min(batch), WINDOW_BLOCKS),
            Order::BySlide | Order::Sequential => (1, 1),
        };
        Self { batch, lanes, block, window, patch_bytes }
    }

    /// The least budget with which the stream cannot get stuck: the batch being filled and every lane's open window.
    pub fn needed_bytes(&self) -> u64 {
        (self.batch + self.lanes * self.window * self.block) * self.patch_bytes
    }

    /// Refuses a budget that is too small, with what is needed.
    pub fn fits(&self, budget: u64) -> Result<(), BudgetError> {
        let needed = self.needed_bytes();
        if needed <= budget { Ok(()) } else { Err(self.refuse(needed, budget)) }
    }

    /// What is said of a budget below the need.
    pub fn refuse(&self, needed: u64, budget: u64) -> BudgetError {
        BudgetError { batch: self.batch, patch_bytes: self.patch_bytes, needed, budget }
    }
}
