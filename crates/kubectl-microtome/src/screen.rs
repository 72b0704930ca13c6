//! One job as a screen: a pure function of the object and now. A line is there only if its facts are.

use jiff::{Timestamp, Zoned};
use kube::ResourceExt;
use microtome_api::condition::READY;
use microtome_api::{JobStatus, PatchJob, Progress};

use crate::text;

/// The screen.
pub(crate) fn screen(job: &PatchJob, now: &Zoned) -> String {
    let empty = JobStatus::default();
    let status = job.status.as_ref().unwrap_or(&empty);
    let mut lines = vec![format!("{}   {}", job.name_any(), headline(job, status, now))];
    let mut line = |title: &str, fact: String| lines.push(format!("  {title:<8}   {fact}"));
    let running = text::state(job) == "Running";
    let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
    // Of a good end there is nothing to explain.
    if let Some(ready) = ready.filter(|ready| !ready.message.is_empty() && ready.reason != "Complete") {
        line(if running { "pods" } else { "why" }, indented(&ready.message));
    }
    if let Some(progress) = &status.progress {
        line("progress", progressed(progress));
        if running {
            line("feed", fed(progress));
            line("workers", workers(job, progress));
        }
        if progress.slides_quarantined > 0 {
            line("slides", format!("{} quarantined", text::grouped(progress.slides_quarantined.into())));
        }
    }
    if let Some(digest) = &status.stream_digest {
        line("digest", digest.clone());
    }
    lines.join("\n") + "\n"
}

fn headline(job: &PatchJob, status: &JobStatus, now: &Zoned) -> String {
    let mut parts = vec![text::state(job).to_owned()];
    if let Some(code) = status.exit_code {
        parts.push(format!("exit code {code}"));
    }
    if status.attempt > 0 {
        parts.push(format!("attempt {}", status.attempt));
    }
    let most = text::duration(job.spec.active_deadline_seconds);
    let seconds = |from: Timestamp, to: Timestamp| text::duration(to.as_second() - from.as_second());
    match (&status.start_time, &status.completion_time, &job.metadata.creation_timestamp) {
        (Some(start), Some(end), _) => parts.push(format!("after {}", seconds(start.0, end.0))),
        (Some(start), None, _) => {
            let passed = seconds(start.0, now.timestamp());
            parts.push(format!("since {} ({passed} of {most})", clock(start.0, now)));
        }
        (None, None, Some(created)) => parts.push(format!("for {}", seconds(created.0, now.timestamp()))),
        (None, _, _) => {}
    }
    parts.join(", ")
}

/// The time of day, with the date where it is another day.
fn clock(time: Timestamp, now: &Zoned) -> String {
    let time = time.to_zoned(now.time_zone().clone());
    let format = if time.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    time.strftime(format).to_string()
}

fn progressed(progress: &Progress) -> String {
    let (patches, total) = (text::grouped(progress.patches), text::grouped(progress.patches_total));
    let counted = format!("{}   {patches} of {total} patches", progress.summary);
    let left = progress.patches_total - progress.patches;
    match progress.patches_per_second {
        1.. if left > 0 => format!("{counted}   {} left", text::duration(left / progress.patches_per_second)),
        _ => counted,
    }
}

fn fed(progress: &Progress) -> String {
    let (rate, waiting) = (text::grouped(progress.patches_per_second), text::permille(progress.waiting_permille));
    format!("{rate} patches/s   program waits {waiting}")
}

fn workers(job: &PatchJob, progress: &Progress) -> String {
    match job.spec.cluster_spec.as_ref().map(|cluster| &cluster.workers) {
        Some(workers) => format!("{} of {}–{}", progress.workers, workers.min_replicas, workers.max_replicas),
        None => progress.workers.to_string(),
    }
}

/// Several lines, as a program's last words have them, under each other.
fn indented(message: &str) -> String {
    message.trim_end().replace('\n', &format!("\n{:13}", ""))
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! Jobs to show.

    use microtome_api::PatchJob;
    use serde_json::{Value, json};

    pub(crate) fn job(status: &Value) -> PatchJob {
        let resources = json!({"limits": {"cpu": 1}});
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob",
            "metadata": {"name": "tumour-detector", "namespace": "pathology", "creationTimestamp": "2026-03-02T12:00:00Z"},
            "spec": {
                "command": ["true"], "activeDeadlineSeconds": 43200,
                "datasets": [{"name": "train", "slides": {"list": [{"url": "az://slides/a.svs"}]},
                    "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}}}],
                "clusterSpec": {"profileName": "default", "head": {"image": "i", "resources": resources},
                    "workers": {"minReplicas": 2, "maxReplicas": 32, "resources": resources}},
            },
            "status": status,
        }))
        .unwrap()
    }

    pub(crate) fn condition(reason: &str, status: &str, message: &str) -> Value {
        json!({"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-03-02T12:06:00Z"})
    }

    pub(crate) fn running() -> PatchJob {
        job(&json!({
            "conditions": [condition("Running", "True", "11 of 11 workers ready")], "team": "pathology", "attempt": 1,
            "startTime": "2026-03-02T12:06:00Z",
            "progress": {"summary": "41%", "patches": 9_881_600, "patchesTotal": 24_064_000, "patchesPerSecond": 9600,
                "waitingPermille": 3, "workers": 11, "slidesQuarantined": 3},
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fixtures::{condition, job, running};
    use super::*;

    fn shown(job: &PatchJob) -> String {
        screen(job, &"2026-03-02T14:20:00+00:00[UTC]".parse().unwrap())
    }

    #[test]
    fn a_running_job() {
        let wanted = "\
tumour-detector   Running, attempt 1, since 12:06 (2 h 14 m of 12 h)
  pods       11 of 11 workers ready
  progress   41%   9 881 600 of 24 064 000 patches   24 m left
  feed       9 600 patches/s   program waits 0.3 %
  workers    11 of 2–32
  slides     3 quarantined
";
        assert_eq!(shown(&running()), wanted);
    }

    #[test]
    fn a_job_that_waits_says_why() {
        let why = "team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 1; position 1 in the team's queue";
        let waiting = job(&json!({"conditions": [condition("Queued", "False", why)], "team": "pathology"}));
        assert_eq!(shown(&waiting), format!("tumour-detector   Queued, for 2 h 20 m\n  why        {why}\n"));
        assert_eq!(shown(&PatchJob { status: None, ..waiting }), "tumour-detector   Pending, for 2 h 20 m\n");
    }

    #[test]
    fn an_ended_job_has_its_code_and_last_words() {
        let mut status = json!({
            "conditions": [condition("Failed", "False", "exit code 3: Traceback\nValueError: boom")], "attempt": 1,
            "startTime": "2026-03-01T12:06:00Z", "completionTime": "2026-03-01T12:06:40Z", "exitCode": 3,
        });
        let wanted = "\
tumour-detector   Failed, exit code 3, attempt 1, after 40 s
  why        exit code 3: Traceback
             ValueError: boom
";
        assert_eq!(shown(&job(&status)), wanted);
        status["conditions"] = json!([condition("Complete", "True", "exit code 0")]);
        (status["exitCode"], status["streamDigest"]) = (json!(0), json!("6d0f"));
        let wanted = "tumour-detector   Complete, exit code 0, attempt 1, after 40 s\n  digest     6d0f\n";
        assert_eq!(shown(&job(&status)), wanted);
    }
}
