//! Reads everything that a pass decides by.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use microtome_api::{PatchCluster, PatchProfile, Team, names};
use microtome_queue::{Amounts, Hold};

use super::book::{self, Kept};
use super::nodes;
use crate::config::{FairShare, Pool};
use crate::context::Context;
use crate::write::Error;

/// What a pass decides by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) teams: Vec<Team>,
    pub(crate) clusters: Vec<PatchCluster>,
    /// When jobs were made, in seconds, by their uids: a cluster queues since its job was made.
    pub(crate) jobs: BTreeMap<String, i64>,
    /// Pods that are not gone and have not finished.
    pub(crate) pods: Vec<Holding>,
    pub(crate) profiles: Vec<PatchProfile>,
    pub(crate) nodes: Vec<Node>,
    /// Pods of others, on nodes.
    pub(crate) others: Vec<Pod>,
    /// Workers that are asked for, by the cluster's uid.
    pub(crate) workers: BTreeMap<String, u64>,
    /// What earlier passes remembered.
    pub(crate) kept: Kept,
    pub(crate) pools: Vec<Pool>,
    pub(crate) fair_share: FairShare,
    pub(crate) provisioning_timeout_seconds: u32,
}

impl Observed {
    /// Since when heads have looked for a node, by their clusters' uids.
    pub(crate) fn unplaced(&self) -> BTreeMap<&str, i64> {
        let looks = |pod: &&Holding| pod.is_head && pod.node.is_none();
        self.pods.iter().filter(looks).filter_map(|pod| Some((pod.cluster_uid.as_str(), pod.created?))).collect()
    }

    /// What people call the cluster with this uid.
    pub(crate) fn title(&self, uid: &str) -> String {
        let cluster = self.clusters.iter().find(|cluster| cluster.uid().as_deref() == Some(uid));
        cluster.map_or_else(
            || "a job that is gone".to_owned(),
            |cluster| format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any()),
        )
    }
}

/// A pod and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) namespace: String,
    /// The uid of its cluster, which may be gone.
    pub(crate) cluster_uid: String,
    pub(crate) is_head: bool,
    /// When it was made, in seconds.
    pub(crate) created: Option<i64>,
    /// The node on which it is.
    pub(crate) node: Option<String>,
    pub(crate) amounts: Amounts,
}

impl Holding {
    pub(crate) fn hold(&self) -> Hold {
        Hold { node: self.node.clone(), amounts: self.amounts.clone() }
    }
}

/// Reads.
pub(crate) async fn observe(context: &Context) -> Result<Observed, Error> {
    let world = &context.world;
    Ok(Observed {
        teams: world.teams.filter(|_| true),
        clusters: world.clusters.filter(|_| true),
        jobs: world.jobs.read(|job| Some((job.uid()?, created(job)))).into_iter().collect(),
        pods: world.pods.read(holding),
        profiles: world.profiles.filter(|_| true),
        nodes: world.nodes.filter(|_| true),
        others: world.others.filter(|_| true),
        workers: world.deployments.read(asked).into_iter().collect(),
        kept: book::read(context).await?,
        pools: context.settings.config.pools.clone(),
        fair_share: context.settings.config.fair_share,
        provisioning_timeout_seconds: context.settings.config.provisioning_timeout_seconds,
    })
}

/// When an object was made, in seconds.
pub(crate) fn created<K: kube::Resource>(object: &K) -> i64 {
    object.meta().creation_timestamp.as_ref().map_or(0, |time| time.0.as_second())
}

/// What a pod holds, unless it has finished.
fn holding(pod: &Pod) -> Option<Holding> {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    let mut amounts = Amounts::new();
    for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        nodes::add(&mut amounts, &nodes::exact(limits));
    }
    Some(Holding {
        namespace: pod.namespace().unwrap_or_default(),
        cluster_uid: pod.labels().get(names::LABEL_UID).cloned().unwrap_or_default(),
        is_head: pod.labels().get(names::LABEL_ROLE).is_some_and(|role| role == names::ROLE_HEAD),
        created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0.as_second()),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        amounts,
    })
}

/// The workers that a Deployment asks for, and whose.
fn asked(deployment: &Deployment) -> Option<(String, u64)> {
    let uid = deployment.labels().get(names::LABEL_UID)?.clone();
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    Some((uid, u64::try_from(replicas).unwrap_or_default()))
}
