//! Follows one head's stream: notes what it reports, tells it what is desired, and that its result is written down.

use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::desires::Said;
use super::hub::{Hub, Job, Outcome, Words};
use super::identity::{Head, Identity};
use super::report::{is_digest, to_observation, to_progress};
use super::wire::{self, Order, order, report::Report};

type Orders = mpsc::Sender<Result<Order, Status>>;

/// A head's stream.
struct Follower<'a> {
    identity: &'a Identity,
    orders: &'a Orders,
    hub: &'a Hub,
    started: bool,
    /// Of a standing head: what it is told.
    said: Option<watch::Receiver<Said>>,
    /// The result that was noted, and whether it is written down.
    result: Option<Noted>,
}

struct Noted {
    job_uid: String,
    attempt: i32,
    written: watch::Receiver<bool>,
    told: bool,
}

/// Follows until the stream ends.
pub(super) async fn follow(
    identity: &Identity,
    mut reports: Streaming<wire::Report>,
    orders: &Orders,
    hub: &Hub,
) -> Result<(), Status> {
    let said = matches!(identity.head, Head::Standing).then(|| {
        let mut said = hub.desired(&identity.cluster);
        // What was said before this stream is new to it.
        said.mark_changed();
        said
    });
    let mut follower = Follower { identity, orders, hub, started: false, said, result: None };
    loop {
        tokio::select! {
            report = reports.message() => match report? {
                Some(report) => follower.hear(report.report)?,
                None => return Ok(()),
            },
            () = changed(&mut follower.said) => follower.tell_desired().await,
            () = written(&mut follower.result) => follower.tell_written().await,
            () = orders.closed() => return Ok(()),
        }
    }
}

/// Waits for something new to tell.
async fn changed(said: &mut Option<watch::Receiver<Said>>) {
    let news = match said {
        Some(said) => said.changed().await.is_ok(),
        None => false,
    };
    if !news {
        // Not a standing head, or its cluster is gone: nothing will be said.
        std::future::pending().await
    }
}

/// Waits for a noted result to be written down.
async fn written(result: &mut Option<Noted>) {
    match result {
        // An error is the hub's entry forgotten, which is done only after the write.
        Some(noted) if !noted.told => drop(noted.written.wait_for(|written| *written).await),
        _ => std::future::pending().await,
    }
}

impl Follower<'_> {
    fn hear(&mut self, report: Option<Report>) -> Result<(), Status> {
        match report {
            Some(Report::Started(says)) => self.start(&says)?,
            _ if !self.started => return Err(Status::failed_precondition("the first report must be Started")),
            Some(Report::Progress(progress)) => {
                if let Some(job) = self.job(&progress.job_uid, progress.attempt)? {
                    self.hub.progress(&job, to_progress(&progress));
                    if let Some(seen) = to_observation(&progress) {
                        self.hub.scale.report(&self.identity.cluster, seen);
                    }
                }
            }
            Some(Report::Result(result)) => self.note(result)?,
            None => {}
        }
        Ok(())
    }

    fn start(&mut self, says: &wire::Started) -> Result<(), Status> {
        let is_so = match &self.identity.head {
            Head::Of { job, attempt } => says.job_uid == job.uid && says.attempt == *attempt,
            Head::Standing => says.job_uid.is_empty(),
        };
        self.started = is_so;
        is_so.then_some(()).ok_or_else(|| Status::permission_denied("the token is another job's or another attempt's"))
    }

    /// The job that a report is of; nothing where the report is to be passed over.
    fn job(&self, job_uid: &str, attempt: i32) -> Result<Option<Job>, Status> {
        match (&self.identity.head, &self.said) {
            // A head of a job's own has no other: what it says of it does not count.
            (Head::Of { job, .. }, _) => Ok(Some(job.clone())),
            (Head::Standing, Some(said)) => said.borrow().job(job_uid, attempt),
            (Head::Standing, None) => Ok(None),
        }
    }

    fn note(&mut self, result: wire::Result) -> Result<(), Status> {
        let Some(job) = self.job(&result.job_uid, result.attempt)? else { return Ok(()) };
        let same = |noted: &&mut Noted| noted.job_uid == job.uid && noted.attempt == result.attempt;
        if let Some(noted) = self.result.as_mut().filter(same) {
            // Said again: what it was told may have been lost.
            noted.told = false;
            return Ok(());
        }
        let digest = Some(result.stream_digest).filter(|digest| is_digest(digest));
        let outcome = Outcome { exit_code: result.exit_code, stream_digest: digest };
        // Of a head of a job's own it is not said: the pod's status has it.
        let words = Words { attempt: result.attempt, output: result.output };
        let progress = match self.identity.head {
            Head::Of { .. } => result.progress.as_ref().map(to_progress),
            // A standing head has counted no more than patches by then; what it reported before says more.
            Head::Standing => None,
        };
        let written = self.hub.result(&job, outcome, progress);
        if matches!(self.identity.head, Head::Standing) {
            self.hub.note_words(&job, words);
        }
        self.result = Some(Noted { job_uid: job.uid, attempt: result.attempt, written, told: false });
        Ok(())
    }

    async fn tell_desired(&mut self) {
        let desired = self.said.as_mut().and_then(|said| said.borrow_and_update().to_wire());
        if let Some(desired) = desired {
            self.tell(order::Order::Desired(desired)).await;
        }
    }

    async fn tell_written(&mut self) {
        let Some(noted) = &mut self.result else { return };
        noted.told = true;
        let (job_uid, attempt) = (noted.job_uid.clone(), noted.attempt);
        self.tell(order::Order::Acknowledged(wire::Acknowledged { job_uid, attempt })).await;
    }

    async fn tell(&self, order: order::Order) {
        // A head that is gone has closed the stream.
        let _ = self.orders.send(Ok(Order { order: Some(order) })).await;
    }
}
