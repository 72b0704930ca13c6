//! What a pass says of clusters and teams, and what it remembers.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, COMPLETE, EVICTED, READY, Reason};
use microtome_api::quantity::Quantity;
use microtome_api::{ClusterStatus, Team, TeamStatus};
use microtome_queue::Amounts;
use serde_json::json;

use super::book::{Book, Entry};
use super::decide::{Outcome, decide};
use super::observe::{Holding, Observed};
use super::snapshot::{State, clusters};
use super::{nodes, status};
use crate::cluster::fixtures;

/// A cluster with these conditions, the team that holds its namespace, and a node with room for three gangs.
fn observed(conditions: &[(&str, bool, Reason)]) -> Observed {
    let mut cluster = fixtures::cluster();
    let new = |&(kind, on, reason): &_| condition::new(kind, Some(on), reason, "", Timestamp::UNIX_EPOCH);
    let conditions = conditions.iter().map(new).collect();
    cluster.status = Some(ClusterStatus { conditions, ..ClusterStatus::default() });
    let status = json!({"allocatable": {"cpu": "30", "memory": "64Gi", "nvidia.com/gpu": "4"},
        "conditions": [{"type": "Ready", "status": "True"}]});
    Observed {
        teams: vec![fixtures::team()],
        clusters: vec![cluster],
        profiles: vec![fixtures::profile()],
        nodes: vec![serde_json::from_value(json!({"metadata": {"name": "n"}, "status": status})).unwrap()],
        provisioning_timeout_seconds: 1800,
        ..Observed::default()
    }
}

fn queued() -> Observed {
    observed(&[(READY, false, Reason::Queued)])
}

fn running() -> Observed {
    observed(&[(READY, true, Reason::Running), (ADMITTED, true, Reason::Admitted)])
}

fn pod(is_head: bool, node: Option<&str>) -> Holding {
    Holding {
        namespace: "x".into(),
        cluster_uid: "cluster-uid".into(),
        is_head,
        created: Some(200),
        node: node.map(str::to_owned),
        amounts: Amounts::from([("cpu".to_owned(), 4000)]),
    }
}

fn max(observed: &mut Observed, resource: &str, most: &str) {
    observed.teams[0].spec.max.insert(resource.to_owned(), Quantity(most.to_owned()));
}

fn outcome(observed: &Observed) -> Outcome {
    decide(observed, &clusters(observed), 2000)
}

/// `Admitted` of each cluster that changes, and the teams that do.
fn pass(observed: &Observed) -> (Vec<String>, Vec<(Team, TeamStatus)>) {
    let (outcome, now) = (outcome(observed), Timestamp::from_second(2000).unwrap());
    let line = |status: &ClusterStatus| {
        let admitted = status.conditions.iter().find(|condition| condition.type_ == ADMITTED).unwrap();
        format!("{} {}: {}", admitted.status, admitted.reason, admitted.message)
    };
    let changed = status::clusters(observed, &outcome, now);
    (changed.iter().map(|(_, status)| line(status)).collect(), status::teams(observed, &outcome, now))
}

/// What the only cluster holds of `cpu`, in cores.
fn cores(observed: &Observed) -> Option<i128> {
    match &clusters(observed).first()?.state {
        State::Waiting => None,
        State::Holds { holds, .. } => Some(holds.iter().map(|hold| hold.amounts["cpu"]).sum::<i128>() / 1000),
    }
}

#[test]
fn the_first_starts_and_the_second_is_told_what_it_waits_for() {
    let mut observed = queued();
    max(&mut observed, "nvidia.com/gpu", "1");
    let mut second = observed.clusters[0].clone();
    second.metadata.uid = Some("later-uid".into());
    observed.clusters.insert(0, second);
    let (lines, teams) = pass(&observed);
    assert_eq!(lines[0], "True Admitted: charged to team t");
    let waits =
        "False Queued: team t uses 1 of its max 1 nvidia.com/gpu, and this wants 1; position 1 in the team's queue";
    assert_eq!(lines[1], waits);
    let status = &teams[0].1;
    assert_eq!((status.running, status.queued, status.used["nvidia.com/gpu"].0.as_str()), (1, 1, "1"));
    assert_eq!((status.conditions[0].reason.as_str(), status.half_life_seconds), ("Ready", Some(604_800)));
    let book = outcome(&observed).book;
    assert_eq!(book.runs["cluster-uid"].started, 2000);
    assert!(!book.runs.contains_key("later-uid") && book.accepted.len() == 2);
}

