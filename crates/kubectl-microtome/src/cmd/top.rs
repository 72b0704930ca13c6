//! `top`: teams, what they may use and what they use.

use kube::Api;
use kube::api::ListParams;
use microtome_api::Team;

use crate::client::Cluster;
use crate::output::{self, Rows};
use crate::paged::each_page;
use crate::refusal::Asked;
use crate::screen::teams::{shares, teams};
use crate::target::Target;

/// Show the teams: weight, share of late, what they use of guarantee and max, running and queued jobs
///
/// Teams are the whole cluster's: who may see them is bound the role microtome-viewer there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The resource that is shown
    #[arg(long, value_name = "NAME", default_value = "nvidia.com/gpu")]
    resource: String,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Rows,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&target).await?;
    let api: Api<Team> = Api::all(cluster.client());
    let mut all = Vec::new();
    each_page(&api, ListParams::default(), Asked::list("teams", None), |page: Vec<Team>| {
        all.extend(page);
        anyhow::Ok(())
    })
    .await?;
    if all.is_empty() {
        eprintln!("no teams: a platform admin makes them (config/samples/platform.yaml)");
    }
    let shares = shares(&all, &args.resource);
    output::print(&output::rows(&shares, args.output, |shares| teams(shares, &args.resource))?)
}
