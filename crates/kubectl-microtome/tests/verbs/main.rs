//! Each verb as its user runs it: the real binary, a real kubeconfig, and an apiserver in this process that knows the chart's
//! roles and refuses what they do not allow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod answers;
mod apiserver;
mod ending;
mod exec;
mod logging;
mod looking;
mod many;
mod objects;
mod refusals;
mod rights;
mod shells;
mod stage;
mod startup;
mod submitting;
