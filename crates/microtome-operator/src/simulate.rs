//! What the queue would do with a scenario: pure, and the same bytes every time.
//!
//! YAML → [`parse`] → [`scenario`] (checked) → [`world`] (instant by instant) → [`line`]s, a [`table`] or a [`plot`].

mod field;
pub(crate) mod line;
mod parse;
pub(crate) mod plot;
mod scenario;
pub(crate) mod table;
mod teams;
mod world;

pub(crate) use parse::parse;
pub(crate) use world::run;
