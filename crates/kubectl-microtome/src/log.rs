//! Logs: of one pod, and of a job through all its attempts.

mod job;
mod pod;

pub(crate) use job::{follow, head};
pub(crate) use pod::{Copied, Wish, ago, copy, lines};
