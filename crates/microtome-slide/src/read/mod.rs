//! Reading patches: plan (pure), fetch (IO), decode (CPU); three seams that a worker runs on different threads.

mod decode;
mod fetch;
mod fill;
mod geometry;
mod plan;
mod region;
mod request;
mod resample;
mod square;

pub use fetch::Fetched;
pub(crate) use plan::Layout;
pub use plan::{PlannedTile, ReadPlan};
pub use region::{Mode, RegionRequest, Scale};
pub(crate) use region::{read as read_region, read_one};
pub use request::{Background, PatchRequest, Patches};
