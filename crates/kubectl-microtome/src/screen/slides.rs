//! Slides that were left out, and why. Their names are patients' data: they are here because the reader may read the job's own
//! log, and are written nowhere else.

use serde::{Deserialize, Serialize};

use crate::table::table;
use crate::text;

const HEADER: [&str; 4] = ["#", "SLIDE", "CATEGORY", "REASON"];

/// What the head writes into its log when it leaves a slide out.
const EVENT: &str = "slide quarantined";

/// A slide that was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LeftOut {
    /// Its place among the dataset's slides; counts from 0.
    pub(crate) index: u64,
    /// Its hash, by which other logs and metrics know it.
    pub(crate) slide: String,
    pub(crate) category: String,
    /// In words, with its name and the offset.
    pub(crate) reason: String,
}

#[derive(Deserialize)]
struct Event {
    message: String,
    #[serde(default)]
    slide: String,
    index: u64,
    #[serde(default)]
    category: String,
    #[serde(default)]
    reason: String,
}

/// A line of the head's log, if it tells of a slide that was left out.
pub(crate) fn left_out(line: &str) -> Option<LeftOut> {
    // Few lines of a program's log are JSON, and fewer of these are of slides.
    if !line.starts_with('{') || !line.contains(EVENT) {
        return None;
    }
    let Event { message, slide, index, category, reason } = serde_json::from_str(line).ok()?;
    (message == EVENT).then_some(LeftOut { index, slide, category, reason })
}

/// The table; empty if none was left out.
pub(crate) fn slides(slides: &[LeftOut]) -> String {
    let row = |slide: &LeftOut| {
        let cells = [&slide.slide, &slide.category, &slide.reason].map(|cell| text::one_line(cell));
        [slide.index.to_string()].into_iter().chain(cells).collect()
    };
    table(&HEADER, &slides.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-03-02T12:07:00Z","level":"WARN","message":"slide quarantined","slide":"9f3c","index":17,"category":"Truncated","reason":"az://slides/b.svs: directory 2 at byte 4711 ends after the file","target":"microtome_feed"}"#;

    #[test]
    fn slides_are_read_from_the_log_and_nothing_else_is() {
        let found: Vec<_> = [LINE, "epoch 1", r#"{"message":"slide quarantined"}"#, r#"{"loss":"slide quarantined"}"#]
            .iter()
            .filter_map(|line| left_out(line))
            .collect();
        let wanted = "\
#    SLIDE   CATEGORY    REASON
17   9f3c    Truncated   az://slides/b.svs: directory 2 at byte 4711 ends after the file
";
        assert_eq!(slides(&found), wanted);
    }
}
