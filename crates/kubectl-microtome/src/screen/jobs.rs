//! Jobs, a line each. A line's cells are all that is kept of a job, so that thousands can be lined up.

use jiff::Timestamp;
use kube::ResourceExt;
use microtome_api::PatchJob;

use crate::table::table;
use crate::text::{self, NOTHING};
use crate::waiting;

const NARROW: [&str; 8] = ["NAME", "TEAM", "STATE", "QUEUE", "PROGRESS", "RATE", "WAITING", "AGE"];
const WIDE: [&str; 4] = ["ATTEMPT", "WORKERS", "CLUSTER", "EXIT"];

/// Which columns there are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    /// Each job's namespace before its name.
    pub(crate) namespace: bool,
    /// The less common ones, too.
    pub(crate) wide: bool,
}

impl Columns {
    fn pick<T>(self, namespace: T, narrow: impl IntoIterator<Item = T>, wide: impl IntoIterator<Item = T>) -> Vec<T> {
        let namespace = Some(namespace).filter(|_| self.namespace);
        namespace.into_iter().chain(narrow).chain(wide.into_iter().filter(|_| self.wide)).collect()
    }
}

/// A job's line.
pub(crate) fn row(job: &PatchJob, columns: Columns, now: Timestamp) -> Vec<String> {
    let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
    let status = job.status.as_ref();
    let progress = status.and_then(|status| status.progress.as_ref());
    let state = text::state(job);
    // Rates are of now, and an ended job has none.
    let running = progress.filter(|_| state == "Running");
    let place = waiting::of_job(job).and_then(|waiting| waiting.place);
    let attempt = status.map(|status| status.attempt).filter(|&attempt| attempt > 0);
    let narrow = [
        job.name_any(),
        or_nothing(status.and_then(|status| status.team.clone())),
        state.to_owned(),
        or_nothing(place),
        or_nothing(progress.map(|progress| progress.summary.clone())),
        or_nothing(running.map(|progress| format!("{}/s", text::short(progress.patches_per_second)))),
        or_nothing(running.map(|progress| text::permille(progress.waiting_permille).replace(' ', ""))),
        or_nothing(job.metadata.creation_timestamp.as_ref().map(|time| text::age(time.0, now))),
    ];
    let wide = [
        or_nothing(attempt.map(|attempt| attempt.to_string())),
        or_nothing(running.map(|progress| progress.workers.to_string())),
        or_nothing(job.spec.cluster_name.clone()),
        or_nothing(status.and_then(|status| status.exit_code).map(|code| code.to_string())),
    ];
    columns.pick(job.namespace().unwrap_or_default(), narrow, wide)
}

/// The table; empty without jobs.
pub(crate) fn jobs(rows: &[Vec<String>], columns: Columns) -> String {
    table(&columns.pick("NAMESPACE", NARROW, WIDE), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::fixtures::{now, queued, running};

    fn shown(listed: &[PatchJob], columns: Columns) -> String {
        let rows: Vec<_> = listed.iter().map(|job| row(job, columns, now().timestamp())).collect();
        jobs(&rows, columns)
    }

    #[test]
    fn jobs_are_lined_up() {
        let mut new = PatchJob { status: None, ..queued() };
        new.metadata.name = Some("new".to_owned());
        let wanted = "\
NAME              TEAM        STATE     QUEUE   PROGRESS   RATE     WAITING   AGE
tumour-detector   pathology   Running   –       41%        9.6k/s   0.3%      2h
ablation-512      pathology   Queued    2/14    –          –        –         2h
new               –           Pending   –       –          –        –         2h
";
        assert_eq!(shown(&[running(), queued(), new], Columns::default()), wanted);
        assert_eq!(shown(&[], Columns::default()), "");
    }

    #[test]
    fn wide_and_everywhere_there_is_more() {
        let wanted = "\
NAMESPACE   NAME              TEAM        STATE     QUEUE   PROGRESS   RATE     WAITING   AGE   ATTEMPT   WORKERS   CLUSTER   EXIT
pathology   tumour-detector   pathology   Running   –       41%        9.6k/s   0.3%      2h    1         11        –         –
";
        assert_eq!(shown(&[running()], Columns { namespace: true, wide: true }), wanted);
    }
}
