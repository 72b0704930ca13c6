//! `microtome head -- COMMAND`: feeds a program and ends with its exit code. Without COMMAND it stores the job's output.
//!
//! With `--standing` it stays, and takes its jobs from the operator. Selecting begins at once, beside the program's start. The program runs in its own process group; a signal to this
//! process goes to that group.

mod attempt;
mod orphans;
mod program;
mod saving;
mod stays;
mod storing;
mod tail;
mod termination;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use microtome_api::mount;
use tonic::transport::Channel;

use super::environment;
use super::local::{DEFAULT_MEMORY, parse_memory};
use crate::control::{self, Control, Outcome, standing};
use crate::engine::{self, Engine};
use crate::head::{Door, Head};
use crate::job::Job;
use crate::{metrics, tls};
use attempt::{Attempt, Done, Setting};
use program::Ended;
use stays::Standing;

/// How long a program may go on after its feed failed, to save what it has.
const GRACE: Duration = Duration::from_secs(30);

/// How long a head that is done waits for the operator. Longer would hold a GPU for an operator that is down.
const FAREWELL: Duration = Duration::from_secs(15);

/// Arguments of `microtome head`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job's file: a PatchJob as YAML or JSON.
    #[arg(long, env = "MICROTOME_JOB", value_name = "FILE", required_unless_present = "standing")]
    job: Option<PathBuf>,
    /// Stay, and take one job after another from the operator.
    #[arg(long, conflicts_with_all = ["job", "command", "checkpoints_url"], requires_all = ["tls", "control", "control_token"])]
    standing: bool,
    /// Where workers dial in.
    #[arg(long, env = "MICROTOME_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7300")]
    listen: SocketAddr,
    /// The directory of ca.crt, tls.crt and tls.key; without it, no encryption.
    #[arg(long, env = "MICROTOME_TLS", value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
    /// The operator's address, to which progress and the result are reported.
    #[arg(long, env = "MICROTOME_CONTROL", value_name = "URL", requires_all = ["tls", "control_token"])]
    control: Option<String>,
    /// The file of the token that the operator wants to see.
    #[arg(long, value_name = "FILE")]
    control_token: Option<PathBuf>,
    /// The job's UID.
    #[arg(long, env = mount::JOB_UID_VARIABLE, value_name = "UID")]
    job_uid: Option<String>,
    /// Which attempt of the job this is.
    #[arg(long, env = mount::ATTEMPT_VARIABLE, value_name = "K", default_value_t = 1)]
    attempt: i32,
    /// Where `/metrics` and `/healthz` are served [default: nowhere].
    #[arg(long, env = "MICROTOME_METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Patches held in memory at most, say 512Mi or 4Gi.
    #[arg(long, env = mount::MEMORY_VARIABLE, value_name = "SIZE", default_value = DEFAULT_MEMORY, value_parser = parse_memory)]
    memory: u64,
    /// The directory of the program's checkpoints, which it finds in MICROTOME_CHECKPOINTS.
    #[arg(long, env = mount::CHECKPOINTS_VARIABLE, value_name = "DIRECTORY")]
    checkpoints: Option<PathBuf>,
    /// The folder in storage to which whole files of that directory are copied while the program runs.
    #[arg(long, value_name = "URL", requires = "checkpoints")]
    checkpoints_url: Option<String>,
    /// How long what the program has left there may take to be stored once it has ended; 20 s at most if it was told to end.
    #[arg(long, value_name = "SECONDS", default_value_t = saving::PATIENCE_SECONDS, value_parser = clap::value_parser!(u64).range(..=86_400))]
    checkpoints_patience: u64,
    /// The program and its arguments, after `--`. It finds its patches at the socket named in MICROTOME_FEED. Without one the
    /// job's output is stored.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let outcome = feed(args).await;
    if let Err(error) = &outcome {
        termination::write(&super::format::chain(error));
    }
    outcome
}

async fn feed(args: &Args) -> Result<ExitCode> {
    environment::keep_memory_private()?;
    let door = Door::default();
    let Some(file) = &args.job else { return stand(args, door).await };
    let job = Job::read(file)?;
    let _engine = serve(args, &door).await?;
    let setting = Setting {
        attempt: args.attempt,
        job_uid: args.job_uid.clone(),
        environment: BTreeMap::new(),
        checkpoints: args.checkpoints.clone(),
        checkpoints_url: args.checkpoints_url.clone(),
        checkpoints_patience: Duration::from_secs(args.checkpoints_patience),
    };
    let attempt = Attempt { job: &job, command: &args.command, setting, memory: args.memory, door: &door };
    let mut control = None;
    let begun = |head: &Head| {
        control = report(args, head)?;
        Ok(())
    };
    let done = attempt.run(begun, pending(), None).await?;
    let digest = done.digest();
    let Done { ended: Ended { exit_code, handed, told, unsaved }, head } = done;
    head.drain().await;
    termination::write(&termination::message(exit_code, handed.as_ref(), head.stats().patches));
    if let Some(control) = control {
        // Who is told to end is not asked how it went: the job or its pod is being deleted.
        let patience = if told { Duration::ZERO } else { FAREWELL };
        let acknowledged = control.finish(Outcome { exit_code, stream_digest: digest }, patience).await;
        tracing::info!(acknowledged, "result reported");
    }
    saving::tell(&unsaved);
    Ok(ExitCode::from(u8::try_from(exit_code).unwrap_or(u8::MAX)))
}

/// Takes jobs from the operator.
async fn stand(args: &Args, door: Door) -> Result<ExitCode> {
    let (channel, token) = operator(args)?.context("a standing head needs --control, --control-token and --tls")?;
    let _engine = serve(args, &door).await?;
    let line = standing::start(standing::Settings { channel, token });
    Standing { line, door, memory: args.memory }.run().await
}

/// Lets workers in, and tells metrics where that is asked for.
async fn serve(args: &Args, door: &Door) -> Result<Engine> {
    let tls = args.tls.as_deref().map(tls::server).transpose()?;
    let (address, engine) = engine::serve(door, args.listen, tls).await?;
    tracing::info!(%address, "head listens");
    if let Some(address) = args.metrics {
        let door = door.clone();
        let stats = move || door.head().map(|head| head.stats()).unwrap_or_default();
        let address = metrics::serve(address, move || metrics::head(&stats())).await?;
        tracing::info!(%address, "metrics are served");
    }
    Ok(engine)
}

/// The way to the operator, and the token that it wants to see.
fn operator(args: &Args) -> Result<Option<(Channel, PathBuf)>> {
    let (Some(address), Some(directory), Some(token)) = (&args.control, &args.tls, &args.control_token) else {
        return Ok(None);
    };
    Ok(Some((engine::dial(address, Some(tls::control(directory)?))?, token.clone())))
}

fn report(args: &Args, head: &Head) -> Result<Option<Control>> {
    let (Some((channel, token)), Some(uid)) = (operator(args)?, &args.job_uid) else { return Ok(None) };
    let settings = control::Settings { channel, token, job_uid: uid.clone(), attempt: args.attempt };
    Ok(Some(control::start(settings, head.clone())))
}
