//! `run`: starts watches, controllers, admission, the heads' server and health, and ends them together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::bell::{self, Loop};
use crate::context::Context;
use crate::control::authority::Authority;
use crate::control::hub::Hub;
use crate::controller::{self, Work};
use crate::health::{self, Readiness};
use crate::settings::Settings;
use crate::world::{Queues, Watches, World};
use crate::{admission, client, cluster, control, job, logs, scale, team};

/// Inside the 30 s that Kubernetes gives a pod; what is cut off is done again at the next start.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT, or until a part of the operator ends.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    logs::start(settings.log_format);
    // Two libraries bring rustls; this says once which cryptography it uses.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clients = client::connect().await.context("no connection to the apiserver")?;
    let authority =
        Authority::load(&clients.requests, &settings).await.context("no authority for the heads' server")?;

    let mut watches = Watches::new(&clients.watches);
    let queues = watches.wire();
    let context = Arc::new(Context {
        client: clients.requests,
        world: watches.world(),
        hub: Hub::new(queues.job_waker.clone()),
        authority,
        settings,
    });
    let stop = CancellationToken::new();
    let mut parts = JoinSet::new();
    start(&mut parts, watches, queues, &context, &stop);

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut outcome = Ok(());
    tokio::select! {
        _ = terminate.recv() => info!("stopping on sigterm"),
        _ = tokio::signal::ctrl_c() => info!("stopping on sigint"),
        Some(ended) = parts.join_next() => outcome = Err(anyhow::anyhow!("a part of the operator ended: {ended:?}")),
    }
    stop.cancel();
    if tokio::time::timeout(STOP_LIMIT, end(&mut parts)).await.is_err() {
        error!("parts still ran at the end");
    }
    outcome
}

/// Waits for all parts.
async fn end(parts: &mut JoinSet<anyhow::Result<()>>) {
    while let Some(part) = parts.join_next().await {
        if let Err(failure) = part.map_err(anyhow::Error::from).and_then(|result| result) {
            error!(error = format!("{failure:#}"), "a part did not end well");
        }
    }
}

fn start(
    parts: &mut JoinSet<anyhow::Result<()>>,
    watches: Watches,
    queues: Queues,
    context: &Arc<Context>,
    stop: &CancellationToken,
) {
    let until = || stop.clone().cancelled_owned();
    let readiness = Readiness::default();
    let world = &context.world;
    let clusters = Work { reader: world.clusters.clone(), wakes: queues.clusters, context: context.clone() };
    let jobs = Work { reader: world.jobs.clone(), wakes: queues.jobs, context: context.clone() };

    spawn(parts, watches.run(stop.clone()));
    // Objects are judged by what all watches say together, so nothing starts before all have listed.
    let all = world.clone();
    let (stop_clusters, stop_jobs, stopped) = (until(), until(), until());
    let controllers = async move {
        if !ready(&all, stopped).await {
            return;
        }
        tokio::join!(
            controller::run(clusters, stop_clusters, cluster::reconcile),
            controller::run(jobs, stop_jobs, job::reconcile),
        );
    };
    spawn(parts, controllers);
    let each = |name, bell| Loop { name, bell, context: context.clone() };
    spawn(parts, bell::run(each("admission", queues.admission), until(), admission::pass));
    spawn(parts, bell::run(each("team", queues.teams), until(), team::pass));

    let reported = context.hub.scale.bell();
    spawn(parts, bell::run(each("scale", reported), until(), scale::pass));

    let served = readiness.clone();
    let (heads, stopped) = (context.clone(), stop.clone());
    parts.spawn(async move {
        if !ready(&heads.world, stopped.cancelled()).await {
            return Ok(());
        }
        Ok(control::server::serve(heads, served, stopped).await?)
    });
    let address = context.settings.health_address;
    let stopped = until();
    parts.spawn(async move { health::serve(address, readiness, stopped).await.context("cannot serve health") });
    info!(version = env!("CARGO_PKG_VERSION"), control = context.settings.control_url(), "started");
}

/// Waits for all first listings; false where the operator stops before.
async fn ready(world: &World, stop: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = stop => false,
        () = world.ready() => true,
    }
}

fn spawn(parts: &mut JoinSet<anyhow::Result<()>>, part: impl Future<Output = ()> + Send + 'static) {
    parts.spawn(async move {
        part.await;
        Ok(())
    });
}
