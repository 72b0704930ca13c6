//! A job's checkpoints in storage: what an earlier attempt left is fetched before the program starts, and what the program
//! writes is stored while it runs.
//!
//! The program sees a directory and knows of no storage. Only whole files are stored, and they appear there whole; what the
//! program removes is removed there as well, once all that is new is stored. Nothing here may fail or delay the program:
//! storage that cannot be reached is told of and tried again.

mod ledger;
pub mod restore;
pub mod saver;
mod tree;
mod upload;
mod watch;

/// A program that keeps more files than this keeps no checkpoints but data.
const MOST_FILES: usize = 10_000;
