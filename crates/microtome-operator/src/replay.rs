//! What a log says that admission decided, derived again: pure.
//!
//! Log → [`read`] (records and the lines they stand on) → [`play`] (pass by pass, compared) → the decisions as `simulate` tells
//! them.

mod compare;
mod play;
mod read;

use crate::simulate::line::Outcome;

/// Why a log does not come out as it was recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A record is none.
    #[error("line {line}: the record cannot be read")]
    Unreadable {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("line {line}: the record is of version {version}, and this reads version {known}")]
    Version { line: usize, version: u32, known: u32 },
    /// Lines of the log are missing.
    #[error("line {line}: pass {pass} does not follow pass {after}; the log lacks what is between")]
    Gap { line: usize, pass: u64, after: u64 },
    /// No record tells everything.
    #[error("no whole record of a pass in the log: it has to begin before the operator does, or be of level info")]
    NoSnapshot,
    /// Another decision than the one that was recorded.
    #[error("line {line}, pass {pass}, {job}: recorded {recorded}; derived again {derived}")]
    Differs { line: usize, pass: u64, job: String, recorded: String, derived: String },
}

impl Error {
    /// Whether the log is sound and a decision is another.
    pub(crate) fn is_difference(&self) -> bool {
        matches!(self, Self::Differs { .. })
    }
}

/// The decisions up to the end or the first difference, and how many passes were compared.
pub(crate) fn replay(log: &str) -> (Outcome, Result<u64, Error>) {
    let mut replayed = play::Replay::default();
    let mut outcome = Ok(());
    for record in read::records(log) {
        outcome = record.and_then(|(line, record)| replayed.take(line, &record));
        if outcome.is_err() {
            break;
        }
    }
    let passes = outcome.and_then(|()| replayed.passes());
    (replayed.outcome(), passes)
}

#[cfg(test)]
mod tests;
