//! What the operator was told at its start, checked. No module reads flags or the environment.

use std::net::{IpAddr, SocketAddr};

use clap::ValueEnum;
use microtome_api::names;

use crate::config::Config;

/// The operator's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Image with the `microtome` binary.
    pub(crate) data_plane_image: String,
    /// When that image is pulled.
    pub(crate) image_pull_policy: PullPolicy,
    /// The operator's namespace.
    pub(crate) namespace: String,
    /// The operator's service account.
    pub(crate) service_account: String,
    /// The ClusterRole that it gets in namespaces of Teams.
    pub(crate) tenant_role: String,
    /// The Service of [`Self::control_address`].
    pub(crate) control_service: String,
    /// Where heads are served.
    pub(crate) control_address: SocketAddr,
    /// Where health is served.
    pub(crate) health_address: SocketAddr,
    /// The form of the log.
    pub(crate) log_format: LogFormat,
    /// This pod: who holds the lease, and where heads are sent.
    pub(crate) pod: PodName,
    /// Pools, time-outs, fair share.
    pub(crate) config: Config,
}

/// The pod in which the operator runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodName {
    /// Its name; outside a cluster, any name of its own.
    pub(crate) name: String,
    /// Its address; none outside a cluster, where heads cannot reach it.
    pub(crate) address: Option<IpAddr>,
}

impl Settings {
    /// The DNS name that the operator's certificate carries.
    pub(crate) fn control_host(&self) -> String {
        format!("{}.{}.svc", self.control_service, self.namespace)
    }

    /// Where a head reports.
    pub(crate) fn control_url(&self) -> String {
        format!("https://{}:{}", self.control_host(), names::CONTROL_PORT)
    }
}

/// When an image is pulled; Kubernetes' words.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PullPolicy {
    #[value(alias = "IfNotPresent")]
    IfNotPresent,
    Always,
    Never,
}

impl PullPolicy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::IfNotPresent => "IfNotPresent",
            Self::Always => "Always",
            Self::Never => "Never",
        }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Json,
    Text,
}
