//! A head's server, and head and workers in one process: the same service, wire and state as between pods.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use hyper_util::rt::TokioIo;
use microtome_slide::Stores;
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::{Channel, Endpoint, ServerTlsConfig, Uri};

use crate::head::{Door, Head};
use crate::wire;
use crate::worker::{self, Stop, Worker};

/// A server or a worker cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address or socket.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The certificates do not work.
    #[error("the certificates cannot be used")]
    Tls(#[source] tonic::transport::Error),
    /// The head's address is none.
    #[error("{address:?} is no address such as https://HOST:PORT")]
    Address {
        /// What was given.
        address: String,
    },
}

/// Tasks that end when this is dropped.
#[derive(Debug)]
pub struct Engine {
    _tasks: JoinSet<()>,
    _directory: Option<TempDir>,
}

/// Serves whichever head is behind a door on a TCP address; port 0 takes a free one. Returns where it listens.
pub async fn serve(
    door: &Door,
    address: SocketAddr,
    tls: Option<ServerTlsConfig>,
) -> Result<(SocketAddr, Engine), EngineError> {
    let failed = |source| EngineError::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let mut server = wire::server();
    if let Some(tls) = tls {
        server = server.tls_config(tls).map_err(EngineError::Tls)?;
    }
    let serving = server.add_service(door.service()).serve_with_incoming(TcpListenerStream::new(listener));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { ended(serving.await) });
    Ok((local, Engine { _tasks: tasks, _directory: None }))
}

/// Puts `workers` workers of one thread each beside a head, over a socket of this process.
pub fn embed(head: &Head, stores: &Stores, workers: usize) -> Result<Engine, EngineError> {
    let failed = |source| EngineError::Listen { address: "a socket in the temporary directory".to_owned(), source };
    let directory = tempfile::tempdir().map_err(failed)?;
    let path = directory.path().join("head");
    let listener = UnixListener::bind(&path).map_err(failed)?;
    let serving = wire::server().add_service(head.service()).serve_with_incoming(UnixListenerStream::new(listener));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { ended(serving.await) });
    let stores = worker::caching(stores.clone());
    for _ in 0..workers {
        let (worker, channel) = (Worker::new(stores.clone(), 1), local_channel(path.clone()));
        tasks.spawn(async move { worker.run(channel, Stop::never()).await });
    }
    Ok(Engine { _tasks: tasks, _directory: Some(directory) })
}

/// A channel to a head elsewhere; connects when it is used, and again when the connection is lost.
pub fn dial(address: &str, tls: Option<tonic::transport::ClientTlsConfig>) -> Result<Channel, EngineError> {
    let endpoint =
        Endpoint::from_shared(address.to_owned()).map_err(|_| EngineError::Address { address: address.to_owned() })?;
    let mut endpoint = wire::endpoint(endpoint);
    if let Some(tls) = tls {
        endpoint = endpoint.tls_config(tls).map_err(EngineError::Tls)?;
    }
    Ok(endpoint.connect_lazy())
}

fn local_channel(path: PathBuf) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The name is never looked up: the connector goes to the socket.
    wire::endpoint(Endpoint::from_static("http://head.invalid")).connect_with_connector_lazy(connect)
}

fn ended(outcome: Result<(), tonic::transport::Error>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "server ended");
    }
}
