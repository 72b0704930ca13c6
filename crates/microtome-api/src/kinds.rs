//! One file a kind.

pub mod cluster;
pub mod job;
pub mod output;
pub mod profile;
pub mod program;
pub mod team;
