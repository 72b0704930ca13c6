//! One job as a screen. A line is there only if its facts are.

use jiff::{SignedDuration, Timestamp, Zoned};
use kube::ResourceExt;
use microtome_api::condition::INGEST_BOUND;
use microtome_api::{DatasetProgress, JobStatus, PatchJob, Progress};

use crate::text;
use crate::waiting::{self, Waiting};

/// The screen.
pub(crate) fn screen(job: &PatchJob, now: &Zoned) -> String {
    let empty = JobStatus::default();
    let status = job.status.as_ref().unwrap_or(&empty);
    let mut lines = vec![format!("{}   {}", job.name_any(), headline(job, status, now))];
    let mut line = |title: &str, fact: String| lines.push(format!("  {title:<8}   {fact}"));
    let running = text::state(job) == "Running";
    // Of a good end there is nothing to explain.
    let ready = text::ready(&status.conditions);
    if let Some(waiting) = waiting::of_job(job) {
        line("why", indented(&waiting.why));
        if let Some(place) = queued(&waiting, now) {
            line("queue", place);
        }
    } else if let Some(ready) = ready.filter(|ready| !ready.message.is_empty() && ready.reason != "Complete") {
        line(if running { "pods" } else { "why" }, indented(&ready.message));
    }
    if let Some(progress) = &status.progress {
        line("progress", progressed(job, progress, now));
        if running {
            line("feed", fed(progress));
            line("workers", workers(job, progress));
        }
        if let Some(bound) = status.conditions.iter().find(|bound| running && bound.type_ == INGEST_BOUND) {
            line("limit", format!("{}: {}", bound.reason, text::one_line(&bound.message)));
        }
        if progress.slides > 0 || progress.slides_quarantined > 0 {
            line("slides", slides(&job.name_any(), progress));
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
            parts.push(format!("since {} ({passed} of {most})", text::clock(start.0, now)));
        }
        (None, None, Some(created)) => parts.push(format!("for {}", seconds(created.0, now.timestamp()))),
        (None, _, _) => {}
    }
    parts.join(", ")
}

/// `2/14   starts about 15:40`.
fn queued(waiting: &Waiting, now: &Zoned) -> Option<String> {
    let mut parts = vec![waiting.place.clone()?];
    parts.extend(waiting.starts_at.map(|about| format!("starts about {}", text::clock(about, now))));
    parts.extend(
        waiting.reserved_at.map(|reserved| format!("at {} at the latest (reserved)", text::clock(reserved, now))),
    );
    Some(parts.join("   "))
}

/// How far it is: in batches where they can be counted, in patches otherwise; of several datasets, each in a line.
fn progressed(job: &PatchJob, progress: &Progress, now: &Zoned) -> String {
    let each: Vec<String> = progress.datasets.iter().map(|dataset| position(job, dataset)).collect();
    let counted = match each.as_slice() {
        [only] if job.spec.datasets.len() == 1 => Some(only.clone()),
        [] => batches(job, progress),
        _ => None,
    };
    let below = if counted.is_none() { each } else { Vec::new() };
    let counted = counted.unwrap_or_else(|| {
        let (patches, total) = (text::grouped(progress.patches), text::grouped(progress.patches_total));
        format!("{patches} of {total} patches")
    });
    let counted = format!("{}   {counted}", progress.summary);
    let first = match eta(job, progress, now.timestamp()) {
        Some(end) => format!("{counted}   ETA {}", text::clock(end, now)),
        None => counted,
    };
    indented(&[vec![first], below].concat().join("\n"))
}

/// `train: epoch 4/10, batch 38 600 of 94 000`, as the head says it.
fn position(job: &PatchJob, dataset: &DatasetProgress) -> String {
    let DatasetProgress { name, epoch, batch, of } = dataset;
    let spec = job.spec.datasets.iter().find(|spec| spec.name == *name);
    let epoch = spec.map_or_else(|| epoch.to_string(), |spec| format!("{epoch}/{}", spec.epochs));
    format!("{name}: epoch {epoch}, batch {} of {}", text::grouped(*batch), text::grouped(*of))
}

