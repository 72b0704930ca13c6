//! `microtome head -- COMMAND`: feeds a program and ends with its exit code. Without COMMAND it stores the job's output.
//!
//! Selecting begins at once, beside the program's start. The program runs in its own process group; a signal to this
//! process goes to that group.

mod orphans;
mod program;
mod saving;
mod storing;
mod termination;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use microtome_api::mount;
use microtome_slide::Stores;
use tokio::sync::oneshot;

use super::environment::{self, About, Environment};
use super::local::{DEFAULT_MEMORY, parse_memory};
use super::storage;
use super::store::Store;
use crate::control::{self, Control, Outcome};
use crate::engine;
use crate::handoff::{HandedOff, Handoff};
use crate::head::{self, Feed, Head, Mode, Order};
use crate::job::Job;
use crate::{metrics, tls};
use program::{Ended, Program};

/// How long a program may go on after its feed failed, to save what it has.
const GRACE: Duration = Duration::from_secs(30);

/// How long a head that is done waits for the operator. Longer would hold a GPU for an operator that is down.
const FAREWELL: Duration = Duration::from_secs(15);

/// Arguments of `microtome head`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job's file: a PatchJob as YAML or JSON.
    #[arg(long, env = "MICROTOME_JOB", value_name = "FILE")]
    job: PathBuf,
    /// Where workers dial in.
    #[arg(long, env = "MICROTOME_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7300")]
    listen: SocketAddr,
    /// The directory of ca.crt, tls.crt and tls.key; without it, no encryption.
    #[arg(long, env = "MICROTOME_TLS", value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
    /// The operator's address, to which progress and the result are reported.
    #[arg(long, env = "MICROTOME_CONTROL", value_name = "URL", requires_all = ["tls", "control_token", "job_uid"])]
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
    let job = Job::read(&args.job)?;
    environment::keep_memory_private()?;
    let stores = storage::stores();
    let stored = if args.command.is_empty() { storage(&job, &stores).await? } else { Vec::new() };
    let place = |index: usize| stored.get(index).and_then(|store: &Store| store.place().0);
    let mode = |index| Mode::Stream { selection: None, resume: place(index) };
    let origins = job.origins().enumerate();
    let mut orders: Vec<Order> = origins.map(|(index, origin)| Order { origin, mode: mode(index) }).collect();
    if !args.command.is_empty() {
        orders.extend(head::to_be_asked(&orders, args.memory));
    }
    let (head, feeds) = head::start(orders, args.memory)?;
    let tls = args.tls.as_deref().map(tls::server).transpose()?;
    let (address, _engine) = engine::serve(&head, args.listen, tls).await?;
    tracing::info!(%address, datasets = job.recipes.len(), "head listens");
    if let Some(address) = args.metrics {
        let head = head.clone();
        let address = metrics::serve(address, move || metrics::head(&head.stats())).await?;
        tracing::info!(%address, "metrics are served");
    }
    let control = report(args, &head)?;

    let Ended { exit_code, handed, told, unsaved } = if args.command.is_empty() {
        storing::store(feeds.into_iter().zip(stored)).await?
    } else {
        run_program((args, &job), (&head, feeds), &stores).await?
    };
    let digest = match &handed {
        Some(HandedOff::Whole { digest }) => digest.clone(),
        _ => String::new(),
    };
    tracing::info!(exit_code, stream_digest = digest, patches = head.stats().patches, "program ended");
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

/// Where the streams go if there is no program.
async fn storage(job: &Job, stores: &Stores) -> Result<Vec<Store>> {
    let mut stored = Vec::new();
    for dataset in 0..job.recipes.len() {
        let store = Store::open(job, dataset, stores).await?;
        stored.push(store.context("no COMMAND was given, and the job has no spec.output to store")?);
    }
    Ok(stored)
}

async fn run_program((args, job): (&Args, &Job), (head, feeds): (&Head, Vec<Feed>), stores: &Stores) -> Result<Ended> {
    let saved = args.checkpoints.as_deref().zip(args.checkpoints_url.as_deref());
    let saver = saved.map(|(directory, url)| saving::start(stores, directory, url)).transpose()?;
    let directory = tempfile::tempdir().context("no temporary directory for the program's socket")?;
    let handoff = Handoff::listen(directory.path()).context("no socket for the program")?;
    let environment = environment(args, handoff.path());
    let _kept = environment.keep().inspect_err(|error| tracing::warn!(%error, "`microtome shell` will find no head"));
    let mut program = Program::start(&args.command, &environment)?;
    let output = job.object.spec.output.as_ref().map(|output| output.url.clone());
    let (closing, closed) = oneshot::channel();
    let handing = tokio::spawn(async move { handoff.serve((feeds, output), closed).await });
    let mut ended = program.attend((handing, closing), GRACE).await?;
    if let Some(saver) = saver {
        // The workers need not wait for that.
        head.drain().await;
        ended.unsaved = saving::finish(saver, &ended, Duration::from_secs(args.checkpoints_patience)).await?;
    }
    Ok(ended)
}

/// What the program is told in its environment.
fn environment(args: &Args, feed: &Path) -> Environment {
    let (job_uid, checkpoints) = (args.job_uid.as_deref(), args.checkpoints.as_deref());
    Environment::new(About { feed, job_uid, attempt: args.attempt, checkpoints })
}

fn report(args: &Args, head: &Head) -> Result<Option<Control>> {
    let (Some(address), Some(directory), Some(token), Some(uid)) =
        (&args.control, &args.tls, &args.control_token, &args.job_uid)
    else {
        return Ok(None);
    };
    let channel = engine::dial(address, Some(tls::control(directory)?))?;
    let settings = control::Settings { channel, token: token.clone(), job_uid: uid.clone(), attempt: args.attempt };
    Ok(Some(control::start(settings, head.clone())))
}
