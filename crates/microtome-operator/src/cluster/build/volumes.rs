//! What is mounted in a head's pod, and where.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use kube::ResourceExt;
use microtome_api::quantity::Quantity;
use microtome_api::{mount, names};

use super::head::{HOME, parent};
use super::{Input, pod, secret};

/// The kubelet renews the token long before; a head shows it only when it dials.
const TOKEN_SECONDS: i64 = 3600;
/// What shared memory may take of the head's memory: it is charged to it, and programs that fork loaders use much.
const SHARED_MEMORY_SHARE: i128 = 2;

/// The pod's volumes.
pub(crate) fn volumes(input: &Input<'_>) -> Vec<Volume> {
    let tls = [
        (mount::TLS_CA, mount::TLS_CA),
        (secret::HEAD_CERTIFICATE, mount::TLS_CERTIFICATE),
        (secret::HEAD_KEY, mount::TLS_KEY),
        (mount::CONTROL_CA, mount::CONTROL_CA),
    ];
    let name = input.cluster.name_any();
    let mut volumes = vec![
        pod::empty_dir("tools"),
        pod::empty_dir("home"),
        pod::tls_volume((&name, input.attempt), &tls),
        Volume { name: "token".to_owned(), projected: Some(token()), ..Volume::default() },
        shared_memory(input),
    ];
    let Some(job) = &input.resolved.job else { return volumes };
    volumes.push(config_map("job", names::work_order(&name), None));
    if let Some(package) = job.spec.package.as_ref().and_then(|package| package.config_map_name.clone()) {
        volumes.push(config_map("package", package, Some(mount::PACKAGE_KEY)));
    }
    if let Some(checkpoints) = &job.spec.checkpoints {
        volumes.push(match &checkpoints.claim_name {
            Some(claim) => Volume {
                name: "checkpoints".to_owned(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: claim.clone(),
                    read_only: None,
                }),
                ..Volume::default()
            },
            None => pod::empty_dir("checkpoints"),
        });
    }
    volumes
}

/// Where the program's container has them.
pub(crate) fn mounts(input: &Input<'_>) -> Vec<VolumeMount> {
    let mut mounts = vec![
        pod::read_only("tools", mount::TOOLS),
        pod::tls_mount(),
        pod::read_only("token", parent(mount::TOKEN_FILE)),
        pod::writable("home", HOME),
        pod::writable("shared-memory", "/dev/shm"),
    ];
    let Some(job) = &input.resolved.job else { return mounts };
    mounts.push(pod::read_only("job", parent(mount::JOB_FILE)));
    if job.spec.checkpoints.is_some() {
        mounts.push(pod::writable("checkpoints", mount::CHECKPOINTS));
    }
    mounts
}

/// Container runtimes give 64 MiB, which is too little for anything that hands tensors from process to process.
fn shared_memory(input: &Input<'_>) -> Volume {
    let limit = input.cluster.spec.head.resources.limits.get("memory").and_then(|memory| memory.milli().ok());
    // Whole bytes: a quantity of thousandths would be refused.
    let size = limit.map(|limit| Amount(Quantity::from_milli(limit / SHARED_MEMORY_SHARE / 1000 * 1000).0));
    Volume {
        name: "shared-memory".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { medium: Some("Memory".to_owned()), size_limit: size }),
        ..Volume::default()
    }
}

fn config_map(volume: &str, name: String, only: Option<&str>) -> Volume {
    let item = |key: &str| KeyToPath { key: key.to_owned(), path: key.to_owned(), mode: None };
    let source =
        ConfigMapVolumeSource { name, items: only.map(|key| vec![item(key)]), ..ConfigMapVolumeSource::default() };
    Volume { name: volume.to_owned(), config_map: Some(source), ..Volume::default() }
}

/// A token that only the operator takes, bound to this pod.
fn token() -> ProjectedVolumeSource {
    let token = ServiceAccountTokenProjection {
        audience: Some(names::TOKEN_AUDIENCE.to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: mount::TOKEN_FILE.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    ProjectedVolumeSource { sources: Some(vec![source]), default_mode: Some(pod::FILE_MODE) }
}
