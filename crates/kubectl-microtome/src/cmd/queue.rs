//! `queue`: what waits, why, and about when it starts.

use jiff::Zoned;
use kube::api::ListParams;
use microtome_api::{PatchCluster, PatchJob};

use crate::client::Cluster;
use crate::output::{self, Rows};
use crate::paged::each_page;
use crate::refusal::Asked;
use crate::screen::queue::{Waiter, of_cluster, of_job, queue, sort};
use crate::target::{Selection, Target};

/// Show what waits: position, what it wants, the first thing in its way, and about when it starts
///
/// A start that is reserved is not later than that.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Rows,
    /// Show the memory that is wanted, too
    #[arg(long)]
    memory: bool,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&target).await?;
    let mut waiters = waiting(&args, &cluster).await?;
    sort(&mut waiters);
    if waiters.is_empty() {
        eprintln!("nothing waits");
    }
    let now = Zoned::now();
    output::print(&output::rows(&waiters, args.output, |waiters| queue(waiters, &now))?)
}

async fn waiting(args: &Args, cluster: &Cluster) -> anyhow::Result<Vec<Waiter>> {
    let everywhere = args.selection.all_namespaces;
    let namespace = (!everywhere).then_some(cluster.namespace.as_str());
    let params = ListParams { label_selector: args.selection.selector.clone(), ..ListParams::default() };
    let mut waiters = Vec::new();
    let jobs = cluster.api_of(everywhere);
    each_page(&jobs, params.clone(), Asked::list("patchjobs", namespace), |page: Vec<PatchJob>| {
        waiters.extend(page.iter().filter_map(|job| of_job(job, args.memory)));
        anyhow::Ok(())
    })
    .await?;
    let clusters = cluster.api_of(everywhere);
    each_page(&clusters, params, Asked::list("patchclusters", namespace), |page: Vec<PatchCluster>| {
        waiters.extend(page.iter().filter_map(|cluster| of_cluster(cluster, args.memory)));
        anyhow::Ok(())
    })
    .await?;
    Ok(waiters)
}
