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

use super::follow::follow;
use super::identity::{self, Head, Identity, identify};
use super::wire::control_server::{Control, ControlServer};
use super::wire::{self, Order};
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
            let (namespace, cluster) = (&identity.cluster.namespace, &identity.cluster.name);
            context.metrics.heads(1);
            info!(namespace, cluster, head = %identity.head, "head attached");
            if let Err(status) = follow(&identity, request.into_inner(), &sender, &context.hub).await {
                debug!(namespace, cluster, status = %status.message(), "head's stream broke");
                // The head may be gone.
                let _ = sender.send(Err(status)).await;
            }
            forget_what_is_gone(&identity, &context);
            context.metrics.heads(-1);
            info!(namespace, cluster, head = %identity.head, "head detached");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(orders))))
    }
}

/// Nobody will ever write down what the head of a deleted job reported, or say anything to that of a deleted cluster.
fn forget_what_is_gone(Identity { cluster, head }: &Identity, context: &Context) {
    if let Head::Of { job, .. } = head
        && context.world.jobs.get(&job.namespace, &job.name).and_then(|job| job.uid()).as_ref() != Some(&job.uid)
    {
        context.hub.forget(&job.uid);
    }
    let there = context.world.clusters.get(&cluster.namespace, &cluster.name).and_then(|cluster| cluster.uid());
    if there.as_ref() != Some(&cluster.uid) {
        context.hub.forget_cluster(&cluster.uid);
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
