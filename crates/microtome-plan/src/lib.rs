//! What a job reads, in which order, and who cuts it: pure, without clocks, threads or IO.
//!
//! ```text
//! Dataset (what is asked) → Recipe (checked) → Selection (frozen coordinates) → Plan (order) → Desk (leases, order, credit)
//! ```
//!
//! The crate may use nothing but data: no tokio, no tonic, no kube. Time comes in as a number, randomness as a seed;
//! so the same inputs give the same stream on one worker or five hundred, and a simulator can run any fault.

pub mod checkpoint;
pub mod credit;
pub mod dataset;
pub mod desk;
pub mod lease;
pub mod plan;
pub mod random;
pub mod rank;
pub mod select;
pub mod selection;
pub mod shape;
pub mod tissue;
