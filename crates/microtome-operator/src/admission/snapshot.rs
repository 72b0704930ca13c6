//! From objects to what the queue decides by: pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, COMPLETE, FAILED, READY, Reason};
use microtome_api::quantity::{Quantity, QuantityError};
use microtome_api::{PatchCluster, Resources};
use microtome_queue::{Amounts, Cluster, Key, Snapshot, State, Team};

use super::observe::{Observed, created};
use crate::{tenancy, write};

/// Who waits, and who holds what.
pub(crate) fn snapshot(observed: &Observed) -> Snapshot {
    let team = |team: &microtome_api::Team| (team.name_any(), Team { max: amounts(&team.spec.max) });
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
            wants: Amounts::new(),
            state: State::Admitted { charged },
        }));
    }
    Snapshot { teams: observed.teams.iter().map(team).collect(), clusters }
}

/// A cluster's place in the queue; none where it neither waits nor holds anything.
fn entry(cluster: &PatchCluster, held: Option<Amounts>, observed: &Observed) -> Option<Cluster> {
    let namespace = cluster.namespace().unwrap_or_default();
    let wants = gang(cluster).ok()?;
    let job = write::owner_uid(cluster).and_then(|uid| observed.jobs.get(&uid).copied());
    Some(Cluster {
        team: team_name(observed, &namespace)?,
        submitted: job.unwrap_or_else(|| created(cluster)),
        key: Key { namespace, name: cluster.name_any(), uid: cluster.uid()? },
        state: state(cluster, &wants, held)?,
        wants,
    })
}

fn state(cluster: &PatchCluster, wants: &Amounts, held: Option<Amounts>) -> Option<State> {
    let conditions = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_admitted = condition::is_true(conditions, ADMITTED);
    let charged = |charged| State::Admitted { charged };
    // Whoever manages it counts it; its pods are as any other's on the nodes.
    if cluster.spec.managed_by.is_some() {
        return None;
    }
    if has_ended(cluster) || cluster.spec.suspend {
        return held.map(charged);
    }
    match (is_admitted, held) {
        (true, _) => Some(charged(wants.clone())),
        // Evicted, and its pods are not yet gone.
        (false, Some(held)) => Some(charged(held)),
        (false, None) => (waits(conditions) && cluster.metadata.deletion_timestamp.is_none()).then_some(State::Waiting),
    }
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
    condition::is_true(conditions, COMPLETE) || condition::is_true(conditions, FAILED)
}

/// The cluster's controller has found nothing wrong with it but the lack of quota.
fn waits(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> bool {
    let reasons = [Reason::Queued.as_str(), Reason::ExceedsTeamMax.as_str()];
    conditions.iter().any(|condition| condition.type_ == READY && reasons.contains(&condition.reason.as_str()))
}

/// What the cluster needs to start: the head and its least number of workers.
fn gang(cluster: &PatchCluster) -> Result<Amounts, QuantityError> {
    let mut sum = exact(&cluster.spec.head.resources)?;
    for (resource, amount) in exact(&cluster.spec.workers.resources)? {
        *sum.entry(resource).or_default() += amount * i128::from(cluster.spec.workers.min_replicas);
    }
    Ok(sum)
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

    fn states(observed: &Observed) -> Vec<(String, State)> {
        snapshot(observed).clusters.into_iter().map(|cluster| (cluster.key.uid, cluster.state)).collect()
    }

    #[test]
    fn the_gang_is_the_head_and_its_least_workers() {
        let gang = gang(&fixtures::cluster()).unwrap();
        let gibibyte = 1000 << 30;
        let wanted = [("cpu", 2000 + 2 * 4000), ("memory", 12 * gibibyte), ("nvidia.com/gpu", 1000)];
        assert_eq!(gang, wanted.map(|(name, amount)| (name.to_owned(), amount)).into());
    }

    #[test]
    fn only_what_waits_for_quota_is_in_the_queue() {
        assert!(states(&observed(&[])).is_empty(), "not yet judged");
        assert!(states(&observed(&[(READY, false, Reason::ImageNotAllowed)])).is_empty(), "refused");
        let waiting = vec![("cluster-uid".to_owned(), State::Waiting)];
        assert_eq!(states(&observed(&[(READY, false, Reason::Queued)])), waiting);
        assert_eq!(
            states(&observed(&[(READY, false, Reason::ExceedsTeamMax)])),
            waiting,
            "the max may have been raised"
        );
    }

    #[test]
    fn a_cluster_queues_since_its_job_was_made() {
        let mut observed = observed(&[(READY, false, Reason::Queued)]);
        let made = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(20).unwrap());
        observed.clusters[0].metadata.creation_timestamp = Some(made);
        assert_eq!(snapshot(&observed).clusters[0].submitted, 20);
        observed.jobs.insert("job-uid".into(), 10);
        assert_eq!(snapshot(&observed).clusters[0].submitted, 10);
    }

    #[test]
    fn quota_is_held_until_the_pods_are_gone() {
        let running = observed(&[(READY, true, Reason::Running), (ADMITTED, true, Reason::Admitted)]);
        let all = gang(&fixtures::cluster()).unwrap();
        assert_eq!(states(&running), [("cluster-uid".to_owned(), State::Admitted { charged: all })]);
        let mut ended = observed(&[(COMPLETE, true, Reason::Complete), (ADMITTED, true, Reason::Admitted)]);
        assert!(states(&ended).is_empty(), "no pod is left");
        ended.pods = vec![pod("cluster-uid"), pod("cluster-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 8000)]);
        assert_eq!(states(&ended), [("cluster-uid".to_owned(), State::Admitted { charged })]);
    }

    #[test]
    fn a_suspended_cluster_is_charged_for_the_pods_that_it_still_has() {
        let mut observed = observed(&[(READY, true, Reason::Running), (ADMITTED, true, Reason::Admitted)]);
        observed.clusters[0].spec.suspend = true;
        observed.pods = vec![pod("cluster-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 4000)]);
        assert_eq!(states(&observed), [("cluster-uid".to_owned(), State::Admitted { charged })]);
        assert!(!gave_back(&observed.clusters[0], &observed));
        observed.pods.clear();
        assert!(states(&observed).is_empty() && gave_back(&observed.clusters[0], &observed));
    }

    #[test]
    fn an_evicted_cluster_waits_when_its_pods_are_gone() {
        let mut observed = observed(&[(READY, false, Reason::Queued), (ADMITTED, false, Reason::Evicted)]);
        observed.pods = vec![pod("cluster-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 4000)]);
        assert_eq!(states(&observed), [("cluster-uid".to_owned(), State::Admitted { charged })]);
        observed.pods.clear();
        assert_eq!(states(&observed), [("cluster-uid".to_owned(), State::Waiting)]);
    }

    #[test]
    fn what_somebody_else_manages_is_not_in_the_queue() {
        let mut observed = observed(&[(READY, false, Reason::Queued)]);
        observed.clusters[0].spec.managed_by = Some("kueue.x-k8s.io/kueue".into());
        assert!(states(&observed).is_empty());
    }

    #[test]
    fn pods_of_a_deleted_cluster_are_still_charged() {
        let mut observed = observed(&[]);
        observed.clusters.clear();
        observed.pods = vec![pod("earlier-uid")];
        let charged = Amounts::from([("cpu".to_owned(), 4000)]);
        assert_eq!(states(&observed), [("earlier-uid".to_owned(), State::Admitted { charged })]);
    }
}
