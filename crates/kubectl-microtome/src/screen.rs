//! What is shown: each screen is a pure function of objects and now, and tested as text.

pub(crate) mod clusters;
pub(crate) mod created;
pub(crate) mod explain;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod jobs;
pub(crate) mod line;
pub(crate) mod queue;
pub(crate) mod render;
pub(crate) mod slides;
pub(crate) mod status;
pub(crate) mod teams;
#[cfg(test)]
mod wrong;
