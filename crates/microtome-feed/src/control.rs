//! A head's line to the operator: progress while it runs, the result until it is acknowledged.
//!
//! Nothing waits for the operator but the head's end, and that not for ever: while the operator is away the program
//! trains on, and the pod's exit code and termination message say the same once more.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::head::{Head, Snapshot};
use crate::wire::control::control_client::ControlClient;
use crate::wire::control::report::Report as Kind;
use crate::wire::control::{Progress, Report, Result as JobResult, Started};

/// People look at progress every few seconds; the operator writes less often anyway.
const REPORT_EVERY: Duration = Duration::from_secs(1);
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
    request.metadata_mut().insert("authorization", bearer(settings).await?);
    let started = Started { job_uid: settings.job_uid.clone(), attempt: settings.attempt };
    send(&reports, Kind::Started(started)).await?;
    let mut orders = ControlClient::new(settings.channel.clone()).attach(request).await?.into_inner();
    let mut outcome = outcome.clone();
    let mut tick = tokio::time::interval(REPORT_EVERY);
    let mut before = head.stats();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now = head.stats();
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
                // The only order there is, so far, is the acknowledgement.
                return match order? {
                    Some(_) => Ok(()),
                    None => Err(Status::unavailable("the operator closed the stream")),
                };
            }
        }
    }
}

fn report(progress: Progress, outcome: Option<Outcome>) -> Kind {
    match outcome {
        None => Kind::Progress(progress),
        Some(Outcome { exit_code, stream_digest }) => {
            Kind::Result(JobResult { exit_code, stream_digest, progress: Some(progress) })
        }
    }
}

fn progress(before: &Snapshot, now: &Snapshot) -> Progress {
    let waited = (now.waiting.total() - before.waiting.total()).as_secs_f64() / REPORT_EVERY.as_secs_f64();
    Progress {
        patches: now.patches,
        patches_total: now.patches_total,
        patches_per_second: (now.patches - before.patches) / REPORT_EVERY.as_secs(),
        waiting_permille: (waited.clamp(0.0, 1.0) * 1000.0) as u32,
        workers: now.workers as u32,
        slides: now.slides as u32,
        slides_quarantined: now.quarantined.len() as u32,
    }
}

async fn bearer(settings: &Settings) -> Result<MetadataValue<Ascii>, Status> {
    let token = tokio::fs::read_to_string(&settings.token)
        .await
        .map_err(|error| Status::unauthenticated(format!("{}: {error}", settings.token.display())))?;
    format!("Bearer {}", token.trim()).parse().map_err(|_| Status::unauthenticated("the token is not ASCII"))
}

async fn send(reports: &mpsc::Sender<Report>, report: Kind) -> Result<(), Status> {
    let closed = |_| Status::unavailable("the operator closed the stream");
    reports.send(Report { report: Some(report) }).await.map_err(closed)
}