#[test]
fn the_ledger_remembers_of_the_queue_only_whom_nobody_has_told() {
    let mut observed = queued();
    observed.teams[0].spec.job_limits.max_running = Some(0);
    let (untold, now) = (outcome(&observed), Timestamp::from_second(2000).unwrap());
    assert!(untold.book.accepted.contains("cluster-uid"));
    observed.kept.book = untold.book.clone();
    observed.clusters[0].status = Some(status::clusters(&observed, &untold, now).remove(0).1);
    let told = outcome(&observed);
    assert!(told.book.accepted.is_empty() && told.played.accepted.is_empty(), "and its deadline counts once");
}

#[test]
fn more_than_the_ledger_can_hold_come_into_the_queue_in_several_passes() {
    let mut observed = queued();
    observed.teams[0].spec.job_limits.max_running = Some(0);
    let one = observed.clusters[0].clone();
    observed.clusters = (0..5_001)
        .map(|number| {
            let mut cluster = one.clone();
            cluster.metadata.uid = Some(format!("uid-{number:04}"));
            cluster
        })
        .collect();
    let first = outcome(&observed);
    assert_eq!((first.book.accepted.len(), first.decisions.len()), (5_000, 5_000));
    observed.kept.book = first.book;
    assert_eq!(outcome(&observed).book.accepted.len(), 5_001);
}

#[test]
fn what_the_ledger_admitted_is_said_again_by_whoever_comes_after() {
    let mut observed = queued();
    observed.kept.book.runs.insert("cluster-uid".into(), Entry { started: 1500, ..Entry::default() });
    assert_eq!(pass(&observed).0, ["True Admitted: charged to team t"]);
    assert_eq!(outcome(&observed).book.runs["cluster-uid"].started, 1500, "once");
}

#[test]
fn two_passes_from_one_ledger_say_the_same_and_a_quiet_one_remembers_nothing_new() {
    let mut observed = queued();
    let first = outcome(&observed).book;
    assert_eq!(first, outcome(&observed).book);
    observed.kept.book = first.clone();
    let again = outcome(&observed).book;
    assert_eq!(Book { ledger: None, ..again }, Book { ledger: None, ..first });
}

#[test]
fn quota_is_held_until_the_pods_are_gone() {
    assert_eq!(cores(&running()), Some(10), "the gang, before a pod is there");
    let mut busy = running();
    busy.pods = vec![pod(true, Some("n")), pod(false, Some("n"))];
    assert_eq!(cores(&busy), Some(4 + 4 + 4), "two pods, and a worker that may come");
    busy.workers.insert("cluster-uid".into(), 5);
    assert_eq!(cores(&busy), Some(4 + 5 * 4), "workers that were asked for are charged before they are there");
    let mut ended = observed(&[(COMPLETE, true, Reason::Complete), (ADMITTED, true, Reason::Admitted)]);
    assert_eq!(cores(&ended), None, "no pod is left");
    ended.pods = vec![pod(false, None)];
    assert_eq!(cores(&ended), Some(4));
    ended.clusters.clear();
    assert_eq!(cores(&ended), Some(4), "its cluster is gone, its pod is not");
}

#[test]
fn a_suspended_cluster_is_admitted_anew_once_it_holds_nothing() {
    let mut observed = running();
    observed.clusters[0].spec.suspend = true;
    observed.pods = vec![pod(false, None)];
    assert_eq!((cores(&observed), pass(&observed).0.len()), (Some(4), 0));
    observed.pods.clear();
    assert_eq!(pass(&observed).0, ["False Suspended: spec.suspend is true"]);
    assert!(outcome(&observed).book.runs.is_empty());
}

