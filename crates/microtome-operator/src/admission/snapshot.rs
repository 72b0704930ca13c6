//! From objects to what the queue decides by: pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, READY, Reason};
use microtome_api::quantity::{Quantity, QuantityError};
use microtome_api::{PatchCluster, Resources};
use microtome_queue::{Amounts, Hold, Job, JobLimits, Ledger, PodGroup, Reclaim, Settings, Team, TeamFault};

use super::book::Entry;
use super::nodes;
use super::observe::{Holding, Observed, created};
use super::scene::{Asked, Place, Running, Scene, gathered};
use crate::cluster::head_pools;
use crate::{tenancy, write};

/// Where a cluster declares no deadline.
const NO_DEADLINE_SECONDS: u64 = 31_536_000;

/// A cluster that waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) key: Key,
    pub(crate) job: Job,
    pub(crate) state: State,
}

/// Which cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Key {
    /// What people call it.
    pub(crate) fn title(&self) -> String {
        match self.name.as_str() {
            "" => format!("a job of {} that is gone", self.namespace),
            name => format!("{}/{name}", self.namespace),
        }
    }
}

/// Whether a cluster waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// Was admitted, or its pods are not yet gone.
    Holds {
        holds: Vec<Hold>,
        /// Whether it will hold nothing soon.
        is_leaving: bool,
    },
}

/// What the queue decides by. Clusters that do not ask again yet are not in it.
pub(crate) fn scene(observed: &Observed, clusters: &[Cluster], asks: impl Fn(&str) -> bool, now: i64) -> Scene {
    let (share, kept) = (&observed.fair_share, &observed.kept.book);
    let half_life = u64::from(share.half_life_seconds);
    let mut ledger = kept.ledger.clone().unwrap_or_else(|| Ledger::new(half_life, now));
    if ledger.half_life_seconds() != half_life {
        ledger.set_half_life(half_life);
    }
    let now = now.max(ledger.at());
    let reclaim = Reclaim { min_runtime_seconds: share.reclaim.min_runtime_seconds.into() };
    let nodes = nodes::nodes(&observed.nodes, nodes::taken(observed), &observed.pools);
    let mut scene = Scene {
        now,
        ledger,
        settings: Settings { reclaim: share.reclaim.enabled.then_some(reclaim) },
        pools: nodes::pools(&observed.pools),
        nodes: nodes.into_iter().map(|node| (node.name.clone(), node)).collect(),
        teams: observed.teams.iter().map(|one| (one.name_any(), team(one, observed))).collect(),
        jobs: BTreeMap::new(),
        places: BTreeMap::new(),
        reservations: kept.reservations.clone(),
    };
    let told = observed.clusters.iter().filter(|cluster| is_told_accepted(cluster)).filter_map(ResourceExt::uid);
    let told: BTreeSet<String> = told.collect();
    for cluster in clusters {
        let uid = &cluster.key.uid;
        let place = match &cluster.state {
            State::Waiting if asks(uid) => {
                Place::Asks { is_accepted: told.contains(uid) || kept.accepted.contains(uid) }
            }
            State::Waiting => continue,
            State::Holds { holds, is_leaving } => Place::Runs(running(cluster, holds, *is_leaving, observed, now)),
        };
        scene.jobs.insert(uid.clone(), Asked { title: cluster.key.title(), job: cluster.job.clone() });
        scene.places.insert(uid.clone(), place);
    }
    scene
}

fn running(cluster: &Cluster, holds: &[Hold], is_leaving: bool, observed: &Observed, now: i64) -> Running {
    let entry = observed.kept.book.runs.get(&cluster.key.uid).copied();
    let entry = entry.unwrap_or(Entry { started: now, ..Entry::default() });
    let deadline = i64::try_from(cluster.job.deadline_seconds).unwrap_or(i64::MAX);
    Running {
        started: entry.started,
        ends: entry.started.saturating_add(deadline),
        within: entry.within,
        is_leaving: is_leaving || entry.is_leaving,
        holds: gathered(holds),
    }
}

