//! Head, worker and the wire between them; the binary `microtome`.
//!
//! ```text
//! job file → head: select → plan → leases ⇄ workers: fetch → decode
//!                  order → batches → the program (hand-off), a contact sheet or a digest
//! ```
//! [`engine`] puts a head and workers into one process; the streams are the same. The crate decides nothing about order
//! or leases: that is `microtome-plan`, which it drives with real clocks, sockets and slides. It must not know of
//! Kubernetes beyond the job's file and the paths at which things are mounted.

mod buffers;
pub mod checkpoints;
pub mod cmd;
pub mod control;
pub mod digest;
pub mod engine;
pub mod error;
mod file;
pub mod handoff;
pub mod head;
pub mod job;
pub mod memory;
pub mod metrics;
pub mod overview;
pub mod package;
mod relative;
pub mod results;
pub mod saved;
pub mod selection_cache;
pub mod selection_file;
pub mod sink;
pub mod source;
pub mod tls;
mod view;
pub mod wire;
pub mod worker;
