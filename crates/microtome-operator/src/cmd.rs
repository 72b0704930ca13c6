//! One file a verb.

pub(crate) mod run;
pub(crate) mod simulate;