fn team(team: &microtome_api::Team, observed: &Observed) -> Team {
    let spec = &team.spec;
    let count = |limit: Option<i32>| limit.and_then(|limit| u64::try_from(limit).ok());
    let conflicts = tenancy::conflicts(&observed.teams, team);
    let claimed =
        conflicts.into_iter().next().map(|(namespace, holder)| TeamFault::NamespaceClaimed { namespace, holder });
    Team {
        parent: spec.parent_name.clone(),
        weight: u64::try_from(spec.weight).unwrap_or_default(),
        guarantee: amounts(&spec.guarantee),
        max: amounts(&spec.max),
        limits: JobLimits {
            max_running: count(spec.job_limits.max_running),
            max_queued: count(spec.job_limits.max_queued),
            max_deadline_seconds: spec
                .job_limits
                .max_active_deadline_seconds
                .and_then(|limit| u64::try_from(limit).ok()),
        },
        fault: claimed,
    }
}

/// Who waits, and who holds what.
pub(crate) fn clusters(observed: &Observed) -> Vec<Cluster> {
    let mut remaining: BTreeMap<&str, Vec<&Holding>> = BTreeMap::new();
    for pod in &observed.pods {
        remaining.entry(&pod.cluster_uid).or_default().push(pod);
    }
    let mut clusters = Vec::new();
    for cluster in &observed.clusters {
        let pods = remaining.remove(cluster.uid().unwrap_or_default().as_str()).unwrap_or_default();
        clusters.extend(entry(cluster, &pods, observed));
    }
    // Clusters that are gone while their pods are not.
    for (uid, pods) in remaining {
        let namespace = pods.first().map(|pod| pod.namespace.clone()).unwrap_or_default();
        let key = Key { namespace: namespace.clone(), name: String::new(), uid: uid.to_owned() };
        let Some(team) = team_name(observed, &namespace) else { continue };
        let job = Job {
            id: uid.to_owned(),
            team,
            priority: 0,
            submitted: 0,
            order: 0,
            deadline_seconds: NO_DEADLINE_SECONDS,
            pods: Vec::new(),
        };
        let state = State::Holds { holds: pods.iter().map(|pod| pod.hold()).collect(), is_leaving: true };
        clusters.push(Cluster { key, job, state });
    }
    clusters
}

/// A cluster's place in the queue; none where it neither waits nor holds anything.
fn entry(cluster: &PatchCluster, pods: &[&Holding], observed: &Observed) -> Option<Cluster> {
    let (namespace, uid) = (cluster.namespace().unwrap_or_default(), cluster.uid()?);
    let groups = gang(cluster, observed).ok()?;
    let deadline = cluster.spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let submitted = write::owner_uid(cluster).and_then(|uid| observed.jobs.get(&uid).copied());
    let job = Job {
        id: uid.clone(),
        team: team_name(observed, &namespace)?,
        priority: cluster.spec.priority.into(),
        submitted: submitted.unwrap_or_else(|| created(cluster)),
        order: 0,
        deadline_seconds: deadline.unwrap_or(NO_DEADLINE_SECONDS),
        pods: groups,
    };
    let state = state(cluster, &job.pods, pods, observed)?;
    Some(Cluster { key: Key { namespace, name: cluster.name_any(), uid }, job, state })
}

fn state(cluster: &PatchCluster, gang: &[PodGroup], pods: &[&Holding], observed: &Observed) -> Option<State> {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    // Whoever manages it counts it; its pods are as any other's on the nodes.
    if cluster.spec.managed_by.is_some() {
        return None;
    }
    let held = || pods.iter().map(|pod| pod.hold()).collect::<Vec<_>>();
    let leaves = || (!pods.is_empty()).then(|| State::Holds { holds: held(), is_leaving: true });
    if has_ended(cluster) || cluster.spec.suspend || cluster.metadata.deletion_timestamp.is_some() {
        return leaves();
    }
    if is_admitted(cluster, observed) {
        let mut holds = held();
        holds.extend(missing(cluster, gang, pods, observed));
        return Some(State::Holds { holds, is_leaving: false });
    }
    // Evicted, and its pods are not yet gone.
    leaves().or_else(|| waits(conditions).then_some(State::Waiting))
}

