//! PatchJob: checks it, makes its PatchCluster, and repeats what becomes of that until the job has ended.
//!
//! Nothing is run again after the end, whatever happens to the cluster. This module writes the job's cluster and the
//! job's status; what the head reported it takes from the control server's memory, never by asking a head.

mod apply;
mod decide;
mod observe;
mod status;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use microtome_api::PatchJob;
use tracing::info;

use crate::context::Context;
use crate::write;

#[cfg(test)]
pub(crate) use observe::Observed;

/// The garbage collector removes an earlier job's cluster without telling us.
const RECHECK_OCCUPIED: Duration = Duration::from_secs(2);

/// One pass over one job.
pub(crate) async fn reconcile(job: Arc<PatchJob>, context: Arc<Context>) -> Result<Action, write::Error> {
    let namespace = job.namespace().unwrap_or_default();
    let observed = observe::observe(&job, &context).await?;
    let decision = decide::decide(&observed);
    apply::apply(&observed, &decision, &context).await?;
    let status = status::status(&observed, &decision, jiff::Timestamp::now());
    if Some(&status) != job.status.as_ref() {
        write::patch_status(&Api::namespaced(context.client.clone(), &namespace), &*job, &status).await?;
        let turned = job.status.as_ref().is_none_or(|before| before.conditions != status.conditions);
        // Progress alone is no news.
        if turned {
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
    Ok(match decision {
        decide::Decision::Occupied(_) => Action::requeue(RECHECK_OCCUPIED),
        _ => Action::await_change(),
    })
}
