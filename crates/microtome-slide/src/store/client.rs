//! What the clients of all remote stores share: time-outs, connections, TLS, and the variables that configure them.

use std::{collections::BTreeMap, str::FromStr, sync::Once, time::Duration};

use object_store::{BackoffConfig, ClientOptions, RetryConfig};

/// A healthy endpoint answers a connect in milliseconds; 3 s covers one lost SYN and its repetition.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest silence of a server within an answer: twice the slowest first byte that is not a fault, and short enough for a
/// second try before the request's deadline.
const READ_TIMEOUT: Duration = Duration::from_secs(4);

/// Idle connections kept for each host: as many as ranges are read at once, so that a batch needs no new handshake.
const IDLE_CONNECTIONS: usize = 64;

/// Azure, the most impatient, closes idle connections after four minutes; giving up ours first avoids writing into a closed
/// one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// Options of a client; unencrypted requests are allowed only where its endpoint is `plain`. The time for a request as a
/// whole is [`super::retry`]'s.
pub(super) fn options(plain: bool) -> ClientOptions {
    use_ring();
    ClientOptions::new()
        .with_allow_http(plain)
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_pool_idle_timeout(IDLE_TIMEOUT)
        .with_pool_max_idle_per_host(IDLE_CONNECTIONS)
}

/// object_store's own retries, off: see [`super::retry`].
pub(super) fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

/// Whether an endpoint is unencrypted.
pub(super) fn is_plain(endpoint: Option<String>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

/// Makes ring the process's TLS provider, once: the HTTP client is built without one.
fn use_ring() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error means that the program has installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Environment variables, keys among them: not to be shown.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(super) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// Those of the process that are text.
    pub(super) fn of_process() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok())))
    }

    /// The same, where a variable whose name has `prefix` before it counts as one without, and more than one without.
    pub(super) fn preferring(self, prefix: &str) -> Self {
        let named = |name: &String| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(ToOwned::to_owned);
        let preferred: Vec<(String, String)> =
            self.0.iter().filter_map(|(name, value)| Some((named(name)?, value.clone()))).collect();
        Self(self.0.into_iter().chain(preferred).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Gives a builder each variable that begins with `prefix` and is a key of its store; others are none of its business.
    pub(super) fn configure<B, K: FromStr>(&self, prefix: &str, builder: B, set: impl Fn(B, K, &str) -> B) -> B {
        let named = self.0.iter().filter(|(name, _)| name.starts_with(prefix));
        let known = named.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)));
        known.fold(builder, |builder, (key, value)| set(builder, key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_with_the_prefix_win() {
        let given = [("AZURE_A", "program"), ("AZURE_B", "program"), ("X_AZURE_A", "head"), ("X_", "none")];
        let given = || Variables::new(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let preferring = given().preferring("X_");
        assert_eq!((preferring.get("AZURE_A"), preferring.get("AZURE_B")), (Some("head"), Some("program")));
        assert_eq!((preferring.get(""), given().get("AZURE_A")), (None, Some("program")));
    }
}
