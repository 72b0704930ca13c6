//! What admission says of clusters and teams: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, READY, Reason};
use microtome_api::quantity::Quantity;
use microtome_api::{ClusterStatus, PatchCluster, Team, TeamStatus};
use microtome_queue::{Amounts, Reason as Why, Refusal};

use super::decide::{Decision, Verdict};
use super::observe::Observed;
use super::snapshot::{Cluster, State, has_ended};
use crate::tenancy;

/// Positions are told up to here: with every start all positions change, and each is a write.
const TOLD_POSITIONS: usize = 10;

/// Clusters whose condition `Admitted` changes, those that start first.
pub(crate) fn clusters(
    observed: &Observed,
    decisions: &[Decision],
    now: Timestamp,
) -> Vec<(PatchCluster, ClusterStatus)> {
    let mut changes = Vec::new();
    for decision in decisions {
        let Some(cluster) = observed.clusters.iter().find(|cluster| cluster.uid().as_ref() == Some(&decision.key.uid))
        else {
            continue;
        };
        let team = tenancy::team_of(&observed.teams, &decision.key.namespace).map(ResourceExt::name_any);
        let Some((on, reason, message)) = verdict(&decision.verdict, &team.unwrap_or_default()) else { continue };
        let mut status = cluster.status.clone().unwrap_or_default();
        condition::set(&mut status.conditions, condition::new(ADMITTED, Some(on), reason, message, now));
        if Some(&status) != cluster.status.as_ref() {
            changes.push((on, cluster.clone(), status));
        }
    }
    changes.sort_by_key(|(on, _, _)| !on);
    changes.into_iter().map(|(_, cluster, status)| (cluster, status)).collect()
}

fn verdict(verdict: &Verdict, team: &str) -> Option<(bool, Reason, String)> {
    match verdict {
        Verdict::Admit => Some((true, Reason::Admitted, format!("charged to team {team}"))),
        Verdict::Wait { position, reason } => {
            let position = match position {
                ..=TOLD_POSITIONS => format!("position {position} in the team's queue"),
                _ => format!("behind {TOLD_POSITIONS} or more in the team's queue"),
            };
            let why = match reason {
                Why::TeamMax { team, resource, used, max, wanted } => {
                    let [used, max, wanted] = [used, max, wanted].map(|&amount| Quantity::from_milli(amount));
                    format!("team {team} uses {used} of its max {max} {resource}, and this wants {wanted}")
                }
                other => other.to_string(),
            };
            Some((false, Reason::Queued, format!("{why}; {position}")))
        }
        Verdict::Reject(Refusal::AboveMax { team, resource, max, wanted }) => {
            let [max, wanted] = [max, wanted].map(|&amount| Quantity::from_milli(amount));
            let message = format!("wants {wanted} {resource}, and the max of team {team} is {max}");
            Some((false, Reason::ExceedsTeamMax, message))
        }
        Verdict::Reject(refusal) => Some((false, Reason::ExceedsTeamMax, refusal.to_string())),
        // The cluster's controller says so.
        Verdict::NoTeam => None,
    }
}

/// Teams whose status changes.
pub(crate) fn teams(
    observed: &Observed,
    clusters: &[Cluster],
    decisions: &[Decision],
    now: Timestamp,
) -> Vec<(Team, TeamStatus)> {
    let status = |team: &Team| {
        let mut status = team.status.clone().unwrap_or_default();
        (status.used, status.running, status.queued) = usage(&team.name_any(), observed, clusters, decisions);
        status.observed_generation = team.metadata.generation;
        let conflicts = tenancy::conflicts(&observed.teams, team);
        let ready = if conflicts.is_empty() {
            condition::new(READY, Some(true), Reason::Ready, "", now)
        } else {
            let held: Vec<_> = conflicts.iter().map(|(namespace, holder)| format!("{namespace} ({holder})")).collect();
            let message = format!("an older Team holds namespace {}", held.join(", "));
            condition::new(READY, Some(false), Reason::Conflict, message, now)
        };
        condition::set(&mut status.conditions, ready);
        status
    };
    let changes = observed.teams.iter().map(|team| (team.clone(), status(team)));
    changes.filter(|(team, status)| team.status.as_ref() != Some(status)).collect()
}

