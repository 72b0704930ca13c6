//! `stop`: ends a job's pods and waits until they are gone.

use std::process::ExitCode;

use microtome_api::{PatchJob, condition};

use super::suspend::set;
use crate::client::Cluster;
use crate::follow::Follow;
use crate::reference::Reference;
use crate::refusal::Asked;
use crate::target::Target;
use crate::{interrupt, output, text};

/// Stop jobs: end their pods, give their quota back, keep the job and its checkpoints
///
/// As `suspend`, but waits until the pods are gone. `resume` goes on from the last checkpoint; `delete` removes the job.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Jobs
    #[arg(required = true)]
    names: Vec<String>,
    /// Do not wait until the pods are gone
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(&target).await?;
    let mut stopping = Vec::new();
    for name in &args.names {
        let asked = Asked::of("get", "patchjobs", name, &cluster.namespace);
        let job = cluster.jobs().get(name).await.map_err(|error| asked.refused(error))?;
        if condition::has_ended(text::conditions(&job)) {
            eprintln!("patchjob/{name} has ended already: {}", text::state(&job));
            continue;
        }
        set(&cluster, &Reference::Job(name.clone()), true).await?;
        stopping.push(name.as_str());
    }
    let wait = async {
        for name in &stopping {
            let said = if args.no_wait { "is stopping" } else { gone(&cluster, name).await? };
            output::print(&format!("patchjob/{name} {said}\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    };
    interrupt::or_leave(wait, "the jobs are stopping all the same").await
}

/// Waits until a job holds nothing.
async fn gone(cluster: &Cluster, name: &str) -> anyhow::Result<&'static str> {
    let mut follow = Follow::new(cluster, name)?;
    while let Some(job) = follow.next().await? {
        if let Some(said) = stopped(&job) {
            return Ok(said);
        }
    }
    Ok("was deleted")
}

/// What became of it, once it holds nothing.
fn stopped(job: &PatchJob) -> Option<&'static str> {
    match text::state(job) {
        "Suspended" => Some("stopped"),
        // It was refused, and never held anything.
        _ if condition::is_true(text::conditions(job), condition::STALLED) => Some("stopped"),
        _ if condition::has_ended(text::conditions(job)) => Some("has ended by itself"),
        _ => None,
    }
}
