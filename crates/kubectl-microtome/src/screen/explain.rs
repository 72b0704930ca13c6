//! Why a job is as it is, and what would change that: pure.

use jiff::{Timestamp, Zoned};
use kube::ResourceExt;
use microtome_api::{PatchCluster, PatchJob, Short};

use super::clusters;
use crate::text;
use crate::waiting::{self, Waiting};

/// The explanation; `clusters` are those of the job's namespace.
pub(crate) fn explain(job: &PatchJob, clusters: &[PatchCluster], now: &Zoned) -> String {
    let name = job.name_any();
    if let Some(waiting) = waiting::of_job(job) {
        return waits(&name, &waiting, clusters, now);
    }
    let Some(ready) = text::ready(text::conditions(job)) else {
        return format!("{name} has not been looked at yet: is the operator running?\n");
    };
    let mut said = format!("{name} {}", state(&ready.reason));
    if !ready.message.is_empty() && ready.reason != "Complete" {
        said += &format!(": {}", text::harmless(&ready.message).trim_end());
    }
    said.push('\n');
    if let Some(advice) = advice(&ready.reason) {
        said += &format!("{}\n", advice.replace("NAME", &name));
    }
    said
}

fn waits(name: &str, waiting: &Waiting, clusters: &[PatchCluster], now: &Zoned) -> String {
    let mut said = format!("{name} waits: {}.\n", text::one_line(&waiting.why));
    let mut ways = Vec::new();
    if let Some(short) = &waiting.short {
        ways.push(format!("with {} {} fewer in use", short.amount, short.resource));
        ways.extend(
            released(short, clusters)
                .map(|(end, last)| format!("at the latest at {} when {last} ends", text::clock(end, now))),
        );
    }
    if !ways.is_empty() {
        said += &format!("Nothing else would be in its way {}.\n", ways.join(", or "));
    }
    if let Some(about) = waiting.starts_at {
        let about = text::clock(about, now);
        said += &format!("It starts about {about} if nobody else comes and all take the time that they declared.\n");
    }
    if let Some(reserved) = waiting.reserved_at {
        said += &format!("Its place is reserved: it starts at {} at the latest.\n", text::clock(reserved, now));
    }
    if let Some(position) = waiting.position {
        said += &format!("It is {} in its team's queue (kubectl microtome queue).\n", text::ordinal(position));
    }
    said
}

/// When enough of a resource is given back by deadlines alone, and who is the last that it takes.
fn released(short: &Short, clusters: &[PatchCluster]) -> Option<(Timestamp, String)> {
    let mut ending: Vec<_> = clusters.iter().filter_map(|cluster| Some((clusters::ends(cluster)?, cluster))).collect();
    ending.sort_by_key(|(end, cluster)| (*end, cluster.name_any()));
    // The operator wrote it; were it no quantity, nobody would give it back.
    let missing = short.amount.milli().unwrap_or(i128::MAX);
    let mut free = 0;
    ending.into_iter().find_map(|(end, cluster)| {
        free += clusters::holds(cluster).get(&short.resource).copied().unwrap_or_default();
        (free >= missing).then(|| (end, cluster.name_any()))
    })
}

fn state(reason: &str) -> String {
    match reason {
        "Running" => "runs".to_owned(),
        "Starting" => "starts".to_owned(),
        "Suspended" => "is suspended".to_owned(),
        "Suspending" | "Evicting" => "gives its pods back".to_owned(),
        "Retrying" => "is started again".to_owned(),
        "Complete" => "is complete".to_owned(),
        "Failed" => "failed".to_owned(),
        "Pending" => "was seen and is looked at".to_owned(),
        other => format!("cannot run ({other})"),
    }
}

