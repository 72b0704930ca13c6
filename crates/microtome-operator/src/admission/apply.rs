//! Writes verdicts, then what teams use.

use futures::StreamExt;
use futures::stream;
use kube::{Api, ResourceExt};
use microtome_api::condition::{self, ADMITTED};
use microtome_api::{ClusterStatus, PatchCluster, Team, TeamStatus};
use tracing::info;

use crate::context::Context;
use crate::write::{self, Error};

/// So many writes are under way at once: enough to hide the apiserver's latency, few enough not to crowd it.
const CONCURRENCY: usize = 8;

/// Writes. What was admitted is in the ledger already, so one that cannot be written holds up no other; the pass fails then, and
/// the next one says it again.
pub(crate) async fn apply(
    clusters: Vec<(PatchCluster, ClusterStatus)>,
    teams: Vec<(Team, TeamStatus)>,
    context: &Context,
) -> Result<(), Error> {
    // Of one that was written since it was read, the watch brings the newer version, and the bell rings.
    let fresh = clusters.into_iter().filter(|(cluster, _)| !context.behind.is_behind(cluster));
    let told = stream::iter(fresh).map(|(cluster, status)| tell(cluster, status, context));
    let told = told.buffer_unordered(CONCURRENCY).fold(Ok(()), worst).await;
    for (team, status) in teams {
        write::replace_status(&Api::all(context.client.clone()), &team, &status, &context.behind).await?;
    }
    told
}

async fn tell(cluster: PatchCluster, status: ClusterStatus, context: &Context) -> Result<(), Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    write::replace_status(&Api::namespaced(context.client.clone(), &namespace), &cluster, &status, &context.behind)
        .await?;
    let admitted = condition::is_true(&status.conditions, ADMITTED);
    let verdict = status.conditions.iter().find(|condition| condition.type_ == ADMITTED);
    let why = verdict.map(|condition| condition.message.as_str()).unwrap_or_default();
    info!(namespace, cluster = cluster.name_any(), admitted, why, "admission decided");
    Ok(())
}

/// A lost race is no more than that; anything else is said.
async fn worst(before: Result<(), Error>, one: Result<(), Error>) -> Result<(), Error> {
    match (before, one) {
        (Err(before), _) if !before.is_conflict() => Err(before),
        (_, Err(one)) => Err(one),
        (before, Ok(())) => before,
    }
}
