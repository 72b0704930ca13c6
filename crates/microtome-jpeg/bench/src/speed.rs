//! Time.
use crate::tissue::Tissue;
pub(crate) fn run(_tissue: &Tissue) {}
