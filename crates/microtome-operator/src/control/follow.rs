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
        std::future::pending::<()>().await;
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;

    use futures::Stream;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
    use tonic::transport::Server;
    use tonic::{Code, Request, Response};

    use super::*;
    use crate::control::desires::Desired;
    use crate::control::wire::control_client::ControlClient;
    use crate::control::wire::control_server::{Control, ControlServer};
    use crate::controller::Waker;
    use crate::scale::board::Cluster;

    /// The server without the question who it is.
    struct Known(Arc<(Identity, Hub)>);

    #[tonic::async_trait]
    impl Control for Known {
        type AttachStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

        async fn attach(
            &self,
            request: Request<Streaming<wire::Report>>,
        ) -> Result<Response<Self::AttachStream>, Status> {
            let (sender, orders) = mpsc::channel(1);
            let known = self.0.clone();
            tokio::spawn(async move {
                if let Err(status) = follow(&known.0, request.into_inner(), &sender, &known.1).await {
                    let _ = sender.send(Err(status)).await;
                }
            });
            Ok(Response::new(Box::pin(ReceiverStream::new(orders))))
        }
    }

    /// A head's end of a stream that has begun.
    struct Dialled {
        reports: mpsc::Sender<wire::Report>,
        orders: Streaming<Order>,
    }

    impl Dialled {
        async fn new(address: &str, job_uid: &str) -> Self {
            let (reports, stream) = mpsc::channel(4);
            let mut client = ControlClient::connect(address.to_owned()).await.unwrap();
            let orders = client.attach(ReceiverStream::new(stream)).await.unwrap().into_inner();
            let mut dialled = Self { reports, orders };
            let attempt = i32::from(!job_uid.is_empty());
            dialled.say(Report::Started(wire::Started { job_uid: job_uid.to_owned(), attempt })).await;
            dialled
        }

        async fn say(&mut self, report: Report) {
            self.reports.send(wire::Report { report: Some(report) }).await.unwrap();
        }

        async fn order(&mut self) -> Result<order::Order, Code> {
            let order = self.orders.message().await.map_err(|status| status.code())?;
            Ok(order.unwrap().order.unwrap())
        }
    }

    fn result(job_uid: &str, attempt: i32) -> Report {
        Report::Result(wire::Result { exit_code: 3, job_uid: job_uid.to_owned(), attempt, ..wire::Result::default() })
    }

    fn cluster() -> Cluster {
        Cluster { namespace: "x".into(), name: "workbench".into(), uid: "c".into() }
    }

    fn desired(uid: &str) -> Desired {
        let job = Job { namespace: "x".into(), name: uid.into(), uid: uid.into() };
        Desired { job, attempt: 1, order: "{}".into(), deadline_unix_seconds: None, environment: [].into() }
    }

    async fn serve(head: Head) -> (String, Hub) {
        let hub = Hub::new(Waker::new().0);
        let known = Known(Arc::new((Identity { cluster: cluster(), head }, hub.clone())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(ControlServer::new(known));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (address, hub)
    }

    fn told(order: Result<order::Order, Code>) -> Result<String, Code> {
        Ok(match order? {
            order::Order::Desired(desired) => format!("do {}", desired.job_uid),
            order::Order::Acknowledged(of) => format!("noted {}", of.job_uid),
        })
    }

    #[tokio::test]
    async fn a_standing_head_hears_what_to_do_and_when_its_result_is_written_down() {
        let (address, hub) = serve(Head::Standing).await;
        hub.desire(&cluster(), Some(desired("a")));
        let mut head = Dialled::new(&address, "").await;
        assert_eq!(told(head.order().await), Ok("do a".to_owned()));
        head.say(result("a", 1)).await;
        hub.desire(&cluster(), None);
        assert_eq!(told(head.order().await), Ok("do ".to_owned()));
        // On another stream it is said again, before it was written down and after.
        hub.desire(&cluster(), Some(desired("a")));
        let mut again = Dialled::new(&address, "").await;
        assert_eq!(told(again.order().await), Ok("do a".to_owned()));
        again.say(result("a", 1)).await;
        again.say(result("a", 1)).await;
        while hub.words("a").is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.take("a").result.map(|outcome| outcome.exit_code), Some(3));
        hub.acknowledge("a");
        assert_eq!(told(again.order().await), Ok("noted a".to_owned()));
        again.say(result("a", 1)).await;
        assert_eq!(told(again.order().await), Ok("noted a".to_owned()));
        assert_eq!(hub.take("a").result, None, "once written down it is not written again");
    }

    #[tokio::test]
    async fn a_report_of_a_job_that_it_was_not_told_to_run_is_refused() {
        let (address, hub) = serve(Head::Standing).await;
        hub.desire(&cluster(), Some(desired("a")));
        for (uid, attempt) in [("b", 1), ("a", 2), ("", 0)] {
            let mut head = Dialled::new(&address, "").await;
            assert_eq!(told(head.order().await), Ok("do a".to_owned()));
            head.say(result(uid, attempt)).await;
            assert_eq!(told(head.order().await), Err(Code::PermissionDenied), "{uid} {attempt}");
            assert_eq!(hub.take(uid).result, None);
        }
        let mut forged = Dialled::new(&address, "a").await;
        assert_eq!(told(forged.order().await), Ok("do a".to_owned()), "to whom it says it is");
        assert_eq!(told(forged.order().await), Err(Code::PermissionDenied), "it is no job's own head");
    }

    #[tokio::test]
    async fn a_jobs_own_head_speaks_for_that_job_whatever_it_names() {
        let Desired { job, .. } = desired("a");
        let (address, hub) = serve(Head::Of { job, attempt: 1 }).await;
        let mut other = Dialled::new(&address, "b").await;
        assert_eq!(told(other.order().await), Err(Code::PermissionDenied));
        let mut head = Dialled::new(&address, "a").await;
        let supply = wire::Supply { interval_ms: 1000, ..wire::Supply::default() };
        let progress = wire::Progress { supply: Some(supply), job_uid: "b".into(), ..wire::Progress::default() };
        head.say(Report::Progress(progress)).await;
        head.say(result("b", 7)).await;
        while hub.take("a").result.is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.take("b"), crate::control::hub::Report::default());
        hub.acknowledge("a");
        assert!(matches!(head.order().await, Ok(order::Order::Acknowledged(_))));
    }
}
