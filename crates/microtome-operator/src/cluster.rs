//! PatchCluster: judges it, and once admitted builds its head and workers and follows the head to its end.
//!
//! The head is a pod that is made once; when it has ended, its exit code and last words are written down and the workers
//! are removed. This module may write in the cluster's namespace and the cluster's status; it never talks to a head.

mod apply;
mod build;
pub(crate) mod certificates;
mod decide;
mod head;
mod observe;
mod resolve;
mod stand;
mod status;

use std::sync::Arc;

use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use microtome_api::PatchCluster;
use tracing::info;

use crate::context::Context;
use crate::{logs, write};

#[cfg(test)]
pub(crate) use build::fixtures::settings as settings_fixture;
#[cfg(test)]
pub(crate) use observe::fixtures;
pub(crate) use resolve::{check_locations, head_pools};

/// One pass over one cluster.
pub(crate) async fn reconcile(cluster: Arc<PatchCluster>, context: Arc<Context>) -> Result<Action, write::Error> {
    if context.behind.is_behind(&*cluster) {
        return Ok(Action::await_change());
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let observed = observe::observe(&cluster, &context).await?;
    let decision = decide::decide(&observed);
    let applied = apply::apply(&observed, &decision, &context).await;
    let status = match &applied {
        Ok(()) => status::status(&observed, &decision),
        // A quota or a policy of the namespace says no: the researcher must see that, not the operator's log alone.
        Err(error) if !error.passes_by_itself() => status::blocked(&observed, &logs::chain(error)),
        Err(_) => return applied.map(|()| Action::await_change()),
    };
    if Some(&status) != cluster.status.as_ref() {
        write::replace_status(
            &Api::namespaced(context.client.clone(), &namespace),
            &*cluster,
            &status,
            &context.behind,
        )
        .await?;
        let before = cluster.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        // A job tells its own story, of which its cluster is a part.
        if observed.job.is_none() {
            context.events.tell(&cluster.object_ref(&()), before, &status.conditions).await;
        }
        info!(namespace, cluster = cluster.name_any(), decision = decision.name(), "cluster status written");
    }
    stand::tell(&observed, &decision, &context)?;
    applied.map(|()| decision.due(&observed).map_or_else(Action::await_change, Action::requeue))
}
