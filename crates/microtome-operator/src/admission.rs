//! Admission: one loop of the process that says which clusters may use their team's quota.
//!
//! Each pass lists teams and clusters from the apiserver itself, so it sees its own earlier verdicts, and takes from the
//! watch which pods are still there: quota is freed when pods are gone, not when they are asked to go. It writes the
//! condition `Admitted`, with a version check, and the status of Teams; `microtome_queue` decides.

mod apply;
mod decide;
mod observe;
mod snapshot;
mod status;

use std::sync::Arc;

use crate::context::Context;
use crate::write;

/// One pass: observe → decide → apply, admissions first.
pub(crate) async fn pass(context: Arc<Context>) -> Result<(), write::Error> {
    let observed = observe::observe(&context).await?;
    let all = snapshot::clusters(&observed);
    let now = jiff::Timestamp::now();
    let decisions = decide::decide(&observed, &all, now.as_second());
    let clusters = status::clusters(&observed, &decisions, now);
    let teams = status::teams(&observed, &all, &decisions, now);
    apply::apply(clusters, teams, &context).await
}
