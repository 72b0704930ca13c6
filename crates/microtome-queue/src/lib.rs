//! Which waiting job may start next: pure. `README.md` beside the code states objective, algorithm and properties.
//!
//! The crate may use data and nothing else: no tokio, no kube, no clock, no floating point. The same snapshot gives the
//! same decisions, in whatever order its jobs are listed.

mod amounts;
mod decay;
mod decision;
mod explain;
mod fit;
mod forecast;
mod job;
mod ledger;
mod node;
mod pass;
mod room;
mod shape;
mod snapshot;
mod team;
mod tree;
mod wide;

pub use amounts::Amounts;
pub use decision::{Action, Decisions, News, Placed, Previous, Reason, Refusal, Reservation, Start};
pub use explain::{Change, Explainer, Explanation};
pub use forecast::forecast;
pub use job::{Hold, Job, PodGroup, Run};
pub use ledger::{Ledger, Sum};
pub use node::{Node, Pool};
pub use pass::decide;
pub use snapshot::{Reclaim, Settings, Snapshot, Standing};
pub use team::{JobLimits, Team, TeamFault, Thousandths};
pub use wide::{Wide, WideError};
