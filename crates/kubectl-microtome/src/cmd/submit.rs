//! `submit`: makes a job, with the code that goes along; waits for it, if asked to.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Zoned;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use microtome_api::{PatchJob, condition};

use crate::client::Cluster;
use crate::follow::Follow;
use crate::job::flags::Flags;
use crate::job::order::{self, Order, config_map};
use crate::job::package::Packed;
use crate::log::{self, Wish};
use crate::output::{self, Format};
use crate::refusal::{Asked, Refusal};
use crate::screen::created::created;
use crate::screen::line::line;
use crate::target::Target;
use crate::waiting;
use crate::{interrupt, text};

/// How long the operator is waited for, to say where the job stands in the queue.
const VERDICT: Duration = Duration::from_secs(5);
/// The ConfigMap of a job of this name that was deleted just now goes within this.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Make a job from a file, from flags, or from both; -- COMMAND is what runs
///
/// Flags replace what the file says. --package brings a local module along. With --wait the program's output is printed until the
/// job ends, and the exit code is the program's; Ctrl-C leaves the job running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Print the program's output until the job ends, and exit with the program's exit code
    #[arg(short, long)]
    wait: bool,
    /// Make nothing: check here (client), or let the cluster check it too (server)
    #[arg(long, value_enum, value_name = "WHERE", conflicts_with = "wait")]
    dry_run: Option<DryRun>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Who checks a job that is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    /// The plugin
    Client,
    /// The cluster
    Server,
}

pub(super) async fn run(args: Args, mut target: Target) -> anyhow::Result<ExitCode> {
    let order = order::order(&args.flags, target.namespace.as_deref())?;
    // What the file says counts above the context's namespace.
    target.namespace = order.job.namespace();
    if args.dry_run == Some(DryRun::Client) {
        output::print(&shown(order.job, args.output, "created (dry run)")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = Cluster::connect(&target).await?;
    let is_dry = args.dry_run.is_some();
    let job = make(&cluster, order, is_dry).await?;
    if is_dry {
        output::print(&shown(job, args.output, "created (server dry run)")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // From here on there is a job, whatever becomes of this.
    let name = job.name_any();
    let goes_on = format!(
        "patchjob/{name} goes on; kubectl microtome logs {name} -f takes its log up again, stop {name} ends it"
    );
    interrupt::or_leave(say_and_wait(&cluster, job, &args), &goes_on).await
}

async fn say_and_wait(cluster: &Cluster, job: PatchJob, args: &Args) -> anyhow::Result<ExitCode> {
    let name = job.name_any();
    let is_table = matches!(args.output, Format::Table | Format::Wide);
    let job = if is_table { verdict(cluster, job).await } else { job };
    let said = if is_table { created(&job, &Zoned::now()) } else { shown(job, args.output, "created")? };
    if args.wait {
        // Of stdout all is the program's.
        eprint!("{said}");
        return wait(cluster, &name).await;
    }
    output::print(&said)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(job: PatchJob, format: Format, said: &str) -> anyhow::Result<String> {
    match format {
        Format::Table | Format::Wide => Ok(format!("patchjob/{} {said}\n", job.name_any())),
        Format::Json => output::json(&output::bare(job)),
        Format::Yaml => output::yaml(&output::bare(job)),
        Format::Name => Ok(output::name(&job)),
    }
}

/// Makes the job, then its code, which so goes with it; where the code is not taken, the job is taken back.
async fn make(cluster: &Cluster, order: Order, dry_run: bool) -> anyhow::Result<PatchJob> {
    let params = PostParams { dry_run, ..PostParams::default() };
    let Order { mut job, code } = order;
    job.metadata.namespace = Some(cluster.namespace.clone());
    let name = job.name_any();
    let asked = Asked::of("create", "patchjobs", &name, &cluster.namespace);
    let job = cluster.jobs().create(&params, &job).await.map_err(|error| asked.refused(error))?;
    let Some((packed, Some(map))) = code else { return Ok(job) };
    if let Err(error) = bring(cluster, (&map, &packed), &job, &params).await {
        if !dry_run {
            let _ = cluster.jobs().delete(&name, &DeleteParams::background()).await;
            eprintln!("patchjob/{name} was taken back: its code could not be brought along");
        }
        return Err(error);
    }
    Ok(job)
}

async fn bring(
    cluster: &Cluster,
    (name, packed): (&str, &Packed),
    job: &PatchJob,
    params: &PostParams,
) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = cluster.api();
    let map = config_map(name, packed, job);
    let mut tries = 0;
    loop {
        let Err(error) = maps.create(params, &map).await else { return Ok(()) };
        let is_there = matches!(&error, kube::Error::Api(status) if status.code == 409);
        tries += 1;
        if !is_there || tries > TRIES || params.dry_run {
            let refusal: Refusal = Asked::of("create", "configmaps", name, &cluster.namespace).refused(error);
            return Err(refusal.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The job as it is once the operator has said where it stands, or as it is after a while.
async fn verdict(cluster: &Cluster, made: PatchJob) -> PatchJob {
    let Ok(mut follow) = Follow::new(cluster, &made.name_any()) else { return made };
    let mut newest = made;
    let look = async {
        while let Ok(Some(job)) = follow.next().await {
            newest = job;
            let is_decided = match waiting::of_job(&newest) {
                Some(waiting) => waiting.place.is_some() || newest.spec.cluster_name.is_some(),
                None => !matches!(text::state(&newest), "Pending"),
            };
            if is_decided {
                break;
            }
        }
    };
    // It was made all the same.
    let _ = tokio::time::timeout(VERDICT, look).await;
    newest
}

async fn wait(cluster: &Cluster, name: &str) -> anyhow::Result<ExitCode> {
    let job = log::follow(cluster, name, (1, &Wish::default()), &mut io::stdout()).await?;
    eprintln!("{name}: {}", line(&job, &Zoned::now()));
    Ok(ExitCode::from(exit_code(&job)))
}

/// The program's own; 1 where the job failed before there was one, or by something else than its program.
fn exit_code(job: &PatchJob) -> u8 {
    let code = job.status.as_ref().and_then(|status| status.exit_code);
    let has_failed = condition::is_true(text::conditions(job), condition::FAILED);
    match code.map(u8::try_from) {
        Some(Ok(code)) if code > 0 || !has_failed => code,
        None if !has_failed => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures;

    #[test]
    fn the_exit_code_is_the_programs() {
        let ended = |kind: &str, code: Option<i32>| {
            let end = json!({"type": kind, "status": "True", "reason": "x", "message": "", "lastTransitionTime": "2026-03-02T12:06:00Z"});
            exit_code(&fixtures::job(&json!({"conditions": [end], "exitCode": code})))
        };
        assert_eq!((ended("Complete", Some(0)), ended("Failed", Some(3)), ended("Failed", Some(137))), (0, 3, 137));
        assert_eq!((ended("Failed", None), ended("Failed", Some(0)), ended("Failed", Some(4711))), (1, 1, 1));
        assert_eq!(ended("Complete", None), 0);
    }
}
