//! A job before it is one: from a file, from flags, from both; and the code that goes with it.

pub(crate) mod draft;
pub(crate) mod duration;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod order;
pub(crate) mod package;
pub(crate) mod template;
