//! Slides in S3 (and in stores that speak its protocol).

use std::sync::Arc;

use object_store::{
    ObjectStore, Result,
    aws::{AmazonS3Builder, AmazonS3ConfigKey as Key},
};

use super::{
    client::{Variables, is_plain, no_retries, options},
    retry::Connector,
};

/// A client for one bucket, with region, credentials and endpoint from `AWS_*`.
pub(super) fn client(bucket: &str, variables: &Variables) -> Result<Arc<dyn ObjectStore>> {
    let builder =
        variables.configure("AWS_", AmazonS3Builder::new(), |builder, key, value| builder.with_config(key, value));
    let endpoint = builder.get_config_value(&Key::S3Endpoint).or_else(|| builder.get_config_value(&Key::Endpoint));
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(options(is_plain(endpoint)))
        .with_retry(no_retries())
        .with_http_connector(Connector)
        .build()?;
    Ok(Arc::new(store))
}
