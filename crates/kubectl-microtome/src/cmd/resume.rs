//! `resume`: queues a suspended job again.

use super::suspend::set;
use crate::client::Cluster;
use crate::output;
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
    let cluster = Cluster::connect(&target).await?;
    for reference in &args.names {
        set(&cluster, reference, false).await?;
        output::print(&format!("{reference} resumed\n"))?;
    }
    Ok(())
}
