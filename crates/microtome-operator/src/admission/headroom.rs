//! How many workers each running cluster may have: those that it has, and its part of what is left of its team's max and of
//! the nodes. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use microtome_api::Team;
use microtome_queue::{Amounts, Standing};

use super::observe::Observed;
use super::snapshot::{Cluster, State, amounts, has_ended};

/// By uid. Clusters of one team divide what is left among them, so that all of them together never take more.
pub(crate) fn allowed(
    observed: &Observed,
    clusters: &[Cluster],
    standings: &BTreeMap<String, Standing>,
    capacity: Amounts,
) -> BTreeMap<String, u32> {
    let runs = |cluster: &&Cluster| matches!(cluster.state, State::Holds { is_leaving: false, .. });
    let running: Vec<&Cluster> = clusters.iter().filter(runs).collect();
    let used = |team: &Team| standings.get(&team.name_any()).map(|standing| &standing.used);
    let tops = observed.teams.iter().filter(|team| team.spec.parent_name.is_none());
    let free = tops.filter_map(used).fold(capacity, less);
    let left: BTreeMap<String, Amounts> =
        observed.teams.iter().map(|team| (team.name_any(), rest(team, used(team)))).collect();
    let mut sharing: BTreeMap<String, usize> = BTreeMap::new();
    for team in running.iter().flat_map(|cluster| path(&cluster.job.team, &observed.teams)) {
        *sharing.entry(team).or_default() += 1;
    }
    let most = |cluster: &&Cluster| {
        let uid = &cluster.key.uid;
        let [_, workers] = cluster.job.pods.as_slice() else { return None };
        let has = observed.workers.get(uid).copied().unwrap_or(workers.count).max(workers.count);
        let above = path(&cluster.job.team, &observed.teams).into_iter();
        let parts = above.map(|team| part(&left[&team], &workers.requests, sharing[&team]));
        let more = parts.fold(part(&free, &workers.requests, running.len()), u64::min);
        Some((uid.clone(), u32::try_from(has.saturating_add(more)).unwrap_or(u32::MAX)))
    };
    // Whoever manages a cluster counts it.
    let managed = observed.clusters.iter().filter(|cluster| cluster.spec.managed_by.is_some() && !has_ended(cluster));
    let unlimited = managed.filter_map(|cluster| Some((cluster.uid()?, u32::MAX)));
    running.iter().filter_map(most).chain(unlimited).collect()
}

/// How many workers fit into one of `sharing` parts of what is left. A resource that is not named there is not limited.
fn part(left: &Amounts, worker: &Amounts, sharing: usize) -> u64 {
    let sharing = i128::try_from(sharing.max(1)).unwrap_or(i128::MAX);
    let fits = worker.iter().filter(|(_, wanted)| **wanted > 0).filter_map(|(resource, &wanted)| {
        let left = left.get(resource)?;
        u64::try_from((left / sharing / wanted).max(0)).ok()
    });
    fits.min().unwrap_or(u64::MAX)
}

/// Of a capacity, without what is used.
fn less(mut left: Amounts, used: &Amounts) -> Amounts {
    for (resource, used) in used {
        *left.entry(resource.clone()).or_default() -= used;
    }
    left
}

/// What is left of a team's max; what the max does not name is not limited.
fn rest(team: &Team, used: Option<&Amounts>) -> Amounts {
    let mut left = amounts(&team.spec.max);
    for (resource, left) in &mut left {
        *left -= used.and_then(|used| used.get(resource)).copied().unwrap_or_default();
    }
    left
}

/// A team and all above it; a circle is followed once.
fn path(team: &str, teams: &[Team]) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let mut next = teams.iter().find(|one| one.name_any() == team);
    while let Some(team) = next.filter(|team| !path.contains(&team.name_any())) {
        path.push(team.name_any());
        let parent = team.spec.parent_name.as_ref();
        next = parent.and_then(|parent| teams.iter().find(|one| one.name_any() == *parent));
    }
    path
}
