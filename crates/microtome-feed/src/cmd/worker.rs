//! `microtome worker`: cuts patches for a head until that is done or this process is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use std::time::Duration;

use anyhow::Result;
use microtome_slide::Stores;
use tokio::sync::watch;

use super::interrupt::Interrupt;
use super::local::cores;
use crate::worker::{Meter, Stop, Worker};
use crate::{engine, metrics, tls};

/// Spot machines give 30 s, of which ending takes some.
const GRACE_SECONDS: u64 = 20;

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
    /// Where `/metrics` and `/healthz` are served [default: nowhere].
    #[arg(long, env = "MICROTOME_METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Told to stop (SIGTERM), how long it may go on with the patches that it has begun; the rest goes back to the head.
    #[arg(long, env = "MICROTOME_GRACE", value_name = "SECONDS", default_value_t = GRACE_SECONDS, value_parser = clap::value_parser!(u64).range(..=86_400))]
    grace: u64,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let tls = args.tls.as_deref().map(tls::client).transpose()?;
    let channel = engine::dial(&args.head, tls)?;
    let (cores, stores) = (cores(), Stores::from_env());
    let worker = Worker::new(stores, args.threads.map_or(cores, usize::from)).metered(Meter::of_process(cores));
    if let Some(address) = args.metrics {
        let worker = worker.clone();
        let address = metrics::serve(address, move || metrics::worker(&worker.totals())).await?;
        tracing::info!(%address, "metrics are served");
    }
    let mut interrupt = Interrupt::watch()?;
    let (tell, told) = watch::channel(false);
    let working = worker.run(channel, Stop::when(told, Duration::from_secs(args.grace)));
    tokio::pin!(working);
    tokio::select! {
        () = &mut working => tracing::info!("the head has no more work"),
        _ = interrupt.told() => {
            tell.send_replace(true);
            tokio::select! {
                () = &mut working => {}
                // Who insists is not kept waiting; the head leases again what this worker had, once the stream closes.
                code = interrupt.told() => return Ok(ExitCode::from(code)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
