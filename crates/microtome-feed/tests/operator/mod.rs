//! An operator that says what a test tells it to, and hands on what it hears.

#![allow(unreachable_pub, reason = "a module of a test")]

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::Stream;
use microtome_feed::wire::control::control_server::{Control, ControlServer};
use microtome_feed::wire::control::order::Order as Kind;
use microtome_feed::wire::control::report::Report as Said;
use microtome_feed::wire::control::{Acknowledged, Desired, Order, Progress, Report, Result as JobResult};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// Nothing that is waited for takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Operator {
    pub address: String,
    service: Service,
    said: mpsc::UnboundedReceiver<Said>,
}

#[derive(Clone)]
struct Service {
    desired: Arc<Mutex<Option<Desired>>>,
    tell: broadcast::Sender<Tell>,
    hear: mpsc::UnboundedSender<Said>,
}

#[derive(Clone)]
enum Tell {
    Order(Kind),
    Cut,
}

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<Report>>) -> Result<Response<Self::AttachStream>, Status> {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer secret");
        let (orders, stream) = mpsc::channel(8);
        let (mut told, service) = (self.tell.subscribe(), self.clone());
        let mut reports = request.into_inner();
        let desired = self.desired.lock().unwrap().clone();
        tokio::spawn(async move {
            if let Some(desired) = desired {
                orders.send(Ok(order(Kind::Desired(desired)))).await.unwrap();
            }
            loop {
                tokio::select! {
                    Ok(Some(report)) = reports.message() => service.hear.send(report.report.unwrap()).unwrap(),
                    Ok(tell) = told.recv() => match tell {
                        Tell::Order(kind) => drop(orders.send(Ok(order(kind))).await),
                        Tell::Cut => return,
                    },
                    else => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

fn order(kind: Kind) -> Order {
    Order { order: Some(kind) }
}

impl Operator {
    /// Serves with the certificate in a directory.
    pub async fn start(tls: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let file = |name: &str| std::fs::read(tls.join(name)).unwrap();
        let identity = Identity::from_pem(file("tls.crt"), file("tls.key"));
        let (hear, said) = mpsc::unbounded_channel();
        let service = Service { desired: Arc::default(), tell: broadcast::channel(64).0, hear };
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        let mut server = server;
        let router = server.add_service(ControlServer::new(service.clone()));
        tokio::spawn(async move { router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
        Self { address, service, said }
    }

    /// Says what is desired, on this stream and all later ones.
    pub fn desire(&self, desired: Desired) {
        *self.service.desired.lock().unwrap() = Some(desired.clone());
        self.tell(Tell::Order(Kind::Desired(desired)));
    }

    pub fn acknowledge(&self, job_uid: &str) {
        let acknowledged = Acknowledged { job_uid: job_uid.to_owned(), attempt: 1 };
        self.tell(Tell::Order(Kind::Acknowledged(acknowledged)));
    }

    /// Ends the stream.
    pub fn cut(&self) {
        self.tell(Tell::Cut);
    }

    fn tell(&self, tell: Tell) {
        // Nobody may be there yet.
        let _ = self.service.tell.send(tell);
    }

    pub async fn hear(&mut self) -> Said {
        tokio::time::timeout(PATIENCE, self.said.recv()).await.expect("the head says something").unwrap()
    }

    /// Waits for a stream's first message.
    pub async fn started(&mut self) {
        while !matches!(self.hear().await, Said::Started(_)) {}
    }

    /// Waits for progress of a job.
    pub async fn progress(&mut self, job_uid: &str) -> Progress {
        loop {
            if let Said::Progress(progress) = self.hear().await
                && progress.job_uid == job_uid
            {
                return progress;
            }
        }
    }

    /// Waits for the next result, whatever it is of.
    pub async fn result(&mut self) -> JobResult {
        loop {
            if let Said::Result(result) = self.hear().await {
                return result;
            }
        }
    }
}

/// The files of a pod with certificates: one for everybody, by an authority of its own.
pub fn write_certificates(directory: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let signed =
        CertificateParams::new(names).unwrap().signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let files = [("ca.crt", &certificate), ("control-ca.crt", &certificate), ("tls.crt", &signed.pem())];
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    std::fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
}
