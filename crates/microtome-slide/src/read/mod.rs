//! Reading patches: plan (pure), fetch (IO), decode (CPU); three seams that a worker runs on different threads.

mod decode;
mod fetch;
mod fill;
mod geometry;
mod plan;
mod request;
mod resample;

pub use fetch::Fetched;
pub use plan::{PlannedTile, ReadPlan};
pub use request::{Background, PatchRequest, Patches};
