//! Clients of the apiserver, with every time-out set.

use std::time::Duration;

use kube::{Client, Config};

/// Longer than the server's own limit of a watch, and than the gap between two of its bookmarks.
const WATCH_READ_TIMEOUT: Duration = Duration::from_secs(300);
/// A request that takes longer is lost; the reconcile runs again.
const REQUEST_READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// One client for watches, which are silent for long, and one for everything else, which must not be.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) watches: Client,
    pub(crate) requests: Client,
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
pub(crate) async fn connect() -> Result<Clients, Error> {
    let config = Config::infer().await.map_err(Error::Infer)?;
    let client = |read_timeout| {
        let mut config = config.clone();
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(read_timeout);
        config.write_timeout = Some(WRITE_TIMEOUT);
        config.reset_reader_on_write = true;
        config.default_retry = true;
        Client::try_from(config).map_err(Error::Build)
    };
    Ok(Clients { watches: client(WATCH_READ_TIMEOUT)?, requests: client(REQUEST_READ_TIMEOUT)? })
}