/// What a team uses, how many of its clusters run, and how many wait, after the decisions.
fn usage(
    team: &str,
    observed: &Observed,
    clusters: &[Cluster],
    decisions: &[Decision],
) -> (BTreeMap<String, Quantity>, i32, i32) {
    let (mut used, mut running, mut queued) = (Amounts::new(), 0, 0);
    for cluster in clusters.iter().filter(|cluster| cluster.team == team) {
        let decision = decisions.iter().find(|decision| decision.key == cluster.key).map(|decision| &decision.verdict);
        let charged = match (&cluster.state, decision) {
            (State::Admitted { charged }, _) => charged.clone(),
            (State::Waiting, Some(Verdict::Admit)) => cluster.wants(),
            (State::Waiting, verdict) => {
                queued += i32::from(matches!(verdict, Some(Verdict::Wait { .. })));
                continue;
            }
        };
        let object = observed.clusters.iter().find(|object| object.uid().as_ref() == Some(&cluster.key.uid));
        running += i32::from(object.is_some_and(|object| !has_ended(object)));
        for (resource, amount) in charged {
            *used.entry(resource).or_default() += amount;
        }
    }
    (used.into_iter().map(|(resource, milli)| (resource, Quantity::from_milli(milli))).collect(), running, queued)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::decide::decide;
    use crate::admission::snapshot::{self, tests::observed};

    fn pass(observed: &Observed) -> (Vec<String>, Vec<(Team, TeamStatus)>) {
        let all = snapshot::clusters(observed);
        let decisions = decide(observed, &all, 0);
        let clusters = clusters(observed, &decisions, Timestamp::UNIX_EPOCH);
        let line = |status: &ClusterStatus| {
            let admitted = status.conditions.iter().find(|condition| condition.type_ == ADMITTED).unwrap();
            format!("{} {}: {}", admitted.status, admitted.reason, admitted.message)
        };
        let lines = clusters.iter().map(|(_, status)| line(status)).collect();
        (lines, teams(observed, &all, &decisions, Timestamp::UNIX_EPOCH))
    }

    fn queued(max: &[(&str, &str)]) -> Observed {
        let mut observed = observed(&[(READY, false, Reason::Queued)]);
        observed.teams[0].spec.max =
            max.iter().map(|&(name, max)| (name.to_owned(), Quantity(max.to_owned()))).collect();
        observed
    }

    #[test]
    fn the_first_starts_and_the_second_is_told_what_it_waits_for() {
        let mut observed = queued(&[("nvidia.com/gpu", "1")]);
        let mut second = observed.clusters[0].clone();
        second.metadata.uid = Some("later-uid".into());
        observed.clusters.insert(0, second);
        let (lines, teams) = pass(&observed);
        let wanted = [
            "True Admitted: charged to team t",
            "False Queued: team t uses 1 of its max 1 nvidia.com/gpu, and this wants 1; position 1 in the team's queue",
        ];
        assert_eq!(lines, wanted);
        let status = &teams[0].1;
        assert_eq!((status.running, status.queued, status.used["nvidia.com/gpu"].0.as_str()), (1, 1, "1"));
        assert_eq!(status.conditions[0].reason, "Ready");
    }

    #[test]
    fn what_can_never_start_is_told_so() {
        let wanted = ["False ExceedsTeamMax: wants 10 cpu, and the max of team t is 4"];
        assert_eq!(pass(&queued(&[("cpu", "4")])).0, wanted);
    }

    #[test]
    fn what_did_not_change_is_not_written() {
        let mut observed = queued(&[("cpu", "4")]);
        let all = snapshot::clusters(&observed);
        let decisions = decide(&observed, &all, 0);
        let (cluster, status) = clusters(&observed, &decisions, Timestamp::UNIX_EPOCH).remove(0);
        observed.clusters = vec![PatchCluster { status: Some(status), ..cluster }];
        let (team, status) = teams(&observed, &all, &decisions, Timestamp::UNIX_EPOCH).remove(0);
        observed.teams = vec![Team { status: Some(status), ..team }];
        let (lines, teams) = pass(&observed);
        assert!(lines.is_empty() && teams.is_empty());
    }

    #[test]
    fn a_team_that_claims_anothers_namespace_is_told_whose_it_is() {
        let mut observed = queued(&[]);
        let mut other = observed.teams[0].clone();
        other.metadata.name = Some("u".into());
        observed.teams.push(other);
        let (_, teams) = pass(&observed);
        let condition = &teams.iter().find(|(team, _)| team.name_any() == "u").unwrap().1.conditions[0];
        assert_eq!(
            (condition.reason.as_str(), condition.message.as_str()),
            ("Conflict", "an older Team holds namespace x (t)")
        );
    }
}
