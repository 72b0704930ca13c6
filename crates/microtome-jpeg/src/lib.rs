//! JPEG tiles: decodes only what a region needs, straight into the caller's pixels. `README.md` beside the code has the
//! technique, its figures, and how to add a sampling.
//!
//! The flow is `Header::parse` (markers and tables, checked once; borrows the bytes) → `Decoder::decode_region` (plan the
//! blocks, walk the entropy data and skip what lies outside, inverse transform, upsample and convert). The pixels are those
//! of libjpeg-turbo's defaults (`islow`, fancy upsampling), byte for byte, whatever the region.
//!
//! Read: baseline and extended sequential Huffman, 8 bits, one interleaved scan, 1 component or 3 with the first sampled
//! 1×1, 2×1, 1×2 or 2×2 and the others 1×1, restart intervals, tables in a stream of their own. All else is
//! [`Error::Unsupported`], so that the caller can turn to another decoder.
//!
//! The crate does no IO, starts no thread and keeps no state beyond [`Decoder`], [`Index`] and [`Rest`]. Tiles are hostile input: every
//! count is checked, every loop is bounded by the tile's bytes or the region, and no byte of a tile can panic.

mod bits;
mod block;
mod decoder;
mod error;
mod geometry;
mod header;
mod huffman;
mod index;
mod kernels;
mod paint;
mod planes;
mod region;
mod rest;
mod scan;
mod transform;
mod unstuff;

pub use decoder::{Decoder, Request};
pub use error::Error;
pub use header::Header;
pub use index::Index;
pub use kernels::Kernels;
pub use region::{ColorTransform, PixelFormat, Region, Target};
pub use rest::Rest;
