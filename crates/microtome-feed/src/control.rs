//! A head's line to the operator: progress while it runs, the result until it is acknowledged.
//!
//! Nothing waits for the operator but the head's end, and that not for ever: while the operator is away the program
//! trains on, and the pod's exit code and termination message say the same once more.

pub mod standing;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use microtome_plan::selection::Quarantined;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::head::{self, Head, Ledger, Snapshot};
use crate::wire::control as wire;
use crate::wire::control::control_client::ControlClient;
use crate::wire::control::order::Order;
use crate::wire::control::report::Report as Kind;
use crate::wire::control::{Loader, Progress, Report, Result as JobResult, Stall, Started, Supply};

/// People look at progress every few seconds; the operator writes less often anyway.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Of the slides that were left out so many are named, each with so much of its reason: a status is no log.
const NAMED: usize = 16;
const REASON_CHARS: usize = 400;
/// Before dialling again.
const PAUSE: Duration = Duration::from_secs(1);

/// Who reports to whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// To the operator.
    pub channel: Channel,
    /// The file of the bound service-account token; read for each stream, since it is renewed.
    pub token: PathBuf,
    /// The job's UID.
    pub job_uid: String,
    /// This attempt; counts from 1.
    pub attempt: i32,
}

/// How the program ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The program's exit code.
    pub exit_code: i32,
    /// The stream's digest; empty where the program did not read all of it.
    pub stream_digest: String,
}

/// A running line.
#[derive(Debug)]
pub struct Control {
    outcome: watch::Sender<Option<Outcome>>,
    task: JoinHandle<()>,
}

/// Begins to report.
pub fn start(settings: Settings, head: Head) -> Control {
    let (outcome, watching) = watch::channel(None);
    let task = tokio::spawn(async move {
        // Ends when the result is acknowledged.
        while let Err(status) = attach(&settings, &head, &watching).await {
            tracing::info!(%status, "operator not reached");
            tokio::time::sleep(PAUSE).await;
        }
    });
    Control { outcome, task }
}

impl Control {
    /// Reports the result until it is acknowledged, or until `patience` ends. Whether it was.
    pub async fn finish(mut self, outcome: Outcome, patience: Duration) -> bool {
        self.outcome.send_replace(Some(outcome));
        let acknowledged = tokio::time::timeout(patience, &mut self.task).await.is_ok();
        self.task.abort();
        acknowledged
    }
}

/// One stream; `Ok` once the result is acknowledged.
async fn attach(settings: &Settings, head: &Head, outcome: &watch::Receiver<Option<Outcome>>) -> Result<(), Status> {
    let (reports, stream) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.metadata_mut().insert("authorization", bearer(&settings.token).await?);
    let started = Started { job_uid: settings.job_uid.clone(), attempt: settings.attempt };
    send(&reports, Kind::Started(started)).await?;
    let mut orders = ControlClient::new(settings.channel.clone()).attach(request).await?.into_inner();
    let mut outcome = outcome.clone();
    let mut tick = tokio::time::interval(REPORT_EVERY);
    let mut before = Seen::of(head);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now = Seen::of(head);
                let progress = progress(&before, &now);
                before = now;
                let result = outcome.borrow().clone();
                send(&reports, report(progress, result)).await?;
            }
            changed = outcome.changed() => {
                changed.map_err(|_| Status::cancelled("the head is gone"))?;
                tick.reset_immediately();
            }
            order = orders.message() => {
                match order?.map(|order| order.order) {
                    Some(Some(Order::Acknowledged(_))) => return Ok(()),
                    // What is desired is a standing head's to know.
                    Some(_) => {}
                    None => return Err(Status::unavailable("the operator closed the stream")),
                }
            }
        }
    }
}

fn report(progress: Progress, outcome: Option<Outcome>) -> Kind {
    match outcome {
        None => Kind::Progress(progress),
        Some(Outcome { exit_code, stream_digest }) => {
            Kind::Result(JobResult { exit_code, stream_digest, progress: Some(progress), ..JobResult::default() })
        }
    }
}

/// A head at one moment.
struct Seen {
    at: Instant,
    stats: Snapshot,
    positions: Vec<head::Position>,
    supply: head::Supply,
}

impl Seen {
    fn of(head: &Head) -> Self {
        Self { at: Instant::now(), stats: head.stats(), positions: head.positions(), supply: head.supply() }
    }
}

fn progress(before: &Seen, now: &Seen) -> Progress {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-3);
    let (patches, waiting) = (now.stats.patches - before.stats.patches, now.stats.waiting.total());
    let waited = waiting.saturating_sub(before.stats.waiting.total()).as_secs_f64() / seconds;
    Progress {
        patches: now.stats.patches,
        patches_total: now.stats.patches_total,
        patches_per_second: (patches as f64 / seconds).round() as u64,
        waiting_permille: (waited.clamp(0.0, 1.0) * 1000.0) as u32,
        workers: now.stats.workers as u32,
        slides: now.stats.slides as u32,
        slides_quarantined: now.stats.quarantined.len() as u32,
        supply: Some(supply(&before.supply, &now.supply, now.at.duration_since(before.at))),
        quarantined: now.stats.quarantined.iter().take(NAMED).map(quarantined).collect(),
        stalled: Some(stall(&now.stats.waiting, &Ledger::default())),
        batches: now.stats.batches,
        batches_an_epoch: now.stats.steps,
        positions: now.positions.iter().map(position).collect(),
        ..Progress::default()
    }
}

fn position(position: &head::Position) -> wire::Position {
    let head::Position { dataset, epoch, batch, of } = position.clone();
    wire::Position { dataset, epoch, batch, of }
}

fn quarantined(slide: &Quarantined) -> wire::Quarantined {
    wire::Quarantined { category: slide.category.clone(), reason: slide.reason.chars().take(REASON_CHARS).collect() }
}

/// What was waited for between two moments.
fn stall(now: &Ledger, before: &Ledger) -> Stall {
    let micros = |part: fn(&Ledger) -> Duration| part(now).saturating_sub(part(before)).as_micros() as u64;
    Stall {
        storage_us: micros(|ledger| ledger.storage),
        decode_us: micros(|ledger| ledger.decode),
        queue_us: micros(|ledger| ledger.queue),
        network_us: micros(|ledger| ledger.network),
        copy_us: micros(|ledger| ledger.copy),
    }
}

fn supply(before: &head::Supply, now: &head::Supply, interval: Duration) -> Supply {
    let milli = |rate: Option<f64>| rate.map_or(0, |rate| (rate * 1000.0).round() as u64);
    let loader = |loader: &head::Loader| Loader {
        dataset: loader.dataset.clone(),
        asked: loader.asked,
        demand_milli: milli(loader.demand),
        rate_milli: milli(loader.rate),
    };
    Supply {
        interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
        arrived: now.arrived - before.arrived,
        waited_us: now.waited.saturating_sub(before.waited).as_micros() as u64,
        stall: Some(stall(&now.waiting, &before.waiting)),
        loaders: now.loaders.iter().map(loader).collect(),
    }
}

async fn bearer(token: &Path) -> Result<MetadataValue<Ascii>, Status> {
    let token = tokio::fs::read_to_string(token)
        .await
        .map_err(|error| Status::unauthenticated(format!("{}: {error}", token.display())))?;
    format!("Bearer {}", token.trim()).parse().map_err(|_| Status::unauthenticated("the token is not ASCII"))
}

async fn send(reports: &mpsc::Sender<Report>, report: Kind) -> Result<(), Status> {
    let closed = |_| Status::unavailable("the operator closed the stream");
    reports.send(Report { report: Some(report) }).await.map_err(closed)
}
