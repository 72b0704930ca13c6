//! How many workers a cluster has: decided by what its head reports, written into the worker Deployment and nowhere else.
//!
//! `decide` is pure and simulated; `board` keeps in memory what was reported, decided and allowed; a pass, rung by reports,
//! decides for each cluster at most once a second and writes where the number differs. `README.md` in this module's directory
//! has objective and properties. The Deployment's replicas belong to this part: nobody else writes them once it is made.

mod apply;
pub(crate) mod board;
pub(crate) mod decide;
pub(crate) mod demand;
mod history;
pub(crate) mod ingest;
pub(crate) mod observation;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use microtome_api::{PatchCluster, names};
use tracing::info;

use crate::context::Context;
use crate::write::{self, Error};
use board::Due;
use decide::{Decision, Memory, decide};
use observation::{Limits, Observation};

pub(crate) use apply::set_workers;

/// One pass over all clusters that reported since the last one. One that cannot be written does not hold up the others.
pub(crate) async fn pass(context: Arc<Context>) -> Result<(), Error> {
    let mut outcome = Ok(());
    for due in context.hub.scale.due() {
        let scaled = scale(due, &context).await;
        outcome = outcome.and(scaled);
    }
    outcome
}

async fn scale(due: Due, context: &Context) -> Result<(), Error> {
    let (board, world) = (&context.hub.scale, &context.world);
    let (namespace, name) = (&due.cluster.namespace, &due.cluster.name);
    let cluster =
        world.clusters.get(namespace, name).filter(|cluster| cluster.uid().as_ref() == Some(&due.cluster.uid));
    let Some(cluster) = cluster else {
        board.forget(&due.cluster.uid);
        return Ok(());
    };
    let deployment = world.deployments.get(namespace, &names::worker_deployment(name));
    // Made with the head, removed at the end; without one there is nothing to decide.
    let Some(deployment) = deployment.filter(|deployment| write::owner_uid(deployment) == cluster.uid()) else {
        return Ok(());
    };
    let (memory, decision) = decided(&due, limits(&due, &cluster), &deployment);
    if due.is_first || replicas(&deployment) != decision.wanted {
        set_workers(&context.client, &deployment, decision.wanted).await?;
        let (before, text) = (replicas(&deployment), decision.to_string());
        info!(namespace, name, before, workers = decision.wanted, why = text, "workers set");
    }
    board.settle(&due, memory, decision);
    Ok(())
}

fn limits(due: &Due, cluster: &PatchCluster) -> Limits {
    let workers = |number: i32| u32::try_from(number).unwrap_or(0);
    let (least, most) = (workers(cluster.spec.workers.min_replicas), workers(cluster.spec.workers.max_replicas));
    Limits { least, most, quota: due.allowed.unwrap_or(least) }
}

fn decided(due: &Due, limits: Limits, deployment: &Deployment) -> (Memory, Decision) {
    let seen = Observation { limits, asked_for: replicas(deployment), ..due.seen.clone() };
    decide(&due.memory, &seen, due.now_ms)
}

fn replicas(deployment: &Deployment) -> u32 {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    u32::try_from(replicas).unwrap_or(0)
}
