//! PatchJob: checks it, makes its PatchCluster, and repeats what becomes of that until the job has ended.
//!
//! Nothing is run again after the end, whatever happens to the cluster. This module writes the job's cluster and the
//! job's status; what the head reported it takes from the control server's memory, never by asking a head.

mod apply;
mod decide;
mod observe;
pub(crate) mod standing;
mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use microtome_api::PatchJob;
use tracing::info;

use crate::context::Context;
use crate::write;

#[cfg(test)]
pub(crate) use observe::Observed;

/// One pass over one job.
pub(crate) async fn reconcile(job: Arc<PatchJob>, context: Arc<Context>) -> Result<Action, write::Error> {
    if context.behind.is_behind(&*job) {
        return Ok(Action::await_change());
    }
    let namespace = job.namespace().unwrap_or_default();
    let observed = observe::observe(&job, &context).await?;
    let decision = decide::decide(&observed);
    apply::apply(&observed, &decision, &context).await?;
    if decision == decide::Decision::Expire {
        return Ok(Action::await_change());
    }
    let status = status::status(&observed, &decision);
    if Some(&status) != job.status.as_ref() {
        write::replace_status(&Api::namespaced(context.client.clone(), &namespace), &*job, &status, &context.behind)
            .await?;
        let before = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        // Progress alone is no news.
        if before != status.conditions {
            // Where no team is, the operator may write none.
            if observed.team.is_some() {
                context.events.tell(&job.object_ref(&()), before, &status.conditions).await;
            }
            info!(namespace, job = job.name_any(), decision = decision.name(), "job status written");
        }
    }
    if observed.report.result.is_some() {
        // The status holds it now, so the head may go.
        context.hub.acknowledge(&observed.uid());
    }
    if status.completion_time.is_some() {
        context.hub.forget(&observed.uid());
    }
    Ok(decision.due(&observed).map_or_else(Action::await_change, Action::requeue))
}
