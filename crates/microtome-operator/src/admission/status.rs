//! What admission says of clusters and teams: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, EVICTED, READY, Reason};
use microtome_api::quantity::Quantity;
use microtome_api::{ClusterStatus, PatchCluster, QueueState, Team, TeamStatus};
use microtome_queue::{Amounts, Refusal, Standing};

use super::decide::{Outcome, Verdict};
use super::observe::Observed;
use super::place::{self, News, clock};
use super::snapshot::{Cluster, State, gave_back};
use crate::metrics::teams::Stand;
use crate::tenancy;

/// Clusters whose condition `Admitted` or whose place changes, those that start first.
pub(crate) fn clusters(observed: &Observed, outcome: &Outcome, now: Timestamp) -> Vec<(PatchCluster, ClusterStatus)> {
    let mut verdicts: BTreeMap<&str, &Verdict> = BTreeMap::new();
    for decision in &outcome.decisions {
        verdicts.entry(&decision.key.uid).or_insert(&decision.verdict);
    }
    let mut changes = Vec::new();
    for cluster in &observed.clusters {
        let (uid, before) = (cluster.uid().unwrap_or_default(), cluster.status.clone().unwrap_or_default());
        let mut status = ClusterStatus { queue: None, ..before.clone() };
        let verdict = verdicts.get(uid.as_str()).copied();
        if let Some(Verdict::Wait(told)) = verdict {
            let message = place::words(&told.reason, |holder| observed.title(holder));
            let news = News { told, message, expected: outcome.expected.get(&uid).copied() };
            status.queue = Some(place::place(news, before.queue.as_ref(), now));
        }
        let said = verdict.and_then(|verdict| say(verdict, status.queue.as_ref()));
        if let Some((on, reason, message)) = said {
            set(&mut status, verdict, condition::new(ADMITTED, Some(on), reason, message, now));
        } else if gave_back(cluster, observed) {
            let verdict = condition::new(ADMITTED, Some(false), Reason::Suspended, "spec.suspend is true", now);
            condition::set(&mut status.conditions, verdict);
        }
        if status != before {
            changes.push((condition::is_true(&status.conditions, ADMITTED), cluster.clone(), status));
        }
    }
    changes.sort_by_key(|(on, _, _)| !on);
    changes.into_iter().map(|(_, cluster, status)| (cluster, status)).collect()
}

/// What was said of admission; one that is evicted says so beside it until it is admitted again.
fn set(status: &mut ClusterStatus, verdict: Option<&Verdict>, admitted: Condition) {
    if matches!(verdict, Some(Verdict::Evict { .. } | Verdict::NotProvisioned { .. })) {
        let evicted = Condition { type_: EVICTED.to_owned(), status: "True".to_owned(), ..admitted.clone() };
        condition::set(&mut status.conditions, evicted);
    } else if admitted.status == "True" {
        status.conditions.retain(|condition| condition.type_ != EVICTED);
    }
    condition::set(&mut status.conditions, admitted);
}

fn say(verdict: &Verdict, place: Option<&QueueState>) -> Option<(bool, Reason, String)> {
    let told = match verdict {
        Verdict::Admit { team } => (true, Reason::Admitted, format!("charged to team {team}")),
        Verdict::Wait(_) => (false, Reason::Queued, place.map(place::line).unwrap_or_default()),
        Verdict::BacksOff { until } => {
            let message = format!("its pods found no node; it asks again at {}", clock(*until));
            (false, Reason::Queued, message)
        }
        Verdict::Evict { gives_way_to } => {
            let message = format!("it ran on what {gives_way_to} is guaranteed, and gives way to it");
            (false, Reason::Evicted, message)
        }
        Verdict::NotProvisioned { seconds } => {
            (false, Reason::ProvisioningTimeout, format!("its pods found no node for {seconds} s"))
        }
        Verdict::Reject(refusal) => (false, Reason::ExceedsTeamMax, refused(refusal)),
        // The cluster's controller says so.
        Verdict::NoTeam => return None,
    };
    Some(told)
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AboveMax { team, resource, max, wanted } => {
            let [max, wanted] = [max, wanted].map(|&amount| Quantity::from_milli(amount));
            format!("wants {wanted} {resource}, and the max of team {team} is {max}")
        }
        Refusal::AboveCapacity { resource, capacity, wanted } => {
            let [capacity, wanted] = [capacity, wanted].map(|&amount| Quantity::from_milli(amount));
            format!("wants {wanted} {resource}, and all nodes and pools have {capacity}")
        }
        refusal => refusal.to_string(),
    }
}

