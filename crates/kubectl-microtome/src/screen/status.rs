//! One job as a screen. A line is there only if its facts are.

use jiff::{SignedDuration, Timestamp, Zoned};
use kube::ResourceExt;
use microtome_api::{JobStatus, PatchJob, Progress};

use crate::text;

/// The screen.
pub(crate) fn screen(job: &PatchJob, now: &Zoned) -> String {
    let empty = JobStatus::default();
    let status = job.status.as_ref().unwrap_or(&empty);
    let mut lines = vec![format!("{}   {}", job.name_any(), headline(job, status, now))];
    let mut line = |title: &str, fact: String| lines.push(format!("  {title:<8}   {fact}"));
    let running = text::state(job) == "Running";
    // Of a good end there is nothing to explain.
    let ready = text::ready(&status.conditions);
    if let Some(ready) = ready.filter(|ready| !ready.message.is_empty() && ready.reason != "Complete") {
        line(if running { "pods" } else { "why" }, indented(&ready.message));
    }
    if let Some(progress) = &status.progress {
        line("progress", progressed(job, progress, now));
        if running {
            line("feed", fed(progress));
            line("workers", workers(job, progress));
        }
        if progress.slides_quarantined > 0 {
            let quarantined = text::grouped(progress.slides_quarantined.into());
            line("slides", format!("{quarantined} quarantined (kubectl microtome slides {})", job.name_any()));
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

/// How far it is: in batches where they can be counted, in patches otherwise.
fn progressed(job: &PatchJob, progress: &Progress, now: &Zoned) -> String {
    let counted = batches(job, progress).unwrap_or_else(|| {
        let (patches, total) = (text::grouped(progress.patches), text::grouped(progress.patches_total));
        format!("{patches} of {total} patches")
    });
    let counted = format!("{}   {counted}", progress.summary);
    match eta(job, progress, now.timestamp()) {
        Some(end) => format!("{counted}   ETA {}", text::clock(end, now)),
        None => counted,
    }
}

/// `train: epoch 4/10, batch 38 600 of 94 000`. Of several datasets the head does not say which is how far.
fn batches(job: &PatchJob, progress: &Progress) -> Option<String> {
    let [dataset] = job.spec.datasets.as_slice() else { return None };
    let (epochs, size) = (i64::from(dataset.epochs), i64::from(dataset.batch_size));
    if progress.patches_total <= 0 || epochs <= 0 || size <= 0 || progress.patches_total % epochs != 0 {
        return None;
    }
    let epoch_patches = progress.patches_total / epochs;
    let epoch_batches = (epoch_patches - 1) / size + 1;
    let (whole, rest) = (progress.patches / epoch_patches, progress.patches % epoch_patches);
    let batch = whole * epoch_batches + (rest + size - 1) / size;
    let epoch = (whole + 1).min(epochs);
    let (batch, all) = (text::grouped(batch), text::grouped(epoch_batches * epochs));
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
    format!("{rate} patches/s   trainer waits {waiting}")
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
    use crate::screen::fixtures::{condition, job, now, queued, running};

    fn shown(job: &PatchJob) -> String {
        screen(job, &now())
    }

    #[test]
    fn a_running_job() {
        let wanted = "\
tumour-detector   Running, attempt 1, since 12:06 (2 h 14 m of 12 h)
  pods       11 of 11 workers ready
  progress   41%   train: epoch 5/10, batch 38 600 of 94 000   ETA 14:44
  feed       9 600 patches/s   trainer waits 0.3 %
  workers    11 of 2–32   wanted 11 = 1.10 × 9 600 / 960
  slides     3 quarantined (kubectl microtome slides tumour-detector)
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
    fn the_last_batch_of_an_epoch_may_be_small() {
        let counted = |patches: i64| {
            let progress = Progress { patches, patches_total: 1030, ..Progress::default() };
            batches(&running(), &progress).unwrap()
        };
        // 103 patches are one batch of up to 256.
        assert_eq!(counted(0), "train: epoch 1/10, batch 0 of 10");
        assert_eq!(counted(104), "train: epoch 2/10, batch 2 of 10");
        assert_eq!(counted(1030), "train: epoch 10/10, batch 10 of 10");
        assert_eq!(batches(&running(), &Progress::default()), None, "nothing is selected yet");
    }

    #[test]
    fn a_job_that_waits_says_why() {
        let waiting = queued();
        let why = "team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2; position 2 in the team's queue";
        assert_eq!(shown(&waiting), format!("ablation-512   Queued, for 2 h 20 m\n  why        {why}\n"));
        assert_eq!(shown(&PatchJob { status: None, ..waiting }), "ablation-512   Pending, for 2 h 20 m\n");
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
