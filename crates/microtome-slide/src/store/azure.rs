//! Slides in Azure blob storage (and its emulators).

use std::sync::Arc;

use object_store::{
    ObjectStore, Result,
    azure::{AzureConfigKey as Key, MicrosoftAzureBuilder},
};

use super::{
    client::{Variables, is_plain, no_retries, options},
    retry::Connector,
};

/// The one variable of managed identities that does not begin as the others do.
const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// A client for one container, with account, credentials and endpoint from `AZURE_*`.
pub(super) fn client(container: &str, variables: &Variables) -> Result<Arc<dyn ObjectStore>> {
    let builder = MicrosoftAzureBuilder::new();
    let mut builder = variables.configure("AZURE_", builder, |builder, key, value| builder.with_config(key, value));
    if let Some(endpoint) = variables.get(IDENTITY_ENDPOINT) {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let options = options(endpoint_is_plain(&builder));
    let store = builder
        .with_container_name(container)
        .with_client_options(options)
        .with_retry(no_retries())
        .with_http_connector(Connector)
        .build()?;
    Ok(Arc::new(store))
}

/// Whether the variables name an emulator or an `http://` endpoint; unencrypted requests are allowed only then.
fn endpoint_is_plain(builder: &MicrosoftAzureBuilder) -> bool {
    let emulator = builder.get_config_value(&Key::UseEmulator).unwrap_or_default();
    emulator.eq_ignore_ascii_case("true") || emulator == "1" || is_plain(builder.get_config_value(&Key::Endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_allowed_only_where_the_endpoint_asks_for_it() {
        let builder = || MicrosoftAzureBuilder::new().with_account("a");
        assert!(!endpoint_is_plain(&builder()));
        assert!(!endpoint_is_plain(&builder().with_endpoint("https://a.example".into())));
        assert!(endpoint_is_plain(&builder().with_endpoint("http://blob.test:10000/a".into())));
        assert!(endpoint_is_plain(&builder().with_use_emulator(true)));
    }
}
