//! Clients of the apiserver, with every time-out set.

mod counted;

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};

use crate::leader::Fence;
use crate::metrics::Metrics;

/// Longer than the server's own limit of a watch, and than the gap between two of its bookmarks.
const WATCH_READ_TIMEOUT: Duration = Duration::from_secs(300);
/// A request that takes longer is lost; the reconcile runs again.
const REQUEST_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The lease's holder must know soon that it cannot renew.
const LEASE_READ_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// One client for watches, which are silent for long, one for everything else, which must not be, and one for the lease, which
/// alone is written by an operator that does not lead.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) watches: Client,
    pub(crate) requests: Client,
    pub(crate) lease: Client,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("neither a service account nor a kubeconfig tells where the apiserver is")]
    Infer(#[source] kube::config::InferConfigError),
    #[error("cannot make a client of the apiserver")]
    Build(#[source] kube::Error),
}

/// Connects as the pod's service account, or as the kubeconfig says.
pub(crate) async fn connect(fence: &Fence, metrics: &Metrics) -> Result<Clients, Error> {
    let config = Config::infer().await.map_err(Error::Infer)?;
    let config = |read_timeout| {
        let mut config = config.clone();
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(read_timeout);
        config.write_timeout = Some(WRITE_TIMEOUT);
        config.reset_reader_on_write = true;
        config.default_retry = true;
        config
    };
    let client = |read_timeout| Client::try_from(config(read_timeout)).map_err(Error::Build);
    let requests = ClientBuilder::try_from(config(REQUEST_READ_TIMEOUT)).map_err(Error::Build)?;
    Ok(Clients {
        watches: client(WATCH_READ_TIMEOUT)?,
        requests: requests.with_layer(metrics).with_layer(fence).build(),
        lease: client(LEASE_READ_TIMEOUT)?,
    })
}
