//! How many workers each running cluster may have: those that it has, and its part of what is left of its team's max and of
//! the nodes. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use microtome_queue::{Amounts, Snapshot};

use super::observe::Observed;
use super::snapshot::{Cluster, State, amounts};

/// By uid. Clusters of one team divide what is left among them, so that all of them together never take more.
pub(crate) fn allowed(observed: &Observed, clusters: &[Cluster], queue: &Snapshot) -> BTreeMap<String, u32> {
    let runs = |cluster: &&Cluster| matches!(cluster.state, State::Holds { is_leaving: false, .. });
    let running: Vec<&Cluster> = clusters.iter().filter(runs).collect();
    let free = free(observed, queue);
    let mut allowed = BTreeMap::new();
    for cluster in &running {
        let [_, workers] = cluster.job.pods.as_slice() else { continue };
        let has = observed.workers.get(&cluster.key.uid).copied().unwrap_or(workers.count).max(workers.count);
        let mut more = part(&free, &workers.requests, running.len());
        for (team, left) in above(&cluster.job.team, observed, queue) {
            let sharing = running.iter().filter(|other| is_under(&other.job.team, &team, observed)).count();
            more = more.min(part(&left, &workers.requests, sharing));
        }
        let most = has.saturating_add(more);
        allowed.insert(cluster.key.uid.clone(), u32::try_from(most).unwrap_or(u32::MAX));
    }
    allowed
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

/// What nobody holds of all nodes and pools.
fn free(observed: &Observed, queue: &Snapshot) -> Amounts {
    let mut free = queue.capacity();
    let standings = queue.standings();
    let tops = observed.teams.iter().filter(|team| team.spec.parent_name.is_none());
    for standing in tops.filter_map(|top| standings.get(&top.name_any())) {
        for (resource, used) in &standing.used {
            *free.entry(resource.clone()).or_default() -= used;
        }
    }
    free
}

/// What is left of the max of a team, and of each above it.
fn above(team: &str, observed: &Observed, queue: &Snapshot) -> Vec<(String, Amounts)> {
    let standings = queue.standings();
    let mut left = Vec::new();
    let mut next = Some(team.to_owned());
    // As many steps as there are teams, should they form a circle.
    for _ in 0..observed.teams.len() {
        let Some(object) = next.and_then(|name| observed.teams.iter().find(|team| team.name_any() == name)) else {
            break;
        };
        let used = standings.get(&object.name_any()).map(|standing| standing.used.clone()).unwrap_or_default();
        let rest = amounts(&object.spec.max).into_iter();
        let rest = rest.map(|(resource, max)| {
            let used = used.get(&resource).copied().unwrap_or_default();
            (resource, max - used)
        });
        left.push((object.name_any(), rest.collect()));
        next = object.spec.parent_name.clone();
    }
    left
}

fn is_under(team: &str, top: &str, observed: &Observed) -> bool {
    let mut next = Some(team.to_owned());
    for _ in 0..=observed.teams.len() {
        match next {
            Some(name) if name == top => return true,
            Some(name) => {
                let object = observed.teams.iter().find(|team| team.name_any() == name);
                next = object.and_then(|team| team.spec.parent_name.clone());
            }
            None => return false,
        }
    }
    false
}