#[test]
fn pods_that_find_no_node_give_their_quota_back_and_ask_again_later() {
    let mut observed = running();
    observed.kept.book.runs.insert("cluster-uid".into(), Entry { started: 200, ..Entry::default() });
    observed.pods = vec![pod(true, Some("n"))];
    assert!(outcome(&observed).book.backoffs.is_empty(), "its head has a node");
    let young = Holding { created: Some(201), ..pod(true, None) };
    observed.pods = vec![young];
    assert!(outcome(&observed).book.backoffs.is_empty(), "a later attempt's pod begins to look when it is made");
    observed.pods = vec![pod(true, None)];
    let (lines, _) = pass(&observed);
    assert_eq!(lines, ["False ProvisioningTimeout: its pods found no node for 1800 s"]);
    let outcome = outcome(&observed);
    let (_, changed) = status::clusters(&observed, &outcome, Timestamp::UNIX_EPOCH).remove(0);
    assert!(condition::is_true(&changed.conditions, EVICTED));
    assert_eq!(outcome.book.backoffs["cluster-uid"].until, 2060);
    // The operator died before it could say so: the next one does.
    observed.kept.book = Book { ledger: None, ..outcome.book.clone() };
    assert_eq!(pass(&observed).0, ["False ProvisioningTimeout: its pods found no node for 1800 s"]);
    // Its pods are gone, and it waits.
    let mut later = queued();
    later.kept.book = Book { ledger: None, ..outcome.book };
    assert_eq!(pass(&later).0, ["False Queued: its pods found no node; it asks again at 1970-01-01 00:34 UTC"]);
}

#[test]
fn a_guarantee_is_had_back_where_the_platform_wants_it() {
    let mut observed = running();
    observed.fair_share.reclaim.enabled = true;
    observed.fair_share.reclaim.min_runtime_seconds = 60;
    observed.kept.book.runs.insert("cluster-uid".into(), Entry { started: 0, ..Entry::default() });
    let mut team = fixtures::team();
    (team.metadata.name, team.spec.namespaces) = (Some("u".into()), vec!["y".into()]);
    for (resource, amount) in [("cpu", "30"), ("memory", "64Gi"), ("nvidia.com/gpu", "4")] {
        team.spec.guarantee.insert(resource.into(), Quantity(amount.into()));
    }
    observed.teams.push(team);
    // It borrows all that there is.
    observed.workers.insert("cluster-uid".into(), 7);
    let mut other = queued().clusters.remove(0);
    (other.metadata.uid, other.metadata.namespace, other.metadata.name) =
        (Some("other".into()), Some("y".into()), Some("b".into()));
    other.metadata.creation_timestamp = Some(Time(Timestamp::from_second(1000).unwrap()));
    observed.clusters.push(other);
    let (lines, _) = pass(&observed);
    assert!(
        lines.contains(&"False Evicted: it ran on what y/b is guaranteed, and gives way to it".to_owned()),
        "{lines:?}"
    );
    assert!(outcome(&observed).book.runs["cluster-uid"].is_leaving);
}

#[test]
fn workers_may_grow_into_what_is_left_of_max_and_nodes() {
    let mut observed = running();
    assert_eq!(outcome(&observed).allowed["cluster-uid"], 2 + 5, "20 of 30 cores are left, for four-core workers");
    max(&mut observed, "cpu", "19");
    assert_eq!(outcome(&observed).allowed["cluster-uid"], 2 + 2);
    observed.workers.insert("cluster-uid".into(), 4);
    assert_eq!(outcome(&observed).allowed["cluster-uid"], 4, "and no further");
}

#[test]
fn what_can_never_start_is_told_so() {
    let mut observed = queued();
    max(&mut observed, "cpu", "4");
    assert_eq!(pass(&observed).0, ["False ExceedsTeamMax: wants 10 cpu, and the max of team t is 4"]);
    observed.teams[0].spec.max.clear();
    observed.nodes.clear();
    assert!(pass(&observed).0[0].starts_with("False ExceedsTeamMax: wants 10 cpu, and all nodes and pools have 0"));
}

#[test]
fn a_cluster_queues_since_its_job_was_made() {
    let mut observed = queued();
    observed.clusters[0].metadata.creation_timestamp = Some(Time(Timestamp::from_second(20).unwrap()));
    assert_eq!(clusters(&observed)[0].job.submitted, 20);
    observed.jobs.insert("job-uid".into(), 10);
    assert_eq!(clusters(&observed)[0].job.submitted, 10);
}

