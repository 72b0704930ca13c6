//! What waits, in the order in which its teams' queues have it.

use std::cmp::Reverse;

use jiff::{Timestamp, Zoned};
use kube::{Resource, ResourceExt};
use microtome_api::{PatchCluster, PatchJob};
use serde::Serialize;

use super::clusters;
use crate::table::table;
use crate::text::{self, NOTHING};
use crate::waiting::{self, Waiting};

const HEADER: [&str; 6] = ["#", "JOB", "TEAM", "WANTS", "REASON", "STARTS"];

/// One that waits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiter {
    /// `patchjob`, or `patchcluster` for one that stands.
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) team: Option<String>,
    /// In its team's queue; told of the first ones only.
    pub(crate) position: Option<u32>,
    /// What its head and first workers are charged for; nothing on a standing cluster.
    pub(crate) wants: Option<String>,
    pub(crate) reason: String,
    /// About when it starts.
    pub(crate) starts_at: Option<Timestamp>,
    /// Its reservation: it starts then at the latest.
    pub(crate) reserved_at: Option<Timestamp>,
    pub(crate) created: Option<Timestamp>,
}

/// A job, if it waits.
pub(crate) fn of_job(job: &PatchJob, with_memory: bool) -> Option<Waiter> {
    let waiting = waiting::of_job(job)?;
    let team = job.status.as_ref().and_then(|status| status.team.clone());
    let wants = job.spec.cluster_spec.as_ref().map(|spec| clusters::wants(spec, with_memory));
    Some(Waiter { kind: "patchjob", team, wants, ..new(job, &waiting) })
}

/// A standing cluster, if it waits. One that a job owns is the job's matter.
pub(crate) fn of_cluster(cluster: &PatchCluster, with_memory: bool) -> Option<Waiter> {
    if cluster.owner_references().iter().any(|owner| owner.kind == PatchJob::kind(&())) {
        return None;
    }
    let waiting = waiting::of_cluster(cluster)?;
    let team = cluster.status.as_ref().and_then(|status| status.team.clone());
    let wants = Some(clusters::wants(&cluster.spec, with_memory));
    Some(Waiter { kind: "patchcluster", team, wants, ..new(cluster, &waiting) })
}

fn new(object: &impl ResourceExt, waiting: &Waiting) -> Waiter {
    Waiter {
        kind: "",
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        team: None,
        position: waiting.position,
        wants: None,
        reason: text::one_line(&waiting.why),
        starts_at: waiting.starts_at,
        reserved_at: waiting.reserved_at,
        created: object.creation_timestamp().map(|time| time.0),
    }
}

/// In order: by team, and in a team by position; those whose position nobody told come last, the oldest first.
pub(crate) fn sort(waiters: &mut [Waiter]) {
    let place = |waiter: &Waiter| {
        let told = Reverse(waiter.position.is_some());
        (waiter.team.clone(), told, waiter.position, waiter.created, waiter.namespace.clone(), waiter.name.clone())
    };
    waiters.sort_by_key(place);
}

/// What was promised counts above what is expected.
fn starts(waiter: &Waiter, now: &Zoned) -> Option<String> {
    let reserved = waiter.reserved_at.map(|reserved| format!("{} (reserved)", text::clock(reserved, now)));
    reserved.or_else(|| waiter.starts_at.map(|about| text::clock(about, now)))
}

/// The table; empty if nothing waits.
pub(crate) fn queue(waiters: &[Waiter], now: &Zoned) -> String {
    let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
    let row = |waiter: &Waiter| {
        let name = match waiter.kind {
            "patchjob" => waiter.name.clone(),
            kind => format!("{kind}/{}", waiter.name),
        };
        vec![
            or_nothing(waiter.position.map(|position| position.to_string())),
            format!("{}/{name}", waiter.namespace),
            or_nothing(waiter.team.clone()),
            or_nothing(waiter.wants.clone()),
            waiter.reason.clone(),
            or_nothing(starts(waiter, now)),
        ]
    };
    table(&HEADER, &waiters.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, cluster, condition, now, place, queued, running, waits};

    #[test]
    fn what_waits_is_in_its_queues_order() {
        let named = |name: &str, place: &Value| {
            let mut job = waits(place);
            job.metadata.name = Some(name.to_owned());
            job
        };
        let mut nodes = place("4 cpu free on all nodes, and this wants 8", 1);
        nodes["reservedAt"] = json!("2026-03-02T16:05:00Z");
        let mut far = place(TEAM_MAX, 11);
        for told in ["position", "of", "startsAt"] {
            far.as_object_mut().unwrap().remove(told);
        }
        let conditions = [condition("Queued", "False", "waits for admission")];
        let bench = cluster("bench", &json!({"conditions": conditions, "team": "pathology"}));
        let new = cluster("new", &json!({"conditions": conditions}));
        let jobs = [named("late", &far), queued(), named("tiles-20x", &nodes), running()];
        let mut waiters: Vec<_> = jobs.iter().filter_map(|job| of_job(job, false)).collect();
        waiters.extend([bench, new].iter().filter_map(|cluster| of_cluster(cluster, false)));
        sort(&mut waiters);
        let wanted = "\
#   JOB                            TEAM        WANTS           REASON                                                                STARTS
–   pathology/patchcluster/new     –           2 gpu, 16 cpu   waits for admission                                                   –
1   pathology/tiles-20x            pathology   2 gpu, 16 cpu   4 cpu free on all nodes, and this wants 8                             16:05 (reserved)
2   pathology/ablation-512         pathology   2 gpu, 16 cpu   team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2   15:40
–   pathology/patchcluster/bench   pathology   2 gpu, 16 cpu   waits for admission                                                   –
–   pathology/late                 pathology   2 gpu, 16 cpu   team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2   –
";
        assert_eq!(queue(&waiters, &now()), wanted);
        assert_eq!(queue(&[], &now()), "");
    }

    #[test]
    fn a_jobs_own_cluster_is_the_jobs_matter() {
        let mut own = cluster("a", &json!({"conditions": [condition("Queued", "False", "")]}));
        own.metadata.owner_references = serde_json::from_value(json!([{"apiVersion": "microtome.dev/v1alpha1",
            "kind": "PatchJob", "name": "a", "uid": "1", "controller": true}]))
        .unwrap();
        assert_eq!(of_cluster(&own, false), None);
    }
}
