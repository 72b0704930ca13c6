//! Patches of whole-slide images, read by byte ranges from blob storage.
//!
//! The flow is `Slide::open` (walk the TIFF directories, detect the format, index the tiles), `plan` (patches → unique
//! tiles → merged byte ranges; pure), `fetch` (the ranges; IO only), `decode` (each tile once, straight into the patch
//! buffers; CPU only). `Slide::read_patches` does the last three for callers that need no seams.
//!
//! Slides are hostile input: every count is checked against the blob's size and against [`Limits`] before anything is
//! allocated, and a bad tile is an error of the patches that need it, never of the batch.
//!
//! This crate may use object stores and image decoders; it must not know of Kubernetes, gRPC or datasets.

mod associated;
mod blocking;
mod codec;
mod error;
mod fault;
mod file_cache;
mod formats;
mod index;
mod info;
mod limits;
mod lru;
mod quickhash;
mod range;
mod read;
mod slide;
mod store;
mod tiff;
mod url;

pub use associated::AssociatedImage;
pub use error::{Error, PatchError};
pub use fault::{Fault, FaultKind, Place};
pub use file_cache::FileCache;
pub use index::IndexCache;
pub use info::{LevelInfo, SlideInfo};
pub use limits::Limits;
pub use range::{Merged, merge};
pub use read::{
    Background, Downsample, Fetched, Mode, PatchRequest, Patches, PlannedTile, ReadPlan, RegionRequest, Scale,
    TileCache,
};
pub use slide::Slide;
pub use store::{Cause, Object, ObjectEntry, ObjectReader, ObjectWriter, RangeCache, Stores, Usage};
pub use url::{SlideUrl, UrlError};

/// Gap that random patches may bridge to save a request, in bytes: with 10 KB tiles, bigger gaps fetch mostly bytes that
/// nobody asked for once many requests share the link.
pub const GAP_RANDOM_BYTES: u64 = 128 << 10;

/// Gap for a scan over a whole slide, in bytes: what lies between is wanted soon anyway, so fewer requests win.
pub const GAP_SCAN_BYTES: u64 = 1 << 20;
