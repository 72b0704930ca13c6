//! `logs`: what a job's program wrote, or its workers.

use std::io;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use microtome_api::{PatchJob, condition, names};

use crate::client::Cluster;
use crate::job::duration::seconds;
use crate::log::{self, Copied, Wish};
use crate::refusal::Asked;
use crate::target::Target;
use crate::{interrupt, output, text};

/// Print what a job's program wrote; with -f through all attempts, until the job ends
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    name: String,
    /// Go on with what comes; Ctrl-C leaves the job running
    #[arg(short, long)]
    follow: bool,
    /// The log of this attempt [default: the newest]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    attempt: Option<i32>,
    /// The logs of the workers instead, or of the one whose pod is given
    #[arg(long, value_name = "POD", num_args = 0..=1, require_equals = true, conflicts_with = "attempt")]
    worker: Option<Option<String>>,
    /// Only so many of the last lines
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    tail: Option<i64>,
    /// Only what was written in the last so long, say 10m
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    since: Option<i64>,
    /// Put the time before each line
    #[arg(long)]
    timestamps: bool,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(&target).await?;
    let name = &args.name;
    let goes_on = format!("patchjob/{name} goes on; kubectl microtome logs {name} -f takes its log up again");
    let asked = Asked::of("get", "patchjobs", name, &cluster.namespace);
    let job = cluster.jobs().get(name).await.map_err(|error| asked.refused(error))?;
    let wish = Wish {
        follow: args.follow,
        tail: args.tail,
        since: args.since.map(|seconds| log::ago(seconds, Timestamp::now())),
        timestamps: args.timestamps,
        prefix: String::new(),
    };
    let work = async {
        match (&args.worker, args.attempt) {
            (Some(worker), _) => workers(&cluster, &job, worker.as_deref(), &wish).await,
            (None, None) if args.follow => {
                let newest = job.status.as_ref().map_or(1, |status| status.attempt);
                log::follow(&cluster, name, (newest, &wish), &mut io::stdout()).await.map(|_| ())
            }
            (None, attempt) => one(&cluster, &job, attempt, &wish).await,
        }?;
        Ok(ExitCode::SUCCESS)
    };
    interrupt::or_leave(work, &goes_on).await
}

/// The log of one attempt.
async fn one(cluster: &Cluster, job: &PatchJob, attempt: Option<i32>, wish: &Wish) -> anyhow::Result<()> {
    let (name, newest) = (job.name_any(), job.status.as_ref().map_or(0, |status| status.attempt));
    if newest == 0 {
        bail!(
            "{name} has not been started yet: `kubectl microtome explain {name}` says why, `logs {name} -f` waits for it"
        );
    }
    let attempt = attempt.unwrap_or(newest);
    let head = log::head(job, attempt).ok_or_else(|| match attempt > newest {
        true => anyhow!("{name} has had {newest} attempts, and no attempt {attempt}"),
        false => anyhow!("on a standing cluster only the newest attempt's log is known"),
    })?;
    let pods: Api<Pod> = Api::namespaced(cluster.patient()?, &cluster.namespace);
    let wish = Wish { since: wish.since.max(head.since), ..wish.clone() };
    match log::copy(&pods, &head.pod, &wish, &mut io::stdout()).await? {
        Copied::Whole => Ok(()),
        Copied::NotYet => bail!("attempt {attempt} has not begun to write: `kubectl microtome status {name}` says why"),
        Copied::Gone => last_words(job, &head.pod, attempt == newest),
    }
}

/// The pod is gone; of the newest attempt's end the status has the last lines.
fn last_words(job: &PatchJob, pod: &str, is_newest: bool) -> anyhow::Result<()> {
    let conditions = text::conditions(job);
    match text::ready(conditions).filter(|_| is_newest && condition::has_ended(conditions)) {
        Some(ready) => {
            eprintln!("the pod {pod} is gone; this is what the job's status kept of it");
            output::print(&format!("{}\n", text::harmless(&ready.message).trim_end()))
        }
        None => bail!("the pod {pod} is gone, and its log with it"),
    }
}

async fn workers(cluster: &Cluster, job: &PatchJob, only: Option<&str>, wish: &Wish) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.patient()?, &cluster.namespace);
    let owner = job.spec.cluster_name.clone().unwrap_or_else(|| job.name_any());
    let names = match only {
        Some(name) => vec![name.to_owned()],
        None => worker_pods(&pods, &owner).await?,
    };
    if names.is_empty() {
        bail!("{} has no workers now", job.name_any());
    }
    let one = |name: String| {
        let prefix = if only.is_some() { String::new() } else { format!("[{name}] ") };
        let (pods, wish) = (pods.clone(), Wish { prefix, ..wish.clone() });
        async move {
            match log::copy(&pods, &name, &wish, &mut io::stdout()).await? {
                Copied::Whole => {}
                Copied::NotYet => eprintln!("{name} has not begun"),
                Copied::Gone => eprintln!("{name} is gone"),
            }
            anyhow::Ok(())
        }
    };
    if wish.follow {
        try_join_all(names.into_iter().map(one)).await?;
    } else {
        for name in names {
            one(name).await?;
        }
    }
    Ok(())
}

async fn worker_pods(pods: &Api<Pod>, cluster: &str) -> anyhow::Result<Vec<String>> {
    let labels = format!("{}={cluster},{}={}", names::LABEL_CLUSTER, names::LABEL_ROLE, names::ROLE_WORKER);
    let listed = pods.list_metadata(&ListParams::default().labels(&labels)).await;
    let listed = listed.map_err(|error| Asked::list("pods", pods.namespace()).refused(error))?;
    Ok(listed.items.iter().map(ResourceExt::name_any).collect())
}