#[test]
fn what_somebody_else_manages_is_not_in_the_queue() {
    let mut observed = queued();
    observed.clusters[0].spec.managed_by = Some("kueue.x-k8s.io/kueue".into());
    assert!(clusters(&observed).is_empty());
    assert_eq!(outcome(&observed).allowed["cluster-uid"], u32::MAX, "its workers are not ours to count");
    observed.pods = vec![pod(true, Some("n"))];
    assert_eq!(nodes::taken(&observed)["n"]["cpu"], 4000, "its pods are in the way of others");
}

#[test]
fn teams_say_what_is_wrong_with_them_by_its_field_and_the_others_go_on() {
    let mut observed = queued();
    let mut claims = observed.teams[0].clone();
    claims.metadata.name = Some("u".into());
    let mut lost = fixtures::team();
    (lost.metadata.name, lost.spec.namespaces, lost.spec.parent_name) =
        (Some("v".into()), vec![], Some("nobody".into()));
    observed.teams.extend([claims, lost]);
    let (lines, teams) = pass(&observed);
    assert_eq!(lines, ["True Admitted: charged to team t"]);
    let ready = |name: &str| {
        let condition = &teams.iter().find(|(team, _)| team.name_any() == name).unwrap().1.conditions[0];
        format!("{} {}", condition.reason, condition.message)
    };
    assert_eq!(ready("u"), "Conflict an older Team holds namespace x (t)");
    assert_eq!(ready("v"), "InvalidTeam spec.parentName: no team nobody");
}

/// What is wrong with a team.
type Change<'a> = &'a dyn Fn(&mut Team);

