//! Records in a log.

use serde::Deserialize;

use super::Error;
use crate::admission::record::{Record, TARGET, VERSION};

/// A line of the operator's log, as far as it is of interest.
#[derive(Deserialize)]
struct Line {
    target: String,
    record: String,
}

/// Told before the rest, which another version may have changed.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// All records with the lines on which they stand, counted from 1. What stands before the brace, such as a pod's name, is passed
/// over, and so are lines of other targets.
pub(super) fn records(log: &str) -> impl Iterator<Item = Result<(usize, Record), Error>> {
    log.lines().enumerate().filter_map(|(i, text)| {
        let text = text.get(text.find('{')?..)?;
        let line: Line = serde_json::from_str(text).ok()?;
        (line.target == TARGET).then(|| Ok((i + 1, record(i + 1, &line.record)?)))
    })
}

fn record(line: usize, text: &str) -> Result<Record, Error> {
    let unreadable = |source| Error::Unreadable { line, source };
    let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
    if version != VERSION {
        return Err(Error::Version { line, version, known: VERSION });
    }
    serde_json::from_str(text).map_err(unreadable)
}
