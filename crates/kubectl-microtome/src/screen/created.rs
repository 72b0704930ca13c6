//! What `submit` says of a job that was just made.

use jiff::Zoned;
use kube::ResourceExt;
use microtome_api::PatchJob;

use crate::text;
use crate::waiting::{self, Waiting};

/// `patchjob/a created · team pathology · 3rd in the queue · starts about 14:20 (nvidia.com/gpu: 1 short)`: as much of it as
/// the operator has said so far.
pub(crate) fn created(job: &PatchJob, now: &Zoned) -> String {
    let mut parts = vec![format!("patchjob/{} created", job.name_any())];
    parts.extend(job.status.as_ref().and_then(|status| status.team.as_ref()).map(|team| format!("team {team}")));
    let conditions = text::conditions(job);
    if let Some(waiting) = waiting::of_job(job) {
        parts.extend(waits(&waiting, now));
    } else if let Some(ready) = text::ready(conditions).filter(|ready| ready.reason != "Pending") {
        parts.push(ready.reason.clone());
        if ready.status != "True" && !ready.message.is_empty() {
            parts.push(text::one_line(&ready.message));
        }
    }
    parts.join(" · ") + "\n"
}

/// Where it stands, and from when it runs; in brackets what is missing.
fn waits(waiting: &Waiting, now: &Zoned) -> Vec<String> {
    let place = match (waiting.position, &waiting.place) {
        (Some(position), _) => Some(format!("{} in the queue", text::ordinal(position))),
        (None, Some(place)) => Some(format!("{place} in the queue")),
        (None, None) => None,
    };
    let starts = match (waiting.reserved_at, waiting.starts_at) {
        (Some(reserved), _) => Some(format!("starts at {} at the latest", text::clock(reserved, now))),
        (None, Some(about)) => Some(format!("starts about {}", text::clock(about, now))),
        (None, None) => None,
    };
    let mut parts: Vec<String> = place.into_iter().chain(starts).collect();
    match (&waiting.short, parts.last_mut()) {
        (Some(short), Some(last)) => *last += &format!(" ({}: {} short)", short.resource, short.amount),
        _ => parts.push(text::one_line(&waiting.why)),
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, condition, job, now, place, queued, waits};

    #[test]
    fn as_much_is_said_as_is_known() {
        let said = |job: &PatchJob| created(job, &now());
        let head = "patchjob/ablation-512 created · team pathology";
        let wanted = format!("{head} · 2nd in the queue · starts about 15:40 (nvidia.com/gpu: 2 short)\n");
        assert_eq!(said(&queued()), wanted);
        assert_eq!(said(&PatchJob { status: None, ..queued() }), "patchjob/ablation-512 created\n");
        let mut first = place(TEAM_MAX, 1);
        first["reservedAt"] = json!("2026-03-02T16:05:00Z");
        let wanted = format!("{head} · 1st in the queue · starts at 16:05 at the latest (nvidia.com/gpu: 2 short)\n");
        assert_eq!(said(&waits(&first)), wanted);
        let behind = json!({"summary": "1/1", "position": 1, "of": 1, "reason": "Behind", "message": "it would delay x/a",
            "saidAt": "2026-03-02T12:06:00Z"});
        assert_eq!(said(&waits(&behind)), format!("{head} · 1st in the queue · it would delay x/a\n"));
        let far = json!({"summary": ">10", "reason": "TeamMax", "message": TEAM_MAX, "saidAt": "2026-03-02T12:06:00Z",
            "short": {"resource": "nvidia.com/gpu", "amount": "2"}});
        assert_eq!(said(&waits(&far)), format!("{head} · >10 in the queue (nvidia.com/gpu: 2 short)\n"));
    }

    #[test]
    fn what_waits_for_nobodys_quota_or_was_refused_says_why() {
        let said = |reason: &str, message: &str| {
            created(&job(&json!({"conditions": [condition(reason, "False", message)]})), &now())
        };
        let wanted = "patchjob/tumour-detector created · a came first on PatchCluster bench\n";
        assert_eq!(said("Queued", "a came first on PatchCluster bench"), wanted);
        let wanted = "patchjob/tumour-detector created · NoTeam · namespace \"x\" belongs to no Team\n";
        assert_eq!(said("NoTeam", "namespace \"x\" belongs to no Team"), wanted);
    }
}