/// What is said of other teams, made as they are named and changed; the cluster's own team is there beside them.
fn said_of(observed: &Observed, others: &[(&str, Change<'_>)]) -> Vec<String> {
    let mut observed = observed.clone();
    for (name, change) in others {
        let mut team = fixtures::team();
        (team.metadata.name, team.spec.namespaces) = (Some((*name).to_owned()), Vec::new());
        change(&mut team);
        observed.teams.push(team);
    }
    let (lines, teams) = pass(&observed);
    assert_eq!(lines, ["True Admitted: charged to team t"], "the queue goes on for the others");
    let last = teams.into_iter().rev().take(others.len()).rev();
    let ready = |(team, status): (Team, TeamStatus)| {
        let condition = status.conditions.into_iter().find(|condition| condition.type_ == READY).unwrap();
        format!("{}: {} {} {}", team.name_any(), condition.status, condition.reason, condition.message)
    };
    last.map(ready).collect()
}

#[test]
fn bad_teams_are_named_by_their_field() {
    let parent = |name: &'static str| move |team: &mut Team| team.spec.parent_name = Some(name.to_owned());
    assert_eq!(
        said_of(&queued(), &[("u", &parent("v")), ("v", &parent("u"))]),
        [
            "u: False InvalidTeam spec.parentName: cycle u → v → u",
            "v: False InvalidTeam spec.parentName: cycle v → u → v"
        ]
    );
    let one = |team: &mut Team| drop(team.spec.guarantee.insert("nvidia.com/gpu".to_owned(), Quantity("1".to_owned())));
    let above = |team: &mut Team| {
        team.spec.parent_name = Some("u".to_owned());
        team.spec.guarantee.insert("nvidia.com/gpu".to_owned(), Quantity("2".to_owned()));
    };
    assert_eq!(
        said_of(&queued(), &[("u", &one), ("v", &above)]),
        ["u: True Ready ", "v: True Ready spec.guarantee.nvidia.com/gpu: 2 is above the 1 of team u, which counts"]
    );
    let weight = |weight: i64| move |team: &mut Team| team.spec.weight = weight;
    assert_eq!(
        said_of(&queued(), &[("u", &weight(0)), ("v", &weight(2_000_000_000)), ("w", &weight(-1))]),
        [
            "u: True Ready spec.weight: 0 runs only what no other team beside it wants",
            "v: True Ready spec.weight: 2000000000 leaves nothing to teams of usual weights",
            "w: True Ready spec.weight: 0 runs only what no other team beside it wants",
        ]
    );
}

#[test]
fn a_max_below_what_runs_is_told_and_nobody_is_stopped_for_it() {
    let mut observed = running();
    max(&mut observed, "cpu", "4");
    observed.teams[0].spec.job_limits.max_running = Some(0);
    let (lines, teams) = pass(&observed);
    assert_eq!(lines, ["True Admitted: charged to team t"]);
    let told = "spec.max.cpu: 4 is below the 10 that run; spec.jobLimits.maxRunning: 0 is below the 1 that run";
    let ready = &teams[0].1.conditions[0];
    assert_eq!((ready.status.as_str(), ready.message.as_str()), ("True", told));
}

#[test]
fn who_waits_is_told_its_place_and_when_it_starts_and_nothing_else_is_written_for_that() {
    let mut observed = queued();
    max(&mut observed, "nvidia.com/gpu", "1");
    observed.clusters[0].spec.active_deadline_seconds = Some(600);
    let mut second = observed.clusters[0].clone();
    (second.metadata.uid, second.metadata.name) = (Some("later-uid".into()), Some("later".into()));
    observed.clusters.push(second);
    let statuses = |observed: &Observed, second: i64| {
        let outcome = decide(observed, &clusters(observed), second);
        status::clusters(observed, &outcome, Timestamp::from_second(second).unwrap())
    };
    let written = statuses(&observed, 2000);
    let place = written[1].1.queue.clone().unwrap();
    // The deadline of the first, and the minute is over.
    assert_eq!((place.summary.as_str(), place.starts_at.unwrap().0.as_second()), ("1/1", 2640));
    assert_eq!(written[0].1.queue, None);
    let book = outcome(&observed).book;
    let (first, mut second) = (written[0].clone(), written[1].clone());
    let said = |(mut cluster, status): (microtome_api::PatchCluster, ClusterStatus)| {
        cluster.status = Some(status);
        cluster
    };
    observed.kept.book = book;
    observed.clusters = vec![said(first.clone()), said(second.clone())];
    for later in [2001, 2029, 2031, 2300] {
        assert_eq!(statuses(&observed, later).len(), 0, "at {later}");
    }
    // It is suspended: it has no place any more.
    second.0.spec.suspend = true;
    observed.clusters = vec![said(first), said(second)];
    let written = statuses(&observed, 2301);
    assert_eq!((written.len(), written[0].1.queue.clone()), (1, None));
}

#[test]
fn a_full_queue_refuses_those_that_came_last() {
    let mut observed = queued();
    observed.teams[0].spec.job_limits.max_running = Some(0);
    observed.teams[0].spec.job_limits.max_queued = Some(1);
    observed.clusters[0].metadata.creation_timestamp = Some(Time(Timestamp::from_second(20).unwrap()));
    let mut earlier = observed.clusters[0].clone();
    earlier.metadata.uid = Some("earlier-uid".into());
    earlier.metadata.creation_timestamp = Some(Time(Timestamp::from_second(10).unwrap()));
    observed.clusters.push(earlier);
    let (lines, _) = pass(&observed);
    assert_eq!(lines[0], "False ExceedsTeamMax: jobLimits.maxQueued 1 of team t is reached");
    assert!(lines[1].starts_with("False Queued: 0 jobs of team t run"), "{lines:?}");
    // Who is in the queue stays there, though an older job comes.
    observed.kept.book.accepted.insert("cluster-uid".into());
    let (lines, _) = pass(&observed);
    assert!(lines[0].starts_with("False Queued") && lines[1].starts_with("False ExceedsTeamMax"), "{lines:?}");
}

#[test]
fn what_did_not_change_is_not_written() {
    let mut observed = queued();
    max(&mut observed, "cpu", "4");
    let (outcome, now) = (outcome(&observed), Timestamp::UNIX_EPOCH);
    let (mut cluster, changed) = status::clusters(&observed, &outcome, now).remove(0);
    cluster.status = Some(changed);
    let (mut team, changed) = status::teams(&observed, &outcome, now).remove(0);
    team.status = Some(changed);
    (observed.clusters, observed.teams) = (vec![cluster], vec![team]);
    let (lines, teams) = pass(&observed);
    assert!(lines.is_empty() && teams.is_empty());
}
