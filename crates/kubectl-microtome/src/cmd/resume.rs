//! `resume`: queues a suspended job again.

use super::suspend::set_each;
use crate::reference::Reference;
use crate::target::Target;

/// Queue suspended or stopped jobs again
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Jobs; or patchcluster/NAME
    #[arg(required = true)]
    names: Vec<Reference>,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    set_each(&args.names, false, &target).await
}
