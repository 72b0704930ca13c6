//! Slides that were left out, and why. Their names are patients' data: they are here because the reader may read the job's own
//! status and log, and are written nowhere else.

use microtome_api::Progress;
use serde::{Deserialize, Serialize};

use crate::table::table;
use crate::text;

const HEADER: [&str; 2] = ["CATEGORY", "REASON"];

/// What the head writes into its log when it leaves a slide out.
const EVENT: &str = "slide quarantined";

/// A slide that was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) category: String,
    /// In words, with its name and the offset.
    pub(crate) reason: String,
}

/// The first few, as a job's status has them.
pub(crate) fn told(progress: &Progress) -> Vec<LeftOut> {
    let slide = |text: &String| {
        let (category, reason) = text.split_once(": ").unwrap_or(("", text));
        LeftOut { category: category.to_owned(), reason: reason.to_owned() }
    };
    progress.quarantined.iter().map(slide).collect()
}

#[derive(Deserialize)]
struct Event {
    message: String,
    index: u64,
    #[serde(default)]
    category: String,
    #[serde(default)]
    reason: String,
}

/// A line of the head's log, if it tells of a slide that was left out: its place among the dataset's slides, and the slide.
pub(crate) fn logged(line: &str) -> Option<(u64, LeftOut)> {
    // Few lines of a program's log are JSON, and fewer of these are of slides.
    if !line.starts_with('{') || !line.contains(EVENT) {
        return None;
    }
    let Event { message, index, category, reason } = serde_json::from_str(line).ok()?;
    (message == EVENT).then_some((index, LeftOut { category, reason }))
}

/// The table; empty if none was left out.
pub(crate) fn slides(slides: &[LeftOut]) -> String {
    let row = |slide: &LeftOut| [&slide.category, &slide.reason].map(|cell| text::one_line(cell)).to_vec();
    table(&HEADER, &slides.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-03-02T12:07:00Z","level":"WARN","message":"slide quarantined","slide":"9f3c","index":17,"category":"Truncated","reason":"az://slides/b.svs: directory 2 at byte 4711 ends after the file","target":"microtome_feed"}"#;

    #[test]
    fn slides_are_read_from_status_and_log_alike() {
        let reason = "az://slides/b.svs: directory 2 at byte 4711 ends after the file";
        let progress = Progress { quarantined: vec![format!("Truncated: {reason}")], ..Progress::default() };
        let (index, logged) = logged(LINE).unwrap();
        assert_eq!((index, vec![logged]), (17, told(&progress)));
        let wanted = "\
CATEGORY    REASON
Truncated   az://slides/b.svs: directory 2 at byte 4711 ends after the file
";
        assert_eq!(slides(&told(&progress)), wanted);
    }

    #[test]
    fn what_a_program_writes_is_no_slide() {
        for line in ["epoch 1", r#"{"message":"slide quarantined"}"#, r#"{"loss":"slide quarantined","index":1}"#] {
            assert_eq!(logged(line), None, "{line}");
        }
    }
}
