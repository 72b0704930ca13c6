//! One file a verb.

pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod simulate;
