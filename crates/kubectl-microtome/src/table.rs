//! The jobs of a namespace, a line each: a pure function of objects and now.

use jiff::Timestamp;
use kube::ResourceExt;
use microtome_api::PatchJob;

use crate::text::{self, NOTHING};

const HEADER: [&str; 7] = ["NAME", "TEAM", "STATE", "PROGRESS", "RATE", "WAITING", "AGE"];

/// The table; empty without jobs.
pub(crate) fn table(jobs: &[PatchJob], now: Timestamp) -> String {
    if jobs.is_empty() {
        return String::new();
    }
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(jobs.iter().map(|job| row(job, now)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..HEADER.len()).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row(job: &PatchJob, now: Timestamp) -> [String; 7] {
    let nothing = || NOTHING.to_owned();
    let status = job.status.as_ref();
    let progress = status.and_then(|status| status.progress.as_ref());
    let state = text::state(job);
    // Rates are of now, and an ended job has none.
    let running = progress.filter(|_| state == "Running");
    [
        job.name_any(),
        status.and_then(|status| status.team.clone()).unwrap_or_else(nothing),
        state.to_owned(),
        progress.map_or_else(nothing, |progress| progress.summary.clone()),
        running.map_or_else(nothing, |progress| format!("{}/s", text::short(progress.patches_per_second))),
        running.map_or_else(nothing, |progress| text::permille(progress.waiting_permille)),
        job.metadata.creation_timestamp.as_ref().map_or_else(nothing, |time| text::age(time.0, now)),
    ]
}

fn line(row: &[String; 7], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}"));
    let line = cells.collect::<Vec<_>>().join("   ");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::fixtures::{job, running};

    #[test]
    fn jobs_are_lined_up() {
        let mut waiting =
            job(&serde_json::json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Queued",
            "message": "", "lastTransitionTime": "2026-03-02T12:00:00Z"}], "team": "pathology"}));
        waiting.metadata.name = Some("ablation-512".into());
        let new = PatchJob { status: None, ..waiting.clone() };
        let table = table(&[running(), waiting, new], "2026-03-02T14:20:00Z".parse().unwrap());
        let wanted = "\
NAME              TEAM        STATE     PROGRESS   RATE     WAITING   AGE
tumour-detector   pathology   Running   41%        9.6k/s   0.3 %     2h
ablation-512      pathology   Queued    –          –        –         2h
ablation-512      –           Pending   –          –        –         2h
";
        assert_eq!(table, wanted);
        assert_eq!(super::table(&[], Timestamp::UNIX_EPOCH), "");
    }
}
