//! Slides on web servers that answer ranges: `http://` and `https://`, without credentials.

use std::sync::Arc;

use object_store::{ObjectStore, Result, http::HttpBuilder};

use super::{
    client::{is_plain, no_retries, options},
    retry::Connector,
};

/// A client for one origin: scheme, host and port.
pub(super) fn client(origin: &str) -> Result<Arc<dyn ObjectStore>> {
    let store = HttpBuilder::new()
        .with_url(origin)
        .with_client_options(options(is_plain(Some(origin.to_owned()))))
        .with_retry(no_retries())
        .with_http_connector(Connector)
        .build()?;
    Ok(Arc::new(store))
}