/// What the user can do about it.
fn advice(reason: &str) -> Option<&'static str> {
    let advice = match reason {
        "Failed" | "StorageDenied" => "Its log: kubectl microtome logs NAME",
        "Retrying" => "The log of its last attempt: kubectl microtome logs NAME",
        "Suspended" => "It queues again with: kubectl microtome resume NAME",
        "Running" => "How far it is: kubectl microtome status NAME --watch",
        "NoTeam" => "Ask a platform admin to add the namespace to a Team.",
        "ProfileNotAllowed" => {
            "Name another profile in spec.clusterSpec.profileName, or ask a platform admin to add it to the Team."
        }
        "LocationNotAllowed" => "Read and write inside the profile's locations, or ask a platform admin to add one.",
        "ImageNotAllowed" => "Use an image that the profile allows, or ask a platform admin to add its prefix.",
        "ExceedsTeamMax" | "ExceedsProfile" => "Ask for less in a new job: what was asked for cannot change.",
        "InvalidName" | "InvalidDataset" => "Delete it and submit it anew: a job's spec cannot change.",
        "Conflict" => "It goes on by itself when what is in its way is gone.",
        "NoCluster" => "Make the PatchCluster that it names, or give the job a clusterSpec of its own.",
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, cluster, condition, job, now, place, queued, running, waits};

    fn running_cluster(name: &str, start: &str) -> PatchCluster {
        cluster(name, &json!({"conditions": [condition("Running", "True", "")], "startTime": start, "workersReady": 1}))
    }

    #[test]
    fn a_job_that_waits_hears_what_would_start_it() {
        let clusters = [
            running_cluster("later", "2026-03-02T14:00:00Z"),
            running_cluster("tumour-detector", "2026-03-02T03:40:00Z"),
            cluster("ablation-512", &json!({})),
        ];
        let wanted = "\
ablation-512 waits: team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2.
Nothing else would be in its way with 2 nvidia.com/gpu fewer in use, or at the latest at 15:40 when tumour-detector ends.
It starts about 15:40 if nobody else comes and all take the time that they declared.
It is 2nd in its team's queue (kubectl microtome queue).
";
        assert_eq!(explain(&queued(), &clusters, &now()), wanted);
        let alone = explain(&queued(), &[], &now());
        assert!(alone.contains("way with 2 nvidia.com/gpu fewer in use.\n"), "{alone}");
    }

    #[test]
    fn several_may_have_to_end() {
        let mut first = place(&TEAM_MAX.replace("wants 2", "wants 4"), 1);
        (first["short"]["amount"], first["reservedAt"]) = (json!("4"), json!("2026-03-02T20:00:00Z"));
        let clusters = [running_cluster("b", "2026-03-02T06:00:00Z"), running_cluster("a", "2026-03-02T05:00:00Z")];
        let wanted = "\
ablation-512 waits: team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 4.
Nothing else would be in its way with 4 nvidia.com/gpu fewer in use, or at the latest at 18:00 when b ends.
It starts about 15:40 if nobody else comes and all take the time that they declared.
Its place is reserved: it starts at 20:00 at the latest.
It is 1st in its team's queue (kubectl microtome queue).
";
        assert_eq!(explain(&waits(&first), &clusters, &now()), wanted);
    }

    #[test]
    fn what_waits_for_nobodys_quota_is_explained_by_its_condition() {
        let backs_off = "its pods found no node; it asks again at 2026-03-02 15:40 UTC";
        for why in [backs_off, "a came first on PatchCluster bench"] {
            let job = job(&json!({"conditions": [condition("Queued", "False", why)]}));
            assert_eq!(explain(&job, &[], &now()), format!("tumour-detector waits: {why}.\n"));
        }
    }

    #[test]
    fn every_other_state_is_said_with_what_to_do() {
        let said = |reason: &str, message: &str| {
            explain(&job(&json!({"conditions": [condition(reason, "False", message)]})), &[], &now())
        };
        let wanted = "tumour-detector failed: exit code 3: boom\nIts log: kubectl microtome logs tumour-detector\n";
        assert_eq!(said("Failed", "exit code 3: boom\n"), wanted);
        let wanted = "tumour-detector cannot run (NoTeam): namespace \"x\" belongs to no Team\nAsk a platform admin to add the \
             namespace to a Team.\n";
        assert_eq!(said("NoTeam", "namespace \"x\" belongs to no Team"), wanted);
        assert_eq!(said("Complete", "exit code 0"), "tumour-detector is complete\n");
        let unseen = explain(&PatchJob { status: None, ..running() }, &[], &now());
        assert_eq!(unseen, "tumour-detector has not been looked at yet: is the operator running?\n");
    }
}
