//! What a job reads, in which order, and who cuts it: pure, without clocks, threads or IO.
//!
//! ```text
//! Dataset (what is asked) → Recipe (checked) → Selection (frozen coordinates) → Plan (order) → Leases (who cuts what)
//! ```
//!
//! The crate may use nothing but data: no tokio, no tonic, no kube. Time comes in as a number, randomness as a seed;
//! so the same inputs give the same stream on one worker or five hundred, and a simulator can run years of faults.

pub mod dataset;
pub mod lease;
pub mod plan;
pub mod select;
pub mod selection;
pub mod shape;
pub mod size;