/// The same of a job's only dataset, where an older head says no more than how many batches there were.
fn batches(job: &PatchJob, progress: &Progress) -> Option<String> {
    let [dataset] = job.spec.datasets.as_slice() else { return None };
    let (epochs, an_epoch) = (i64::from(dataset.epochs), progress.batches_an_epoch);
    if an_epoch < 1 {
        return None;
    }
    let epoch = (progress.batches / an_epoch + 1).min(epochs);
    let (batch, all) = (text::grouped(progress.batches), text::grouped(an_epoch.saturating_mul(epochs)));
    Some(format!("{}: epoch {epoch}/{epochs}, batch {batch} of {all}", dataset.name))
}

/// When it is through if it goes on as now.
pub(crate) fn eta(job: &PatchJob, progress: &Progress, now: Timestamp) -> Option<Timestamp> {
    let left = progress.patches_total - progress.patches;
    if text::state(job) != "Running" || progress.patches_per_second < 1 || left < 1 {
        return None;
    }
    now.checked_add(SignedDuration::from_secs(left / progress.patches_per_second)).ok()
}

fn fed(progress: &Progress) -> String {
    let (rate, waiting) = (text::grouped(progress.patches_per_second), text::permille(progress.waiting_permille));
    let fed = format!("{rate} patches/s   trainer waits {waiting}");
    match &progress.waiting_for {
        // The rate is of now, this of all the time: of a second there is not enough to tell.
        Some(parts) => format!("{fed}   (so far for: {})", text::one_line(parts)),
        None => fed,
    }
}

fn slides(job: &str, progress: &Progress) -> String {
    let (good, bad) = (text::grouped(progress.slides.into()), text::grouped(progress.slides_quarantined.into()));
    match progress.slides_quarantined {
        0 => format!("{good} ok"),
        _ => format!("{good} ok, {bad} quarantined (kubectl microtome slides {job})"),
    }
}

fn workers(job: &PatchJob, progress: &Progress) -> String {
    let there = match job.spec.cluster_spec.as_ref().map(|cluster| &cluster.workers) {
        Some(workers) => format!("{} of {}–{}", progress.workers, workers.min_replicas, workers.max_replicas),
        None => progress.workers.to_string(),
    };
    match &progress.scaling {
        Some(scaling) => format!("{there}   {scaling}"),
        None => there,
    }
}

