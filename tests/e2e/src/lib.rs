//! What the end-to-end tests share: a team of their own on the running cluster, jobs for it, and what to wait for.
//!
//! `tests/end-to-end` starts the cluster, installs the chart, and says in the environment where things are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

pub mod job;
pub mod stage;
