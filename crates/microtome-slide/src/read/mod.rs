//! Reading patches: plan (pure), fetch (IO), decode (CPU); three seams that a worker runs on different threads.

mod decode;
mod fetch;
mod fill;
mod geometry;
mod laid;
mod plan;
mod region;
mod request;
mod resample;
mod scale;
mod square;
mod tile;
mod tile_cache;

pub use fetch::Fetched;
pub(crate) use laid::Layout;
pub use laid::PlannedTile;
pub use plan::ReadPlan;
pub use region::{Mode, RegionRequest};
pub(crate) use region::{read as read_region, read_one};
pub use request::{Background, PatchRequest, Patches};
pub(crate) use scale::downsample;
pub use scale::{Downsample, Scale};
pub use tile_cache::TileCache;
pub(crate) use tile_cache::{Held, SlideTiles};
