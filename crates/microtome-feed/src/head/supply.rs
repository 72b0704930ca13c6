//! What the operator decides the number of workers by: demand and supply of each dataset, and what was waited for.

use std::time::Duration;

use super::ledger::Ledger;

/// A head's demand and supply at one moment. What sums only grows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Supply {
    /// The datasets that can be read.
    pub loaders: Vec<Loader>,
    /// Patches that came from workers.
    pub arrived: u64,
    /// How long programs waited for patches, the first ones included.
    pub waited: Duration,
    /// What they waited for, the first ones not included.
    pub waiting: Ledger,
    /// Workers connected now.
    pub workers: u64,
}

/// A dataset, and how fast it is read and made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loader {
    /// The dataset's name.
    pub dataset: String,
    /// Whether its patches are asked for at run time.
    pub asked: bool,
    /// Patches a second that the program would take if it never waited, as long as it has not made a step: `None`.
    pub demand: Option<f64>,
    /// Patches a second of a worker that is busy all the time.
    pub rate: Option<f64>,
}