/// Several lines, as a program's last words have them, under each other.
fn indented(message: &str) -> String {
    text::harmless(message).trim_end().replace('\n', &format!("\n{:13}", ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, condition, job, now, place, queued, running, waits};

    fn shown(job: &PatchJob) -> String {
        screen(job, &now())
    }

    #[test]
    fn a_running_job() {
        let wanted = "\
tumour-detector   Running, attempt 1, since 12:06 (2 h 14 m of 12 h)
  pods       11 of 11 workers ready
  progress   41%   train: epoch 5/10, batch 38 600 of 94 000   ETA 14:44
  feed       9 600 patches/s   trainer waits 0.3 %   (so far for: storage 71 %, decode 22 %, network 7 %)
  workers    11 of 2–32   wanted 11 = 1.10 × 9 600 / 960
  slides     1 204 ok, 3 quarantined (kubectl microtome slides tumour-detector)
";
        assert_eq!(shown(&running()), wanted);
    }

    #[test]
    fn several_datasets_are_counted_together() {
        let mut both = running();
        let second = both.spec.datasets[0].clone();
        both.spec.datasets.push(second);
        assert!(shown(&both).contains("41%   9 881 600 of 24 064 000 patches   ETA 14:44\n"), "{}", shown(&both));
    }

    #[test]
    fn each_of_several_datasets_has_a_line() {
        let mut both = running();
        let dataset = |name: &str, epoch, batch, of| DatasetProgress { name: name.into(), epoch, batch, of };
        let progress = |job: &mut PatchJob, datasets| {
            job.status.as_mut().unwrap().progress.as_mut().unwrap().datasets = datasets;
        };
        progress(&mut both, vec![dataset("train", 5, 38_600, 94_000)]);
        assert!(shown(&both).contains("  progress   41%   train: epoch 5/10, batch 38 600 of 94 000   ETA 14:44\n"));
        let mut second = both.spec.datasets[0].clone();
        (second.name, second.epochs) = ("val".to_owned(), 1);
        both.spec.datasets.push(second);
        progress(&mut both, vec![dataset("train", 5, 38_600, 94_000), dataset("val", 1, 12, 300)]);
        let wanted = "
  progress   41%   9 881 600 of 24 064 000 patches   ETA 14:44
             train: epoch 5/10, batch 38 600 of 94 000
             val: epoch 1/1, batch 12 of 300
  feed       9 600";
        assert!(shown(&both).contains(wanted), "{}", shown(&both));
    }

    #[test]
    fn the_last_epoch_is_the_last() {
        let counted = |batches: i64, batches_an_epoch: i64| {
            super::batches(&running(), &Progress { batches, batches_an_epoch, ..Progress::default() })
        };
        assert_eq!(counted(0, 9).unwrap(), "train: epoch 1/10, batch 0 of 90");
        assert_eq!(counted(9, 9).unwrap(), "train: epoch 2/10, batch 9 of 90");
        assert_eq!(counted(90, 9).unwrap(), "train: epoch 10/10, batch 90 of 90");
        assert_eq!(counted(0, 0), None, "nothing is selected yet");
    }

    #[test]
    fn what_limits_the_patches_is_said() {
        let mut bound = running();
        let condition = json!({"type": "IngestBound", "status": "True", "reason": "Storage", "message": "it gives no more",
            "lastTransitionTime": "2026-03-02T12:06:00Z"});
        bound.status.as_mut().unwrap().conditions.push(serde_json::from_value(condition).unwrap());
        assert!(shown(&bound).contains("\n  limit      Storage: it gives no more\n"), "{}", shown(&bound));
    }

    #[test]
    fn a_job_that_waits_says_why() {
        let wanted = "\
ablation-512   Queued, for 2 h 20 m
  why        team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2
  queue      2/14   starts about 15:40
";
        assert_eq!(shown(&queued()), wanted);
        let mut first = place(TEAM_MAX, 1);
        first["reservedAt"] = json!("2026-03-02T16:05:00Z");
        let line = "\n  queue      1/14   starts about 15:40   at 16:05 at the latest (reserved)\n";
        assert!(shown(&waits(&first)).ends_with(line), "{}", shown(&waits(&first)));
        let line = job(&json!({"conditions": [condition("Queued", "False", "a came first on PatchCluster bench")]}));
        let wanted = "tumour-detector   Queued, for 2 h 20 m\n  why        a came first on PatchCluster bench\n";
        assert_eq!(shown(&line), wanted);
        assert_eq!(shown(&PatchJob { status: None, ..queued() }), "ablation-512   Pending, for 2 h 20 m\n");
    }

    #[test]
    fn an_ended_job_has_its_code_and_last_words() {
        let mut status = json!({
            "conditions": [condition("Failed", "False", "exit code 3: Traceback\nValueError: \u{1b}[31mboom")], "attempt": 1,
            "startTime": "2026-03-01T12:06:00Z", "completionTime": "2026-03-01T12:06:40Z", "exitCode": 3,
        });
        let wanted = "\
tumour-detector   Failed, exit code 3, attempt 1, after 40 s
  why        exit code 3: Traceback
             ValueError: [31mboom
";
        assert_eq!(shown(&job(&status)), wanted);
        status["conditions"] = json!([condition("Complete", "True", "exit code 0")]);
        (status["exitCode"], status["streamDigest"]) = (json!(0), json!("6d0f"));
        let wanted = "tumour-detector   Complete, exit code 0, attempt 1, after 40 s\n  digest     6d0f\n";
        assert_eq!(shown(&job(&status)), wanted);
    }
}
