//! `explain`: why a job waits or failed, and what would change that.

use jiff::Zoned;
use kube::api::ListParams;
use microtome_api::PatchCluster;

use crate::client::Cluster;
use crate::output;
use crate::paged::each_page;
use crate::refusal::Asked;
use crate::screen::explain::explain;
use crate::target::Target;

/// Say why a job waits or failed, and what would change that
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    name: String,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&target).await?;
    let asked = Asked::of("get", "patchjobs", &args.name, &cluster.namespace);
    let job = cluster.jobs().get(&args.name).await.map_err(|error| asked.refused(error))?;
    let mut clusters: Vec<PatchCluster> = Vec::new();
    // Only those who hold something can give something back.
    let holds = |cluster: &PatchCluster| cluster.status.as_ref().is_some_and(|status| status.start_time.is_some());
    if crate::text::state(&job) == "Queued" {
        let asked = Asked::list("patchclusters", Some(&cluster.namespace));
        each_page(&cluster.clusters(), ListParams::default(), asked, |page: Vec<PatchCluster>| {
            clusters.extend(page.into_iter().filter(holds));
            anyhow::Ok(())
        })
        .await?;
    }
    output::print(&explain(&job, &clusters, &Zoned::now()))
}
