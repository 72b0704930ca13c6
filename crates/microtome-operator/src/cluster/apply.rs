//! Writes what was decided, in an order in which nothing refers to what is not there; then removes what is left over.

use std::time::Duration;

use futures::future::{try_join_all, try_join4};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use microtome_api::condition::Reason;
use microtome_api::{PatchCluster, names};
use serde_json::json;

use super::build::{Input, Objects, secret};
use super::decide::Decision;
use super::head::Head;
use super::observe::Observed;
use super::{certificates, resolve::Resolved};
use crate::context::Context;
use crate::write::{self, Error};

/// Ended heads whose pods, and so whose logs, are kept beside the newest one.
const KEPT_HEADS: i32 = 5;
/// Beyond the deadline: scheduling, image pulls, clocks.
const CERTIFICATE_SLACK_SECONDS: i64 = 3600;
const CERTIFICATE_LEAST_SECONDS: i64 = 86_400;
/// For a cluster without a deadline.
const CERTIFICATE_MOST_SECONDS: i64 = 366 * 86_400;

/// Carries the decision out.
pub(crate) async fn apply(observed: &Observed, decision: &Decision, context: &Context) -> Result<(), Error> {
    match decision {
        Decision::Rest | Decision::Queue | Decision::Suspended | Decision::Backoff(_) => Ok(()),
        Decision::Refuse(_) => remove_workers(observed, context).await,
        Decision::Withdraw(_) => {
            remove_workers(observed, context).await?;
            match &observed.head {
                Some(head) if !head.is_going => remove_head(observed, observed.attempt(), context).await,
                _ => Ok(()),
            }
        }
        Decision::Build(resolved) => build(observed, resolved, context).await,
        Decision::Follow(follow) => {
            if let Some(seconds) = follow.deadline_seconds {
                shorten(observed, seconds, context).await?;
            }
            match &follow.workers {
                Some(resolved) => workers(observed, resolved, context).await,
                None => Ok(()),
            }
        }
        Decision::Record(end) if end.reason == Reason::HeadLost && observed.head.is_some() => {
            // Its node may come back, and with it the head: it must not find its workers again.
            remove_head(observed, observed.attempt(), context).await
        }
        Decision::Record(_) => Ok(()),
        Decision::Finish(_) | Decision::Tidy => {
            // A standing head does not end by itself when nobody wants it any more.
            if observed.head.as_ref().is_some_and(|head| !matches!(head.head, Head::Ended(_))) {
                remove_head(observed, observed.attempt(), context).await?;
            }
            remove_workers(observed, context).await
        }
    }
}

async fn remove_workers(observed: &Observed, context: &Context) -> Result<(), Error> {
    let name = names::worker_deployment(&observed.cluster.name_any());
    match observed.workers {
        Some(_) => write::delete(&api::<Deployment>(observed, context), &name).await,
        None => Ok(()),
    }
}

async fn remove_head(observed: &Observed, attempt: i32, context: &Context) -> Result<(), Error> {
    let name = names::head_pod(&observed.cluster.name_any(), attempt);
    write::delete(&api::<Pod>(observed, context), &name).await
}

/// Lets the kubelet end the head when the cluster's deadline comes, so that it does while the operator is away, too.
async fn shorten(observed: &Observed, seconds: i64, context: &Context) -> Result<(), Error> {
    let name = names::head_pod(&observed.cluster.name_any(), observed.attempt());
    let patch = json!({"spec": {"activeDeadlineSeconds": seconds}});
    let patched = api::<Pod>(observed, context).patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
    patched.map(|_| ()).map_err(Error::api::<Pod>("shorten the deadline of", &name))
}