/// Whether the cluster may use its quota: its condition says so, or the ledger does and the condition is about to.
pub(crate) fn is_admitted(cluster: &PatchCluster, observed: &Observed) -> bool {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let entry = cluster.uid().and_then(|uid| observed.kept.book.runs.get(&uid).copied());
    match entry {
        Some(entry) => !entry.is_leaving,
        // Admitted before there was a ledger.
        None => condition::is_true(conditions, ADMITTED),
    }
}

/// Whether the cluster's condition says that its declared deadline was taken note of: it waits, or has been admitted at some time.
pub(crate) fn is_told_accepted(cluster: &PatchCluster) -> bool {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut verdicts = conditions.iter().filter(|condition| condition.type_ == ADMITTED);
    verdicts.any(|verdict| verdict.reason != Reason::ExceedsTeamMax.as_str())
}

/// What an admitted cluster may make at any moment and has not made yet: the rest of its gang, and of the workers that were asked
/// for.
fn missing(cluster: &PatchCluster, gang: &[PodGroup], pods: &[&Holding], observed: &Observed) -> Vec<Hold> {
    let asked = cluster.uid().and_then(|uid| observed.workers.get(&uid).copied()).unwrap_or(0);
    let there = |is_head: bool| pods.iter().filter(|pod| pod.is_head == is_head).count() as u64;
    let [head, workers] = gang else { return Vec::new() };
    let lacks = [
        (head, head.count.saturating_sub(there(true))),
        (workers, workers.count.max(asked).saturating_sub(there(false))),
    ];
    let hold = |group: &PodGroup| Hold { node: None, amounts: group.requests.clone() };
    lacks.into_iter().flat_map(|(group, lack)| (0..lack).map(move |_| hold(group))).collect()
}

/// Whether a cluster was suspended and now holds nothing: it is to be admitted anew.
pub(crate) fn gave_back(cluster: &PatchCluster, observed: &Observed) -> bool {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let uid = cluster.uid().unwrap_or_default();
    cluster.spec.suspend
        && condition::is_true(conditions, ADMITTED)
        && !has_ended(cluster)
        && observed.pods.iter().all(|pod| pod.cluster_uid != uid)
}

/// Whether the cluster has run and is over; only pods that are not yet gone are charged then.
pub(crate) fn has_ended(cluster: &PatchCluster) -> bool {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition::has_ended(conditions)
}

/// The cluster's controller has found nothing wrong with it but the lack of quota.
fn waits(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> bool {
    let reasons = [Reason::Queued.as_str(), Reason::ExceedsTeamMax.as_str()];
    conditions.iter().any(|condition| condition.type_ == READY && reasons.contains(&condition.reason.as_str()))
}

/// What the cluster needs to start: the head and its least number of workers, and the pools in which they may be.
fn gang(cluster: &PatchCluster, observed: &Observed) -> Result<Vec<PodGroup>, QuantityError> {
    let caps = observed.profiles.iter().find(|profile| profile.name_any() == cluster.spec.profile_name);
    let (head, workers) = caps
        .map_or((&[][..], &[][..]), |profile| (head_pools(cluster, profile), profile.spec.workers.pools.as_slice()));
    let group =
        |count, resources, pools: &[String]| Ok(PodGroup { count, requests: exact(resources)?, pools: pools.to_vec() });
    let count = u64::try_from(cluster.spec.workers.min_replicas).unwrap_or_default();
    Ok(vec![group(1, &cluster.spec.head.resources, head)?, group(count, &cluster.spec.workers.resources, workers)?])
}

fn exact(resources: &Resources) -> Result<Amounts, QuantityError> {
    resources.limits.iter().map(|(resource, amount)| Ok((resource.clone(), amount.milli()?))).collect()
}

pub(crate) fn amounts(written: &BTreeMap<String, Quantity>) -> Amounts {
    // What is no quantity was refused when the object was decoded; a limit of nothing is the safe reading.
    written.iter().map(|(resource, amount)| (resource.clone(), amount.milli().unwrap_or_default())).collect()
}

pub(crate) fn team_name(observed: &Observed, namespace: &str) -> Option<String> {
    tenancy::team_of(&observed.teams, namespace).map(ResourceExt::name_any)
}
