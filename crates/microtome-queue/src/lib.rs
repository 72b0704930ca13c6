//! Which waiting cluster may start next: pure. `README.md` beside the code states objective, algorithm and properties.
//!
//! The crate may use data and nothing else: no tokio, no kube, no clock, no floating point. The same snapshot gives the
//! same decisions, in whatever order its clusters are listed.

mod decide;
mod decision;
mod snapshot;

pub use decide::decide;
pub use decision::{Decision, Shortage, Verdict, Waiting};
pub use snapshot::{Amounts, Cluster, Key, Previous, Snapshot, State, Team};
