//! Writes verdicts, then what teams use.

use kube::{Api, ResourceExt};
use microtome_api::condition::{self, ADMITTED};
use microtome_api::{ClusterStatus, PatchCluster, Team, TeamStatus};
use tracing::info;

use crate::context::Context;
use crate::write::{self, Error};

/// Writes. A lost race ends the pass: what was decided may no longer hold.
pub(crate) async fn apply(
    clusters: Vec<(PatchCluster, ClusterStatus)>,
    teams: Vec<(Team, TeamStatus)>,
    context: &Context,
) -> Result<(), Error> {
    for (cluster, status) in clusters {
        let namespace = cluster.namespace().unwrap_or_default();
        write::replace_status(&Api::namespaced(context.client.clone(), &namespace), &cluster, &status).await?;
        let admitted = condition::is_true(&status.conditions, ADMITTED);
        let verdict = status.conditions.iter().find(|condition| condition.type_ == ADMITTED);
        let why = verdict.map(|condition| condition.message.as_str()).unwrap_or_default();
        info!(namespace, cluster = cluster.name_any(), admitted, why, "admission decided");
    }
    for (team, status) in teams {
        write::replace_status(&Api::all(context.client.clone()), &team, &status).await?;
    }
    Ok(())
}
