//! From objects to what the queue decides by: pure.
//!
//! No nodes, pools or ledger yet: one node that has enough of everything, so that the teams' limits decide alone.

use std::collections::BTreeMap;

use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, COMPLETE, FAILED, READY, Reason};
use microtome_api::quantity::{Quantity, QuantityError};
use microtome_api::{PatchCluster, Resources};
use microtome_queue::{Amounts, Hold, Job, Ledger, Node, PodGroup, Run, Settings, Snapshot, Team};

use super::observe::{Observed, created};
use crate::{tenancy, write};

/// More than any cluster has of anything.
const PLENTY: i128 = 1 << 90;
/// Where a cluster declares no deadline.
const NO_DEADLINE_SECONDS: u64 = 31_536_000;
/// The week that Slurm's default is.
const HALF_LIFE_SECONDS: u64 = 604_800;

/// A cluster that waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) key: Key,
    /// The team that is charged.
    pub(crate) team: String,
    /// When it was asked for, in seconds.
    pub(crate) submitted: i64,
    pub(crate) deadline_seconds: u64,
    /// The gang: the head, and the workers without which it does not start.
    pub(crate) pods: Vec<PodGroup>,
    pub(crate) state: State,
}

/// Which cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Whether a cluster waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    /// Was admitted, or its pods are not yet gone.
    Admitted {
        charged: Amounts,
    },
}

/// What the queue decides by; waiting clusters are not in it yet.
pub(crate) fn queue(observed: &Observed, clusters: &[Cluster], now: i64) -> Snapshot {
    let mut queue = Snapshot::new(Ledger::new(HALF_LIFE_SECONDS, now), Settings::default(), now);
    let named = clusters.iter().flat_map(|cluster| &cluster.pods).flat_map(|group| group.requests.keys());
    let allocatable = named.map(|resource| (resource.clone(), PLENTY)).collect();
    queue.set_nodes(vec![Node { name: "any".to_owned(), allocatable, ..Node::default() }], Vec::new());
    let team = |team: &microtome_api::Team| (team.name_any(), Team { max: amounts(&team.spec.max), ..Team::default() });
    queue.set_teams(observed.teams.iter().map(team).collect());
    for cluster in clusters {
        if let State::Admitted { charged } = &cluster.state {
            let holds = vec![Hold { node: Some("any".to_owned()), amounts: charged.clone() }];
            queue.run(cluster.job(), Run { started: now, ends: now, holds, ..Run::default() });
        }
    }
    queue
}

impl Cluster {
    pub(crate) fn job(&self) -> Job {
        Job {
            id: self.key.uid.clone(),
            team: self.team.clone(),
            priority: 0,
            submitted: self.submitted,
            order: 0,
            deadline_seconds: self.deadline_seconds,
            pods: self.pods.clone(),
        }
    }

    /// What the whole gang wants.
    pub(crate) fn wants(&self) -> Amounts {
        held_by(&self.pods)
    }
}

/// Who waits, and who holds what.
pub(crate) fn clusters(observed: &Observed) -> Vec<Cluster> {
    let mut remaining: BTreeMap<&str, (Amounts, &str)> = BTreeMap::new();
    for pod in &observed.pods {
        let (held, _) = remaining.entry(&pod.cluster_uid).or_insert((Amounts::new(), &pod.namespace));
        add(held, &pod.amounts);
    }
    let mut clusters = Vec::new();
    for cluster in &observed.clusters {
        let held = remaining.remove(cluster.uid().unwrap_or_default().as_str()).map(|(held, _)| held);
        clusters.extend(entry(cluster, held, observed));
    }
    // Clusters that are gone while their pods are not.
    for (uid, (charged, namespace)) in remaining {
        let key = Key { namespace: namespace.to_owned(), name: String::new(), uid: uid.to_owned() };
        let team = team_name(observed, namespace);
        clusters.extend(team.map(|team| Cluster {
            key,
            team,
            submitted: 0,
            deadline_seconds: NO_DEADLINE_SECONDS,
            pods: Vec::new(),
            state: State::Admitted { charged },
        }));
    }
    clusters
}

/// A cluster's place in the queue; none where it neither waits nor holds anything.
fn entry(cluster: &PatchCluster, held: Option<Amounts>, observed: &Observed) -> Option<Cluster> {
    let namespace = cluster.namespace().unwrap_or_default();
    let pods = gang(cluster).ok()?;
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let state = if has_ended(cluster) {
        State::Admitted { charged: held? }
    } else if condition::is_true(conditions, ADMITTED) {
        State::Admitted { charged: held_by(&pods) }
    } else if waits(conditions) && cluster.metadata.deletion_timestamp.is_none() {
        State::Waiting
    } else {
        return None;
    };
    let deadline = cluster.spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let job = write::owner_uid(cluster).and_then(|uid| observed.jobs.get(&uid).copied());
    Some(Cluster {
        team: team_name(observed, &namespace)?,
        submitted: job.unwrap_or_else(|| created(cluster)),
        key: Key { namespace, name: cluster.name_any(), uid: cluster.uid()? },
        deadline_seconds: deadline.unwrap_or(NO_DEADLINE_SECONDS),
        pods,
        state,
    })
}

/// Whether the cluster has run and is over; only pods that are not yet gone are charged then.
pub(crate) fn has_ended(cluster: &PatchCluster) -> bool {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition::is_true(conditions, COMPLETE) || condition::is_true(conditions, FAILED)
}

