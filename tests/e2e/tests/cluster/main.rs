//! All end-to-end tests, in one program: linked once, and run in the order that `tests/end-to-end` says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod attempts;
mod bad_input;
mod changes;
mod escapes;
mod fair_share;
mod faults;
mod heads;
mod lifecycle;
mod outages;
mod outcomes;
mod plugin;
mod pools;
mod power;
mod rights;
mod stream;
mod user;
mod workbench;
