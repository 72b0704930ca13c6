//! The Secret with the certificates of one attempt: the only object that is not the same for the same input.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use microtome_api::{PatchCluster, mount, names};

use super::super::certificates::Issued;
use super::metadata;

/// Keys of the head's and the workers' halves; each pod mounts its own only.
pub(crate) const HEAD_CERTIFICATE: &str = "head.crt";
pub(crate) const HEAD_KEY: &str = "head.key";
pub(crate) const WORKER_CERTIFICATE: &str = "worker.crt";
pub(crate) const WORKER_KEY: &str = "worker.key";

/// Makes the Secret; `control_ca` is the authority of the operator's own certificate.
pub(crate) fn build(cluster: &PatchCluster, attempt: i32, issued: Issued, control_ca: &str) -> Secret {
    let data = [
        (mount::TLS_CA, issued.authority),
        (HEAD_CERTIFICATE, issued.head.certificate),
        (HEAD_KEY, issued.head.key),
        (WORKER_CERTIFICATE, issued.worker.certificate),
        (WORKER_KEY, issued.worker.key),
        (mount::CONTROL_CA, control_ca.to_owned()),
    ];
    Secret {
        metadata: metadata(cluster, names::certificates(&cluster.name_any(), attempt), None),
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from(data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))))),
        ..Secret::default()
    }
}