/// The cluster's controller has found nothing wrong with it but the lack of quota.
fn waits(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> bool {
    let reasons = [Reason::Queued.as_str(), Reason::ExceedsTeamMax.as_str()];
    conditions.iter().any(|condition| condition.type_ == READY && reasons.contains(&condition.reason.as_str()))
}

/// What the cluster needs to start: the head and its least number of workers.
fn gang(cluster: &PatchCluster) -> Result<Vec<PodGroup>, QuantityError> {
    let group = |count, resources| Ok(PodGroup { count, requests: exact(resources)?, pools: Vec::new() });
    let workers = u64::try_from(cluster.spec.workers.min_replicas).unwrap_or_default();
    Ok(vec![group(1, &cluster.spec.head.resources)?, group(workers, &cluster.spec.workers.resources)?])
}

fn held_by(pods: &[PodGroup]) -> Amounts {
    let mut sum = Amounts::new();
    for group in pods {
        let amounts = group.requests.iter().map(|(name, amount)| (name.clone(), amount * i128::from(group.count)));
        add(&mut sum, &amounts.collect());
    }
    sum
}

fn exact(resources: &Resources) -> Result<Amounts, QuantityError> {
    resources.limits.iter().map(|(resource, amount)| Ok((resource.clone(), amount.milli()?))).collect()
}

fn amounts(written: &BTreeMap<String, Quantity>) -> Amounts {
    // What is no quantity was refused when the object was decoded; a limit of nothing is the safe reading.
    written.iter().map(|(resource, amount)| (resource.clone(), amount.milli().unwrap_or_default())).collect()
}

fn add(sum: &mut Amounts, amounts: &Amounts) {
    for (resource, amount) in amounts {
        *sum.entry(resource.clone()).or_default() += amount;
    }
}

fn team_name(observed: &Observed, namespace: &str) -> Option<String> {
    tenancy::team_of(&observed.teams, namespace).map(ResourceExt::name_any)
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;
    use microtome_api::ClusterStatus;

    use super::*;
    use crate::admission::observe::Holding;
    use crate::cluster::fixtures;

    /// A cluster with these conditions, and the team that holds its namespace.
    pub(crate) fn observed(conditions: &[(&str, bool, Reason)]) -> Observed {
        let mut cluster = fixtures::cluster();
        let new = |&(kind, on, reason): &_| condition::new(kind, Some(on), reason, "", Timestamp::UNIX_EPOCH);
        let conditions = conditions.iter().map(new).collect();
        cluster.status = Some(ClusterStatus { conditions, ..ClusterStatus::default() });
        Observed { teams: vec![fixtures::team()], clusters: vec![cluster], ..Observed::default() }
    }

    fn pod(uid: &str) -> Holding {
        let amounts = Amounts::from([("cpu".to_owned(), 4000)]);
        Holding { namespace: "x".into(), cluster_uid: uid.into(), amounts }
    }

    fn state(observed: &Observed) -> Vec<(String, State)> {
        clusters(observed).into_iter().map(|cluster| (cluster.key.uid, cluster.state)).collect()
    }

    #[test]
    fn the_gang_is_the_head_and_its_least_workers() {
        let gang = held_by(&gang(&fixtures::cluster()).unwrap());
        let gibibyte = 1000 << 30;
        let wanted = [("cpu", 2000 + 2 * 4000), ("memory", 12 * gibibyte), ("nvidia.com/gpu", 1000)];
        assert_eq!(gang, wanted.map(|(name, amount)| (name.to_owned(), amount)).into());
    }

    #[test]
    fn only_what_waits_for_quota_is_in_the_queue() {
        assert!(state(&observed(&[])).is_empty(), "not yet judged");
        assert!(state(&observed(&[(READY, false, Reason::ImageNotAllowed)])).is_empty(), "refused");
        let waiting = vec![("cluster-uid".to_owned(), State::Waiting)];
        assert_eq!(state(&observed(&[(READY, false, Reason::Queued)])), waiting);
        assert_eq!(
            state(&observed(&[(READY, false, Reason::ExceedsTeamMax)])),
            waiting,
            "the max may have been raised"
        );
    }

    #[test]
    fn a_cluster_queues_since_its_job_was_made() {
        let mut observed = observed(&[(READY, false, Reason::Queued)]);
        let made = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(20).unwrap());
        observed.clusters[0].metadata.creation_timestamp = Some(made);
        assert_eq!(clusters(&observed)[0].submitted, 20);
        observed.jobs.insert("job-uid".into(), 10);
        assert_eq!(clusters(&observed)[0].submitted, 10);
    }

    #[test]
    fn quota_is_held_until_the_pods_are_gone() {
        let running = observed(&[(READY, true, Reason::Running), (ADMITTED, true, Reason::Admitted)]);
        let all = held_by(&gang(&fixtures::cluster()).unwrap());
        assert_eq!(state(&running), [("cluster-uid".to_owned(), State::Admitted { charged: all })]);
        let mut ended = observed(&[(COMPLETE, true, Reason::Complete), (ADMITTED, true, Reason::Admitted)]);
        assert!(state(&ended).is_empty(), "no pod is left");
        ended.pods = vec![pod("cluster-uid"), pod("cluster-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 8000)]);
        assert_eq!(state(&ended), [("cluster-uid".to_owned(), State::Admitted { charged })]);
    }

    #[test]
    fn pods_of_a_deleted_cluster_are_still_charged() {
        let mut observed = observed(&[]);
        observed.clusters.clear();
        observed.pods = vec![pod("earlier-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 4000)]);
        assert_eq!(state(&observed), [("earlier-uid".to_owned(), State::Admitted { charged })]);
    }
}