/// Makes everything of an attempt, what is referred to first. What the attempt before left goes before its successor runs;
/// its pod stays, for its log.
async fn build(observed: &Observed, resolved: &Resolved, context: &Context) -> Result<(), Error> {
    let (attempt, name) = (observed.attempt(), observed.cluster.name_any());
    let objects = objects(observed, resolved, context)?;
    let (policies, maps, services) = (api(observed, context), api(observed, context), api(observed, context));
    let policies = objects.policies.iter().map(|policy| write::put_owned::<NetworkPolicy>(&policies, policy));
    let work_order = async {
        match &objects.work_order {
            Some(work_order) => write::put_owned::<ConfigMap>(&maps, work_order).await,
            None => Ok(()),
        }
    };
    let service = write::put_owned::<Service>(&services, &objects.service);
    // None of these refers to another.
    try_join4(try_join_all(policies), work_order, certify(observed, context), service).await?;
    if attempt > 1 {
        write::delete(&api::<Secret>(observed, context), &names::certificates(&name, attempt - 1)).await?;
    }
    if attempt > KEPT_HEADS {
        remove_head(observed, attempt - KEPT_HEADS, context).await?;
    }
    write::create_once(&api::<Pod>(observed, context), &objects.head).await?;
    put_workers(observed, &objects.workers, context).await
}

/// Of a Deployment that is there, the replicas are somebody else's to write.
async fn put_workers(observed: &Observed, workers: &Deployment, context: &Context) -> Result<(), Error> {
    let api = api::<Deployment>(observed, context);
    match observed.workers {
        Some(_) => write::apply_owned(&api, workers).await,
        None => write::create_once(&api, workers).await,
    }
}

async fn workers(observed: &Observed, resolved: &Resolved, context: &Context) -> Result<(), Error> {
    let objects = objects(observed, resolved, context)?;
    put_workers(observed, &objects.workers, context).await
}

/// Makes the attempt's certificates. Once: a head that runs must not find its workers' authority changed.
async fn certify(observed: &Observed, context: &Context) -> Result<(), Error> {
    let (cluster, api) = (&observed.cluster, api::<Secret>(observed, context));
    let name = names::certificates(&cluster.name_any(), observed.attempt());
    let there = api.get_opt(&name).await.map_err(Error::api::<Secret>("get", &name))?;
    match there {
        Some(secret) if write::owner_uid(&secret) == cluster.uid() => return Ok(()),
        Some(_) => return Err(Error::Occupied { kind: "Secret".to_owned(), name }),
        None => {}
    }
    let issued = certificates::issue(&cluster.name_any(), &cluster.namespace().unwrap_or_default(), lifetime(cluster))
        .map_err(|source| Error::Certificates { name, source })?;
    let secret = secret::build(cluster, observed.attempt(), issued, context.authority.certificate());
    write::create_once(&api, &secret).await
}

fn lifetime(cluster: &PatchCluster) -> Duration {
    let deadline = cluster.spec.active_deadline_seconds.unwrap_or(CERTIFICATE_MOST_SECONDS);
    let seconds =
        deadline.saturating_add(CERTIFICATE_SLACK_SECONDS).clamp(CERTIFICATE_LEAST_SECONDS, CERTIFICATE_MOST_SECONDS);
    Duration::from_secs(seconds.unsigned_abs())
}

fn objects(observed: &Observed, resolved: &Resolved, context: &Context) -> Result<Objects, Error> {
    let (cluster, attempt) = (&observed.cluster, observed.attempt());
    let workers = observed.workers.map(|workers| workers.replicas);
    Objects::build(&Input { cluster, resolved, attempt, workers, settings: &context.settings })
}

fn api<K>(observed: &Observed, context: &Context) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    Api::namespaced(context.client.clone(), &observed.cluster.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::observe::fixtures;

    #[test]
    fn certificates_outlive_the_deadline() {
        let mut cluster = fixtures::cluster();
        for (deadline, seconds) in [(Some(60), 86_400), (Some(200_000), 203_600), (None, 366 * 86_400)] {
            cluster.spec.active_deadline_seconds = deadline;
            assert_eq!(lifetime(&cluster).as_secs(), seconds);
        }
    }
}
