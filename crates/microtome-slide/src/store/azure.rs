//! Slides in Azure blob storage (and its emulators).

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
};

/// Whole time of all tries of a request: a patch that waits longer is better leased to another worker.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Tries after the first; with 100 ms doubled to 2 s they fit into [`RETRY_TIMEOUT`]. 401, 403 and 404 are never retried.
const MAX_RETRIES: usize = 5;

/// One try: 8 MiB, the longest range, at 1 MiB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);

/// A healthy endpoint answers a connect in milliseconds; 3 s covers one lost SYN and its repetition.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Idle connections kept for each host: as many as ranges are read at once, so that a batch needs no new handshake.
const IDLE_CONNECTIONS: usize = 64;

/// Azure closes idle connections after four minutes; giving up ours first avoids writing into a closed one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// A client for one container, with account, credentials and endpoint from `AZURE_*`.
pub(super) fn client(container: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    build(MicrosoftAzureBuilder::from_env().with_container_name(container))
}

/// A client with our time-outs and retries, whatever the builder says about account and container.
fn build(builder: MicrosoftAzureBuilder) -> object_store::Result<Arc<dyn ObjectStore>> {
    use_ring();
    let options = ClientOptions::new()
        .with_allow_http(endpoint_is_plain(&builder))
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_pool_idle_timeout(IDLE_TIMEOUT)
        .with_pool_max_idle_per_host(IDLE_CONNECTIONS);
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
    };
    let store = builder.with_client_options(options).with_retry(retry).build()?;
    Ok(Arc::new(store))
}

/// Whether the environment names an emulator or an `http://` endpoint; unencrypted requests are allowed only then.
fn endpoint_is_plain(builder: &MicrosoftAzureBuilder) -> bool {
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint).unwrap_or_default();
    let emulator = builder.get_config_value(&AzureConfigKey::UseEmulator).unwrap_or_default();
    endpoint.starts_with("http://") || emulator.eq_ignore_ascii_case("true") || emulator == "1"
}

/// Makes ring the process's TLS provider, once: the HTTP client is built without one.
fn use_ring() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error means that the program has installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

#[cfg(test)]
mod tests;
