//! One job as one line, for where no screen can be drawn anew: a log, a pipe.

use jiff::Zoned;
use microtome_api::PatchJob;

use super::status::eta;
use crate::text;
use crate::waiting;

/// The line, without the time: equal lines say nothing new.
pub(crate) fn line(job: &PatchJob, now: &Zoned) -> String {
    let mut parts = vec![text::state(job).to_owned()];
    let status = job.status.as_ref();
    if let Some(progress) = status.and_then(|status| status.progress.as_ref()) {
        parts.push(progress.summary.clone());
        if text::state(job) == "Running" {
            let rate = text::grouped(progress.patches_per_second);
            parts.push(format!("{rate} patches/s"));
            parts.push(format!("trainer waits {}", text::permille(progress.waiting_permille)));
            parts.push(format!("{} workers", progress.workers));
        }
        parts.extend(eta(job, progress, now.timestamp()).map(|end| format!("ETA {}", text::clock(end, now))));
    }
    if let Some(waiting) = waiting::of_job(job) {
        parts.push(text::one_line(&waiting.why));
        parts.extend(waiting.place.map(|place| format!("{place} in the queue")));
    }
    let quiet = matches!(text::state(job), "Running" | "Complete" | "Queued");
    if let Some(ready) = text::ready(text::conditions(job)).filter(|ready| !quiet && !ready.message.is_empty()) {
        parts.push(text::one_line(&ready.message));
    }
    parts.join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::fixtures::{now, queued, running};

    #[test]
    fn a_line_has_what_changes() {
        let wanted = "Running   41%   9 600 patches/s   trainer waits 0.3 %   11 workers   ETA 14:44";
        assert_eq!(line(&running(), &now()), wanted);
        let why = "team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2";
        assert_eq!(line(&queued(), &now()), format!("Queued   {why}   2/14 in the queue"));
        assert_eq!(line(&PatchJob { status: None, ..queued() }, &now()), "Pending");
    }
}