/// Teams whose status changes.
pub(crate) fn teams(observed: &Observed, outcome: &Outcome, now: Timestamp) -> Vec<(Team, TeamStatus)> {
    let status = |team: &Team| {
        let mut status = team.status.clone().unwrap_or_default();
        if let Some(standing) = outcome.standings.get(&team.name_any()) {
            stand(&mut status, standing);
            status.half_life_seconds = Some(observed.fair_share.half_life_seconds.into());
        }
        status.observed_generation = team.metadata.generation;
        condition::set(&mut status.conditions, ready(team, observed, outcome, now));
        status
    };
    let changes = observed.teams.iter().map(|team| (team.clone(), status(team)));
    changes.filter(|(team, status)| team.status.as_ref() != Some(status)).collect()
}

/// How teams stand, in numbers.
pub(crate) fn gauges(clusters: &[Cluster], outcome: &Outcome) -> BTreeMap<String, Stand> {
    let mut oldest: BTreeMap<&str, i64> = BTreeMap::new();
    for cluster in clusters.iter().filter(|cluster| cluster.state == State::Waiting) {
        let since = oldest.entry(&cluster.job.team).or_insert(cluster.job.submitted);
        *since = cluster.job.submitted.min(*since);
    }
    let waited = |team: &str| oldest.get(team).map_or(0, |since| outcome.scene.now - since);
    let stand = |(team, standing): (&String, &Standing)| (team.clone(), Stand::new(standing, waited(team)));
    outcome.standings.iter().map(stand).collect()
}

fn stand(status: &mut TeamStatus, standing: &Standing) {
    let count = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    status.used = quantities(&standing.used);
    (status.running, status.queued) = (count(standing.running), count(standing.waiting));
    // The share of a team that runs on moves for ever: what was said stands until it is off by more than the last digit.
    let near = |said: &Option<String>, part: u128| said.clone().filter(|said| is_near(said, part));
    status.share = near(&status.share, standing.share).or_else(|| Some(hundredths(standing.share)));
    status.fair_share = Some(hundredths(standing.target));
}

fn is_near(said: &str, part: u128) -> bool {
    let digits = |text: &str| text.replace('.', "").parse::<i32>().ok();
    digits(said).zip(digits(&hundredths(part))).is_some_and(|(said, now)| (said - now).abs() <= 1)
}

/// What runs a team's jobs, or why it does not; faults that stop nothing are told all the same.
fn ready(team: &Team, observed: &Observed, outcome: &Outcome, now: Timestamp) -> Condition {
    let conflicts = tenancy::conflicts(&observed.teams, team);
    if !conflicts.is_empty() {
        let held: Vec<_> = conflicts.iter().map(|(namespace, holder)| format!("{namespace} ({holder})")).collect();
        let message = format!("an older Team holds namespace {}", held.join(", "));
        return condition::new(READY, Some(false), Reason::Conflict, message, now);
    }
    let faults = outcome.faults.get(&team.name_any()).map(Vec::as_slice).unwrap_or_default();
    let message = faults.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("; ");
    match faults.iter().any(|(_, is_fatal)| *is_fatal) {
        true => condition::new(READY, Some(false), Reason::InvalidTeam, message, now),
        false => condition::new(READY, Some(true), Reason::Ready, message, now),
    }
}

fn quantities(amounts: &Amounts) -> BTreeMap<String, Quantity> {
    let some = amounts.iter().filter(|(_, amount)| **amount > 0);
    some.map(|(resource, &milli)| (resource.clone(), Quantity::from_milli(milli))).collect()
}

/// A part with 60 binary places, as `0.61`: finer would be a write a second.
fn hundredths(part: u128) -> String {
    let hundredths = (part.min(1 << 60) * 100 + (1 << 59)) >> 60;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
