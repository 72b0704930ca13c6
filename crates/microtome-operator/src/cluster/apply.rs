//! Writes what was decided, in an order in which nothing refers to what is not there; then removes what is left over.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kube::{Api, ResourceExt};
use microtome_api::{PatchCluster, names};

use super::build::{Input, Objects, secret};
use super::decide::{Decision, workers_differ};
use super::observe::{ATTEMPT, Observed};
use super::{certificates, resolve::Resolved};
use crate::context::Context;
use crate::write::{self, Error};

/// Beyond the deadline: scheduling, image pulls, clocks.
const CERTIFICATE_SLACK_SECONDS: i64 = 3600;
const CERTIFICATE_LEAST_SECONDS: i64 = 86_400;
/// For a cluster without a deadline.
const CERTIFICATE_MOST_SECONDS: i64 = 366 * 86_400;

/// Carries the decision out.
pub(crate) async fn apply(observed: &Observed, decision: &Decision, context: &Context) -> Result<(), Error> {
    match decision {
        Decision::Rest | Decision::Greet | Decision::Refuse(_) | Decision::Queue | Decision::Follow(None) => Ok(()),
        Decision::Build(resolved) => build(observed, resolved, context).await,
        Decision::Follow(Some(resolved)) if workers_differ(observed) => {
            let objects = objects(&observed.cluster, resolved, context)?;
            write::apply_owned(&api::<Deployment>(observed, context), &objects.workers).await
        }
        Decision::Follow(Some(_)) => Ok(()),
        Decision::Finish(_) | Decision::Tidy => {
            let name = names::worker_deployment(&observed.cluster.name_any());
            match observed.workers {
                Some(_) => write::delete(&api::<Deployment>(observed, context), &name).await,
                None => Ok(()),
            }
        }
    }
}

async fn build(observed: &Observed, resolved: &Resolved, context: &Context) -> Result<(), Error> {
    let objects = objects(&observed.cluster, resolved, context)?;
    write::apply_owned(&api::<ConfigMap>(observed, context), &objects.work_order).await?;
    certify(observed, context).await?;
    write::apply_owned(&api::<Service>(observed, context), &objects.service).await?;
    write::create_once(&api::<Pod>(observed, context), &objects.head).await?;
    write::apply_owned(&api::<Deployment>(observed, context), &objects.workers).await
}

/// Makes the attempt's certificates. Once: a head that runs must not find its workers' authority changed.
async fn certify(observed: &Observed, context: &Context) -> Result<(), Error> {
    let (cluster, api) = (&observed.cluster, api::<Secret>(observed, context));
    let name = names::certificates(&cluster.name_any(), ATTEMPT);
    let there = api.get_opt(&name).await.map_err(Error::api::<Secret>("get", &name))?;
    match there {
        Some(secret) if write::owner_uid(&secret) == cluster.uid() => return Ok(()),
        Some(_) => return Err(Error::Occupied { kind: "Secret".to_owned(), name }),
        None => {}
    }
    let issued = certificates::issue(&cluster.name_any(), &cluster.namespace().unwrap_or_default(), lifetime(cluster))
        .map_err(|source| Error::Certificates { name, source })?;
    write::create_once(&api, &secret::build(cluster, issued, context.authority.certificate())).await
}

fn lifetime(cluster: &PatchCluster) -> Duration {
    let deadline = cluster.spec.active_deadline_seconds.unwrap_or(CERTIFICATE_MOST_SECONDS);
    let seconds =
        deadline.saturating_add(CERTIFICATE_SLACK_SECONDS).clamp(CERTIFICATE_LEAST_SECONDS, CERTIFICATE_MOST_SECONDS);
    Duration::from_secs(seconds.unsigned_abs())
}

fn objects(cluster: &PatchCluster, resolved: &Resolved, context: &Context) -> Result<Objects, Error> {
    Objects::build(&Input { cluster, resolved, settings: &context.settings })
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
