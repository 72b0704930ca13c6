//! What becomes of a stream that no program reads.

pub mod contact_sheet;
pub mod output;
pub mod png;
pub mod web_dataset;
