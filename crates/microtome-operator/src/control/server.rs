//! Takes heads' streams: checks who dials, notes what they report, and tells them when their result is written down.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use kube::ResourceExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Identity as ServerIdentity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use super::hub::Outcome;
use super::identity::{self, Identity, identify};
use super::report::{is_digest, to_observation, to_progress};
use super::wire::control_server::{Control, ControlServer};
use super::wire::{self, Order, order, report};
use crate::context::Context;
use crate::logs;

/// The server's certificate; a new one is made well before.
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);
const RENEW_AFTER: Duration = Duration::from_secs(60 * 86_400);
/// Reports are a few dozen bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// A head whose node went must not hold its stream for ever.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Streams last as long as jobs do, so they are cut off rather than waited for.
const GRACE: Duration = Duration::from_secs(1);

/// Why heads are no longer served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot make the server's certificate")]
    Certificate(#[source] rcgen::Error),
    #[error("cannot listen for heads")]
    Listen(#[source] std::io::Error),
    #[error("cannot serve heads")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves until `stop`; with a new certificate now and then, for which streams drop and heads dial again.
pub(crate) async fn serve(context: Arc<Context>, stop: CancellationToken) -> Result<(), Error> {
    let settings = &context.settings;
    let hosts = vec![settings.control_host(), format!("{}.cluster.local", settings.control_host())];
    while !stop.is_cancelled() {
        let pair = context.authority.serve(hosts.clone(), LIFETIME).map_err(Error::Certificate)?;
        let tls = ServerTlsConfig::new().identity(ServerIdentity::from_pem(pair.certificate, pair.key));
        let listener = TcpListener::bind(settings.control_address).await.map_err(Error::Listen)?;
        info!(address = %settings.control_address, "serving heads");
        let service = Service { context: context.clone() };
        let round = CancellationToken::new();
        let server = Server::builder()
            .tls_config(tls)
            .map_err(Error::Serve)?
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_service(ControlServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), round.clone().cancelled_owned());
        let end = async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(RENEW_AFTER) => {}
            }
            round.cancel();
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = server => served.map_err(Error::Serve)?,
            () = end => {}
        }
    }
    Ok(())
}

struct Service {
    context: Arc<Context>,
}

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<Order, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<wire::Report>>) -> Result<Response<Self::AttachStream>, Status> {
        let identity = match bearer(&request) {
            Ok(token) => identify(token, &self.context).await,
            Err(error) => Err(error),
        };
        let identity = identity.map_err(|error| refuse(&error))?;
        let (sender, orders) = mpsc::channel(1);
        let context = self.context.clone();
        tokio::spawn(async move {
            let (namespace, job) = (identity.job.namespace.clone(), identity.job.name.clone());
            context.metrics.heads(1);
            info!(namespace, job, attempt = identity.attempt, "head attached");
            if let Err(status) = follow(&identity, request.into_inner(), &sender, &context).await {
                debug!(namespace, job, status = %status.message(), "head's stream broke");
                // The head may be gone.
                let _ = sender.send(Err(status)).await;
            }
            if context.world.jobs.get(&namespace, &job).and_then(|job| job.uid()).as_ref() != Some(&identity.job.uid) {
                // Nobody will ever write down what it reported.
                context.hub.forget(&identity.job.uid);
            }
            context.metrics.heads(-1);
            info!(namespace, job, attempt = identity.attempt, "head detached");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(orders))))
    }
}

fn bearer<T>(request: &Request<T>) -> Result<&str, identity::Error> {
    let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(identity::Error::NoToken)
}

/// Total: every refusal has its code.
fn refuse(error: &identity::Error) -> Status {
    warn!(category = error.category(), error = logs::chain(error), "head refused");
    match error.category() {
        "Unauthenticated" => Status::unauthenticated(error.to_string()),
        "Unreachable" => Status::unavailable(error.to_string()),
        _ => Status::permission_denied(error.to_string()),
    }
}

/// Notes reports until the stream ends.
async fn follow(
    identity: &Identity,
    mut reports: Streaming<wire::Report>,
    orders: &mpsc::Sender<Result<Order, Status>>,
    context: &Context,
) -> Result<(), Status> {
    let mut started = false;
    while let Some(report) = reports.message().await? {
        match report.report {
            Some(report::Report::Started(says)) => {
                if says.job_uid != identity.job.uid || says.attempt != identity.attempt {
                    return Err(Status::permission_denied("the token is another job's or another attempt's"));
                }
                started = true;
            }
            _ if !started => return Err(Status::failed_precondition("the first report must be Started")),
            Some(report::Report::Progress(progress)) => {
                context.hub.progress(&identity.job, to_progress(&progress));
                if let Some(seen) = to_observation(&progress) {
                    context.hub.scale.report(&identity.cluster, seen);
                }
            }
            Some(report::Report::Result(result)) => {
                let digest = Some(result.stream_digest).filter(|digest| is_digest(digest));
                let outcome = Outcome { exit_code: result.exit_code, stream_digest: digest };
                let progress = result.progress.as_ref().map(to_progress);
                let mut written = context.hub.result(&identity.job, outcome, progress);
                tokio::select! {
                    // An error is the hub's entry forgotten, which is done only after the write.
                    _ = written.wait_for(|written| *written) => {}
                    () = orders.closed() => return Ok(()),
                }
                let order = order::Order::Acknowledged(wire::Acknowledged {});
                let _ = orders.send(Ok(Order { order: Some(order) })).await;
            }
            None => {}
        }
    }
    Ok(())
}
