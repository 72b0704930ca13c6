//! What waits, in the order in which its teams' queues have it.

use std::cmp::Reverse;

use jiff::{Timestamp, Zoned};
use kube::{Resource, ResourceExt};
use microtome_api::{PatchCluster, PatchJob};
use serde::Serialize;

use super::clusters;
use crate::table::table;
use crate::text::{self, NOTHING};
use crate::waiting::{Waiting, waiting};

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
    /// Its reservation: it starts then at the latest.
    pub(crate) starts: Option<Timestamp>,
    pub(crate) created: Option<Timestamp>,
}

/// A job, if it waits.
pub(crate) fn of_job(job: &PatchJob, with_memory: bool) -> Option<Waiter> {
    let waiting = waiting(text::conditions(job))?;
    let team = job.status.as_ref().and_then(|status| status.team.clone());
    let wants = job.spec.cluster_spec.as_ref().map(|spec| clusters::wants(spec, with_memory));
    Some(Waiter { kind: "patchjob", team, wants, ..new(job, &waiting) })
}

/// A standing cluster, if it waits. One that a job owns is the job's matter.
pub(crate) fn of_cluster(cluster: &PatchCluster, with_memory: bool) -> Option<Waiter> {
    if cluster.owner_references().iter().any(|owner| owner.kind == PatchJob::kind(&())) {
        return None;
    }
    let waiting = waiting(&cluster.status.as_ref()?.conditions)?;
    let wants = Some(clusters::wants(&cluster.spec, with_memory));
    Some(Waiter { kind: "patchcluster", wants, ..new(cluster, &waiting) })
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
        starts: waiting.starts,
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
            or_nothing(waiter.starts.map(|starts| format!("{} (reserved)", text::clock(starts, now)))),
        ]
    };
    table(&HEADER, &waiters.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, cluster, condition, now, queued, running};

    #[test]
    fn what_waits_is_in_its_queues_order() {
        let mut first = queued();
        let why = "4 cpu free on all nodes, and this wants 8; position 1 in the team's queue; starts at 2026-03-02 16:05 UTC at the latest";
        first.metadata.name = Some("tiles-20x".to_owned());
        first.status.as_mut().unwrap().conditions[0].message = why.to_owned();
        let mut late = queued();
        late.metadata.name = Some("late".to_owned());
        late.status.as_mut().unwrap().conditions[0].message =
            format!("{TEAM_MAX}; behind 10 or more in the team's queue");
        let bench = cluster("bench", &json!({"conditions": [condition("Queued", "False", "waits for admission")]}));
        let jobs = [late, queued(), first, running()];
        let mut waiters: Vec<_> = jobs.iter().filter_map(|job| of_job(job, false)).collect();
        waiters.extend(of_cluster(&bench, false));
        sort(&mut waiters);
        let wanted = "\
#   JOB                            TEAM        WANTS           REASON                                                                                                           STARTS
–   pathology/patchcluster/bench   –           2 gpu, 16 cpu   waits for admission                                                                                              –
1   pathology/tiles-20x            pathology   2 gpu, 16 cpu   4 cpu free on all nodes, and this wants 8                                                                        16:05 (reserved)
2   pathology/ablation-512         pathology   2 gpu, 16 cpu   team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2                                              –
–   pathology/late                 pathology   2 gpu, 16 cpu   team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2; behind 10 or more in the team's queue   –
";
        let squeezed = |text: &str| {
            text.lines()
                .map(|line| {
                    line.split("   ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join("|")
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(squeezed(&queue(&waiters, &now())), squeezed(wanted));
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
