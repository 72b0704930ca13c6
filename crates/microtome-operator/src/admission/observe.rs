//! Reads everything that a pass decides by.

use std::collections::BTreeMap;

use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, ResourceExt};
use microtome_api::{PatchCluster, Team, names};
use microtome_queue::Amounts;

use crate::context::Context;
use crate::watch::Watchable;
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
}

/// A pod and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) namespace: String,
    /// The uid of its cluster, which may be gone.
    pub(crate) cluster_uid: String,
    pub(crate) amounts: Amounts,
}

/// Reads.
pub(crate) async fn observe(context: &Context) -> Result<Observed, Error> {
    let unfinished = |phase: Option<&str>| !matches!(phase, Some("Succeeded" | "Failed"));
    let pods =
        context.world.pods.filter(|pod| unfinished(pod.status.as_ref().and_then(|status| status.phase.as_deref())));
    Ok(Observed {
        teams: list(context).await?,
        clusters: list(context).await?,
        jobs: context.world.jobs.filter(|_| true).iter().filter_map(|job| Some((job.uid()?, created(job)))).collect(),
        pods: pods.iter().map(holding).collect(),
    })
}

/// When an object was made, in seconds.
pub(crate) fn created<K: kube::Resource>(object: &K) -> i64 {
    object.meta().creation_timestamp.as_ref().map_or(0, |time| time.0.as_second())
}

/// All objects of a kind that can be decoded, as the apiserver has them now.
async fn list<K: Watchable>(context: &Context) -> Result<Vec<K>, Error> {
    let api: Api<DeserializeGuard<K>> = Api::all(context.client.clone());
    let listed = api.list(&ListParams::default()).await.map_err(Error::api::<K>("list", "all"))?;
    // One that cannot be decoded was logged by the watch.
    Ok(listed.items.into_iter().filter_map(|object| object.0.ok()).collect())
}

fn holding(pod: &k8s_openapi::api::core::v1::Pod) -> Holding {
    let mut amounts = Amounts::new();
    for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        for (resource, amount) in limits.into_iter().flatten() {
            // The apiserver took it, so it is a quantity; were it none, nothing could be charged for it.
            let milli = microtome_api::quantity::Quantity(amount.0.clone()).milli().unwrap_or_default();
            *amounts.entry(resource.clone()).or_default() += milli;
        }
    }
    Holding {
        namespace: pod.namespace().unwrap_or_default(),
        cluster_uid: pod.labels().get(names::LABEL_UID).cloned().unwrap_or_default(),
        amounts,
    }
}
