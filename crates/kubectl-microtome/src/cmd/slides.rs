//! `slides`: which slides a job left out, and why.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use microtome_api::PatchJob;

use crate::client::Cluster;
use crate::log;
use crate::output::{self, Rows};
use crate::refusal::Asked;
use crate::screen::slides::{LeftOut, logged, slides, told};
use crate::target::Target;

/// Show which slides a job left out, and why
///
/// The first ones are in the job's status; if there are more, they are in its head's log, for as long as that is there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    name: String,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Rows,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&target).await?;
    let asked = Asked::of("get", "patchjobs", &args.name, &cluster.namespace);
    let job = cluster.jobs().get(&args.name).await.map_err(|error| asked.refused(error))?;
    let progress = job.status.as_ref().and_then(|status| status.progress.clone()).unwrap_or_default();
    let count = usize::try_from(progress.slides_quarantined).unwrap_or_default();
    let mut found = told(&progress);
    if count > found.len() {
        let all = from_log(&cluster, &job).await?;
        found = if all.len() > found.len() { all } else { found };
    }
    if count > found.len() {
        eprintln!("{count} slides were left out, and {} of them are named; the head's log is gone", found.len());
    } else if count == 0 {
        eprintln!("{} has left no slide out", args.name);
    }
    output::print(&output::rows(&found, args.output, slides)?)
}

async fn from_log(cluster: &Cluster, job: &PatchJob) -> anyhow::Result<Vec<LeftOut>> {
    let newest = job.status.as_ref().map_or(0, |status| status.attempt);
    let Some(head) = log::head(job, newest) else { return Ok(Vec::new()) };
    let pods: Api<Pod> = cluster.api();
    let mut found = Vec::new();
    log::lines(&pods, &head.pod, |line| found.extend(logged(line))).await?;
    found.sort_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, slide)| slide).collect())
}
