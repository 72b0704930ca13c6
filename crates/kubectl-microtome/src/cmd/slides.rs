//! `slides`: which slides a job left out, and why.

use anyhow::bail;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use microtome_api::PatchJob;

use crate::client::Cluster;
use crate::log::{self, Copied};
use crate::output::{self, Rows};
use crate::refusal::Asked;
use crate::screen::slides::{LeftOut, left_out, slides};
use crate::target::Target;

/// Show which slides a job left out, and why
///
/// How many there are is in the job's status; which they are is in its head's log, and is told for as long as that is there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    name: String,
    /// Of this attempt [default: the newest]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    attempt: Option<i32>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Rows,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(&target).await?;
    let asked = Asked::of("get", "patchjobs", &args.name, &cluster.namespace);
    let job = cluster.jobs().get(&args.name).await.map_err(|error| asked.refused(error))?;
    let found = found(&cluster, &job, &args).await?;
    let counted =
        job.status.as_ref().and_then(|status| status.progress.as_ref()).map(|progress| progress.slides_quarantined);
    match (counted.unwrap_or_default(), found.len()) {
        (0, 0) => eprintln!("{} left no slide out", args.name),
        (counted, named) if usize::try_from(counted).is_ok_and(|counted| counted > named) => {
            eprintln!("{counted} slides were left out, and the log names {named} of them");
        }
        _ => {}
    }
    output::print(&output::rows(&found, args.output, slides)?)
}

async fn found(cluster: &Cluster, job: &PatchJob, args: &Args) -> anyhow::Result<Vec<LeftOut>> {
    let newest = job.status.as_ref().map_or(0, |status| status.attempt);
    if newest == 0 {
        bail!("{0} has not looked at a slide yet: `kubectl microtome explain {0}` says why", args.name);
    }
    let attempt = args.attempt.unwrap_or(newest);
    let Some(head) = log::head(job, attempt) else { bail!("{} has no log of attempt {attempt}", args.name) };
    let pods: Api<Pod> = cluster.api();
    let mut found = Vec::new();
    let copied = log::lines(&pods, &head.pod, |line| found.extend(left_out(line))).await?;
    if copied == Copied::Gone {
        eprintln!("the pod {} is gone, and its log with it", head.pod);
    }
    found.sort_by_key(|slide: &LeftOut| slide.index);
    found.dedup();
    Ok(found)
}
