//! What `submit` says of a job that was just made.

use jiff::Zoned;
use kube::ResourceExt;
use microtome_api::PatchJob;
use microtome_api::quantity::Quantity;

use crate::text;
use crate::waiting::waiting;

/// `patchjob/a created · team pathology · 3rd in the queue · starts about 14:20 (nvidia.com/gpu: 1 short)`: as much of it as
/// the operator has said so far.
pub(crate) fn created(job: &PatchJob, now: &Zoned) -> String {
    let mut parts = vec![format!("patchjob/{} created", job.name_any())];
    parts.extend(job.status.as_ref().and_then(|status| status.team.as_ref()).map(|team| format!("team {team}")));
    let conditions = text::conditions(job);
    if let Some(waiting) = waiting(conditions) {
        parts.extend(waiting.position.map(|position| format!("{} in the queue", text::ordinal(position))));
        parts.extend(waiting.starts.map(|starts| format!("starts at {} at the latest", text::clock(starts, now))));
        match waiting.short {
            Some(short) => parts.push(format!("{}: {} short", short.resource, Quantity::from_milli(short.milli))),
            None if waiting.position.is_none() => parts.push(text::one_line(&waiting.why)),
            None => {}
        }
    } else if let Some(ready) = text::ready(conditions).filter(|ready| ready.reason != "Pending") {
        parts.push(ready.reason.clone());
        if ready.status != "True" && !ready.message.is_empty() {
            parts.push(text::one_line(&ready.message));
        }
    }
    parts.join(" · ") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, condition, job, now, queued};

    #[test]
    fn as_much_is_said_as_is_known() {
        let said = |job: &PatchJob| created(job, &now());
        let waits = "patchjob/ablation-512 created · team pathology · 2nd in the queue · nvidia.com/gpu: 2 short\n";
        assert_eq!(said(&queued()), waits);
        assert_eq!(said(&PatchJob { status: None, ..queued() }), "patchjob/ablation-512 created\n");
        let why = format!("{TEAM_MAX}; position 1 in the team's queue; starts at 2026-03-02 15:40 UTC at the latest");
        let status = json!({"team": "pathology", "conditions": [condition("Queued", "False", &why)]});
        let wanted = "patchjob/tumour-detector created · team pathology · 1st in the queue · starts at 15:40 at the latest · \
             nvidia.com/gpu: 2 short\n";
        assert_eq!(said(&job(&status)), wanted);
        let refused = json!({"conditions": [condition("NoTeam", "False", "namespace \"x\" belongs to no Team")]});
        let wanted = "patchjob/tumour-detector created · noteam · namespace \"x\" belongs to no Team\n";
        assert_eq!(said(&job(&refused)), wanted.replace("noteam", "NoTeam"));
    }
}
