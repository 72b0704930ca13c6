//! A standing head's line to the operator: what is desired comes in, progress and results of it go out.
//!
//! Desired state is a level, not an event: the newest is all that counts, and as long as the operator has not said anything
//! on any stream nothing changes. A result is repeated until it is acknowledged, or nobody desires its job any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{Outcome, PAUSE, REPORT_EVERY, Seen, bearer, progress, send};
use crate::head::Head;
use crate::wire::control::control_client::ControlClient;
use crate::wire::control::order::Order;
use crate::wire::control::report::Report as Kind;
use crate::wire::control::{Desired, Progress, Result as JobResult, Started};

/// Who reports to whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// To the operator.
    pub channel: Channel,
    /// The file of the bound service-account token; read for each stream, since it is renewed.
    pub token: PathBuf,
}

/// One attempt at one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The job's UID.
    pub job_uid: String,
    /// The attempt; counts from 1.
    pub attempt: i32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which attempt at which job.
    pub run: Run,
    /// The work order: a PatchJob as JSON.
    pub job: Bytes,
    /// When it has to be over, in seconds since 1970; `None` where it may take its time.
    pub deadline_unix_seconds: Option<i64>,
    /// For the program, besides the head's own environment.
    pub environment: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Which.
    pub run: Run,
    /// How.
    pub outcome: Outcome,
    /// The last lines of the program, or why it could not be run.
    pub output: String,
    /// Patches that it got.
    pub patches: u64,
}

/// What a head does now.
#[derive(Clone, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    Running(Run, Head),
    Ended(Ended),
}

/// A running line. It ends when this is dropped.
#[derive(Debug)]
pub struct Line {
    desired: watch::Receiver<Option<Work>>,
    doing: watch::Sender<Doing>,
    task: JoinHandle<()>,
}

/// Begins to listen and to report.
pub fn start(settings: Settings) -> Line {
    let (desire, desired) = watch::channel(None);
    let doing = watch::Sender::new(Doing::Nothing);
    let telling = doing.clone();
    let task = tokio::spawn(async move {
        loop {
            let Err(status) = attach(&settings, &telling, &desire).await;
            tracing::info!(%status, "operator not reached");
            tokio::time::sleep(PAUSE).await;
        }
    });
    Line { desired, doing, task }
}

impl Line {
    /// What is desired, newest first: nothing until the operator says so.
    pub fn desired(&self) -> watch::Receiver<Option<Work>> {
        self.desired.clone()
    }

    /// A run has begun.
    pub fn running(&self, run: &Run, head: &Head) {
        self.doing.send_replace(Doing::Running(run.clone(), head.clone()));
    }

    /// A run has ended: reported until it is acknowledged, or no longer desired.
    pub fn ended(&self, ended: Ended) {
        self.doing.send_replace(Doing::Ended(ended));
        forget_undesired(&self.doing, self.desired.borrow().as_ref());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One stream, until it breaks.
async fn attach(
    settings: &Settings,
    doing: &watch::Sender<Doing>,
    desire: &watch::Sender<Option<Work>>,
) -> Result<std::convert::Infallible, Status> {
    let (reports, stream) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.metadata_mut().insert("authorization", bearer(&settings.token).await?);
    send(&reports, Kind::Started(Started::default())).await?;
    let mut orders = ControlClient::new(settings.channel.clone()).attach(request).await?.into_inner();
    let mut changes = doing.subscribe();
    let mut tick = tokio::time::interval(REPORT_EVERY);
    let mut before: Option<(Run, Seen)> = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let now = doing.borrow().clone();
                if let Some(report) = report(&now, &mut before) {
                    send(&reports, report).await?;
                }
            }
            changed = changes.changed() => {
                changed.map_err(|_| Status::cancelled("the head is gone"))?;
                tick.reset_immediately();
            }
            order = orders.message() => match order? {
                Some(order) => obey(order.order, doing, desire),
                None => return Err(Status::unavailable("the operator closed the stream")),
            }
        }
    }
}

/// What there is to say, if anything. Rates are of the time since `before`.
fn report(doing: &Doing, before: &mut Option<(Run, Seen)>) -> Option<Kind> {
    match doing {
        Doing::Nothing => None,
        Doing::Running(run, head) => {
            let now = Seen::of(head);
            // Rates need two looks.
            let earlier = before.take().filter(|(earlier, _)| earlier == run);
            let progress = earlier.map(|(_, earlier)| progress(&earlier, &now));
            *before = Some((run.clone(), now));
            let Run { job_uid, attempt } = run.clone();
            progress.map(|progress| Kind::Progress(Progress { job_uid, attempt, ..progress }))
        }
        Doing::Ended(Ended { run: Run { job_uid, attempt }, outcome, output, patches }) => {
            let (job_uid, attempt) = (job_uid.clone(), *attempt);
            let progress = Progress { patches: *patches, job_uid: job_uid.clone(), attempt, ..Progress::default() };
            Some(Kind::Result(JobResult {
                exit_code: outcome.exit_code,
                stream_digest: outcome.stream_digest.clone(),
                progress: Some(progress),
                job_uid,
                attempt,
                output: output.clone(),
            }))
        }
    }
}

fn obey(order: Option<Order>, doing: &watch::Sender<Doing>, desire: &watch::Sender<Option<Work>>) {
    match order {
        Some(Order::Acknowledged(of)) => {
            let run = Run { job_uid: of.job_uid, attempt: of.attempt };
            forget(doing, |ended| *ended == run);
        }
        Some(Order::Desired(desired)) => {
            let work = to_work(desired);
            desire.send_if_modified(|before| {
                let changes = *before != work;
                before.clone_from(&work);
                changes
            });
            // In this order: whoever says that a run has ended looks at what is desired after that.
            forget_undesired(doing, work.as_ref());
        }
        None => {}
    }
}

/// Forgets the result of a run, if there is one and it is to be.
fn forget(doing: &watch::Sender<Doing>, when: impl Fn(&Run) -> bool) {
    doing.send_if_modified(|doing| {
        let forgets = matches!(doing, Doing::Ended(ended) if when(&ended.run));
        if forgets {
            *doing = Doing::Nothing;
        }
        forgets
    });
}

/// Nobody waits for the result of what is not desired.
fn forget_undesired(doing: &watch::Sender<Doing>, work: Option<&Work>) {
    forget(doing, |run| work.is_none_or(|work| work.run != *run));
}

fn to_work(desired: Desired) -> Option<Work> {
    (!desired.job_uid.is_empty()).then(|| Work {
        run: Run { job_uid: desired.job_uid, attempt: desired.attempt },
        job: desired.job,
        deadline_unix_seconds: (desired.deadline_unix_seconds != 0).then_some(desired.deadline_unix_seconds),
        environment: desired.environment.into_iter().collect(),
    })
}

/// How long until then; nothing where it is over.
pub fn left(deadline_unix_seconds: i64) -> Duration {
    let deadline = Duration::from_secs(u64::try_from(deadline_unix_seconds).unwrap_or(0));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    deadline.saturating_sub(now)
}
