//! `microtome worker`: cuts patches for a head until that is done or this process is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use microtome_slide::Stores;
use tokio::signal::unix::{SignalKind, signal};

use super::local::cores;
use crate::worker::Worker;
use crate::{engine, tls};

/// Arguments of `microtome worker`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The head's address, say https://NAME-head.NAMESPACE.svc:7300.
    #[arg(long, env = "MICROTOME_HEAD", value_name = "URL")]
    head: String,
    /// The directory of ca.crt, tls.crt and tls.key; without it, no encryption.
    #[arg(long, env = "MICROTOME_TLS", value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
    /// Threads that decode [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let tls = args.tls.as_deref().map(tls::client).transpose()?;
    let channel = engine::dial(&args.head, tls)?;
    let worker = Worker::new(Stores::from_env(), args.threads.map_or_else(cores, usize::from));
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be watched")?;
    tokio::select! {
        () = worker.run(channel) => tracing::info!("the head has no more work"),
        // The head leases again what this worker had, as soon as the stream closes.
        _ = terminate.recv() => tracing::info!("told to stop"),
        interrupt = tokio::signal::ctrl_c() => interrupt?,
    }
    Ok(ExitCode::SUCCESS)
}
