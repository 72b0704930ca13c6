//! Slides in Google Cloud Storage (and its emulators).

use std::sync::Arc;

use object_store::{
    ObjectStore, Result,
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key},
};

use super::{
    client::{Variables, is_plain, no_retries, options},
    retry::Connector,
};

/// The variable by which Google's own clients find an emulator, which needs no credentials.
const EMULATOR: &str = "STORAGE_EMULATOR_HOST";

/// A client for one bucket, with credentials and endpoint from `GOOGLE_*`.
pub(super) fn client(bucket: &str, variables: &Variables) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::new();
    if let Some(endpoint) = variables.get(EMULATOR) {
        let endpoint = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        builder = builder.with_config(Key::BaseUrl, endpoint).with_skip_signature(true);
    }
    let builder = variables.configure("GOOGLE_", builder, |builder, key, value| builder.with_config(key, value));
    let endpoint = builder.get_config_value(&Key::BaseUrl);
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(options(is_plain(endpoint)))
        .with_retry(no_retries())
        .with_http_connector(Connector)
        .build()?;
    Ok(Arc::new(store))
}
