//! What head and workers have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, EmptyDirVolumeSource, EnvFromSource, EnvVar, KeyToPath, LocalObjectReference, PodSecurityContext,
    ResourceRequirements, SeccompProfile, SecretEnvSource, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use microtome_api::{PatchProfileSpec, PodIdentity, Resources, mount, names};

/// What Azure's workload identity looks for on a pod whose service account carries one. Elsewhere nobody reads it.
pub(crate) const WORKLOAD_IDENTITY: (&str, &str) = ("azure.workload.identity/use", "true");

/// Readable by the pod's user and group, by nobody else.
pub(crate) const FILE_MODE: i32 = 0o440;

/// The pod's half of the restricted Pod Security standard, with the profile's user and group.
pub(crate) fn pod_security(identity: &PodIdentity) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(identity.run_as_user),
        run_as_group: Some(identity.fs_group),
        fs_group: Some(identity.fs_group),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
        ..PodSecurityContext::default()
    }
}

/// A container's half of it.
pub(crate) fn container_security(read_only_root: bool) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        read_only_root_filesystem: Some(read_only_root),
        ..SecurityContext::default()
    }
}

/// Requests equal limits: what is charged is what is held.
pub(crate) fn requirements(resources: &Resources) -> ResourceRequirements {
    let amounts: BTreeMap<_, _> =
        resources.limits.iter().map(|(name, amount)| (name.clone(), Quantity(amount.0.clone()))).collect();
    ResourceRequirements { limits: Some(amounts.clone()), requests: Some(amounts), claims: None }
}

/// CPU and memory alone, for a container that runs before the main one and so costs nothing beside it.
pub(crate) fn preparation(resources: &Resources) -> ResourceRequirements {
    let limits = resources.limits.iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
    requirements(&Resources { limits: limits.map(|(name, amount)| (name.clone(), amount.clone())).collect() })
}

/// Keys of an attempt's Secret as files of the names that the programs read.
pub(crate) fn tls_volume((cluster, attempt): (&str, i32), files: &[(&str, &str)]) -> Volume {
    let item = |(key, path): &(&str, &str)| KeyToPath { key: (*key).into(), path: (*path).into(), mode: None };
    Volume {
        name: "tls".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::certificates(cluster, attempt)),
            items: Some(files.iter().map(item).collect()),
            default_mode: Some(FILE_MODE),
            optional: None,
        }),
        ..Volume::default()
    }
}

/// Where [`tls_volume`] is mounted.
pub(crate) fn tls_mount() -> VolumeMount {
    read_only("tls", mount::TLS)
}

pub(crate) fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..writable(volume, path) }
}

pub(crate) fn writable(volume: &str, path: &str) -> VolumeMount {
    VolumeMount { name: volume.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

pub(crate) fn empty_dir(name: &str) -> Volume {
    Volume { name: name.to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() }
}

/// All keys of a Secret as environment, each with `prefix` before it.
pub(crate) fn secret_environment(name: &str, prefix: Option<&str>) -> EnvFromSource {
    EnvFromSource {
        prefix: prefix.map(str::to_owned),
        secret_ref: Some(SecretEnvSource { name: name.to_owned(), optional: None }),
        config_map_ref: None,
    }
}

/// The Secrets with which images are pulled.
pub(crate) fn pull_secrets(profile: &PatchProfileSpec) -> Option<Vec<LocalObjectReference>> {
    let secrets = profile.images.pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() });
    Some(secrets.collect()).filter(|secrets: &Vec<_>| !secrets.is_empty())
}

/// Kubernetes takes `$(NAME)` for a variable; what the researcher wrote is to arrive as written.
pub(crate) fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

pub(crate) fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

pub(crate) fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}
