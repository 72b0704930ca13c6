//! `run`: starts watches, controllers, admission, the heads' server and health, and ends them together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::admission::record::Recorder;
use crate::behind::Behind;
use crate::bell::{self, Loop};
use crate::context::{Clock, Context};
use crate::control::authority::Authority;
use crate::control::hub::Hub;
use crate::controller::{self, Work};
use crate::events::Events;
use crate::health::{self, Readiness};
use crate::leader::{Fence, Leader};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::world::{Queues, Watches};
use crate::{admission, client, cluster, control, job, logs, scale, team};

/// Inside the 30 s that Kubernetes gives a pod; what is cut off is done again at the next start.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs until SIGTERM or SIGINT, until a part of the operator ends, or until another operator leads.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    logs::start(settings.log_format);
    // Two libraries bring rustls; this says once which cryptography it uses.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fence = Fence::default();
    let metrics = Metrics::default();
    let clients = client::connect(&fence, &metrics).await.context("no connection to the apiserver")?;
    let mut leader = Leader::new(clients.lease.clone(), &settings, fence);
    let stop = CancellationToken::new();
    let mut parts = JoinSet::new();

    // A standby has its watches and answers its probes, so that it can lead at once.
    let mut watches = Watches::new(&clients.watches);
    let queues = watches.wire();
    let (world, readiness) = (watches.world(), Readiness::default());
    spawn(&mut parts, watches.run(stop.clone()));
    let (stopped, address) = (stop.clone().cancelled_owned(), settings.health_address);
    let (served, registry) = (readiness.clone(), metrics.registry());
    parts.spawn(async move { health::serve(address, served, registry, stopped).await.context("cannot serve health") });

    let work = async {
        world.ready().await;
        readiness.set();
        leader.acquire().await;
        let authority = Authority::load(&clients.requests, &settings).await;
        let authority = authority.context("no authority for the heads' server")?;
        let hub = Hub::new(queues.job_waker.clone());
        let events = Events::new(clients.requests.clone(), &settings.pod.name);
        metrics.leads();
        let (client, world) = (clients.requests, world.clone());
        let clock = Clock::by(jiff::Timestamp::now);
        let recorder = Recorder::default();
        let behind = Behind::default();
        let context =
            Arc::new(Context { client, world, hub, events, metrics, authority, settings, clock, recorder, behind });
        start(&mut parts, queues, &context, &stop);
        tokio::select! {
            lost = leader.hold() => Err(lost.into()),
            Some(ended) = parts.join_next() => Err(anyhow::anyhow!("a part of the operator ended: {ended:?}")),
        }
    };
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let outcome = tokio::select! {
        _ = terminate.recv() => { info!("stopping on sigterm"); Ok(()) }
        _ = tokio::signal::ctrl_c() => { info!("stopping on sigint"); Ok(()) }
        outcome = work => outcome,
    };
    stop.cancel();
    if tokio::time::timeout(STOP_LIMIT, end(&mut parts)).await.is_err() {
        error!("parts still ran at the end");
    }
    // Only now: nothing of this process writes any more.
    leader.release().await;
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

fn start(parts: &mut JoinSet<anyhow::Result<()>>, queues: Queues, context: &Arc<Context>, stop: &CancellationToken) {
    let until = || stop.clone().cancelled_owned();
    let world = &context.world;
    let clusters = Work { reader: world.clusters.clone(), wakes: queues.clusters, context: context.clone() };
    let jobs = Work { reader: world.jobs.clone(), wakes: queues.jobs, context: context.clone() };
    spawn(parts, controller::run(clusters, until(), cluster::reconcile));
    spawn(parts, controller::run(jobs, until(), job::reconcile));
    let each = |name, bell| Loop { name, bell, context: context.clone() };
    spawn(parts, bell::run(each("admission", queues.admission), until(), admission::pass));
    spawn(parts, bell::run(each("team", queues.teams), until(), team::pass));
    spawn(parts, bell::run(each("scale", context.hub.scale.bell()), until(), scale::pass));
    let (heads, stopped) = (context.clone(), stop.clone());
    parts.spawn(async move {
        control::endpoint::publish(&heads).await.context("cannot publish where heads report")?;
        Ok(control::server::serve(heads, stopped).await?)
    });
    info!(version = env!("CARGO_PKG_VERSION"), control = context.settings.control_url(), "started");
}

fn spawn(parts: &mut JoinSet<anyhow::Result<()>>, part: impl Future<Output = ()> + Send + 'static) {
    parts.spawn(async move {
        part.await;
        Ok(())
    });
}
