//! One file a verb.

pub(crate) mod status;
pub(crate) mod version;
