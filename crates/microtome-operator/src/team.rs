//! Team: gives the operator, in each namespace that a team holds, the one fixed role with which it may write there.
//!
//! So the operator can write Secrets and pods only where a platform admin put a team. What a Team's status says is
//! admission's; this module writes RoleBindings and nothing else.

mod apply;
mod decide;

use std::sync::Arc;

use crate::context::Context;
use crate::write;

/// One pass over all teams: what one loses another may gain.
pub(crate) async fn pass(context: Arc<Context>) -> Result<(), write::Error> {
    let observed = apply::observe(&context).await?;
    apply::apply(&decide::decide(&observed), &context).await
}
