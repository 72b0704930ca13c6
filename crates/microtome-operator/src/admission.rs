//! Admission: one loop of the leader that says which clusters may use their team's quota.
//!
//! Each pass reads the ledger from the apiserver itself, so it knows its own earlier verdicts, and takes all else from the
//! watches: quota is freed when pods are gone, not when they are asked to go. `microtome_queue` decides. What was decided is
//! written into the ledger first, with a version check, then into the conditions `Admitted` and the statuses of Teams; an
//! operator that dies in between says it again, and one that saw an old status is refused and looks anew. What a pass decided by
//! is in the log ([`record`]), from which `microtome-operator replay` derives its decisions again.

mod apply;
mod book;
mod decide;
mod headroom;
mod nodes;
mod observe;
mod place;
pub(crate) mod record;
pub(crate) mod scene;
mod snapshot;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::context::Context;
use crate::write;

/// One pass: observe → decide → apply, the ledger first, then admissions.
pub(crate) async fn pass(context: Arc<Context>) -> Result<(), write::Error> {
    let observed = observe::observe(&context).await?;
    let all = snapshot::clusters(&observed);
    let now = context.clock.now();
    let outcome = decide::decide(&observed, &all, now.as_second());
    book::write(&observed.kept, &outcome.book, &context).await?;
    // Only what was written happened.
    record::log(&context.recorder.note(&outcome.scene, &outcome.played));
    context.hub.scale.allow(&outcome.allowed);
    context.metrics.teams(status::gauges(&all, &outcome));
    let clusters = status::clusters(&observed, &outcome, now);
    let teams = status::teams(&observed, &outcome, now);
    apply::apply(clusters, teams, &context).await
}
