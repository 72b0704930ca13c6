//! The command line. It becomes [`Settings`]; nothing else reads it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use microtome_api::names;

use crate::cmd::replay::Replaying;
use crate::cmd::simulate::{Output, Simulation};
use crate::config;
use crate::settings::{LogFormat, PodName, PullPolicy, Settings};

/// Microtome's Kubernetes operator.
#[derive(Debug, Parser)]
#[command(name = "microtome-operator", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the controllers until SIGTERM. Logs go to stderr; RUST_LOG sets what is logged.
    Run(Run),
    /// Say what the queue would do with a scenario: which job starts when, and what teams get. Needs no cluster.
    Simulate(Simulate),
    /// Derive a cluster's decisions again from the operator's log; exits 1 and names the first that comes out otherwise.
    Replay(Replay),
}

/// Flags of `replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The operator's log in JSON, from one operator; other lines are passed over; - reads standard input
    log: PathBuf,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "jsonl")]
    output: Output,
}

impl From<Replay> for Replaying {
    fn from(replay: Replay) -> Self {
        Self { log: replay.log, output: replay.output }
    }
}

/// Flags of `simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// Scenario in YAML; - reads standard input
    file: PathBuf,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "jsonl")]
    output: Output,
    /// File for a picture (SVG) of the teams' decayed shares
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

impl From<Simulate> for Simulation {
    fn from(simulate: Simulate) -> Self {
        Self { file: simulate.file, output: simulate.output, plot: simulate.plot }
    }
}

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Image with the `microtome` binary: the workers, and the init container of every head
    #[arg(long, env = "MICROTOME_DATA_PLANE_IMAGE")]
    data_plane_image: String,
    /// When that image is pulled
    #[arg(long, env = "MICROTOME_IMAGE_PULL_POLICY", value_enum, default_value = "if-not-present", ignore_case = true)]
    image_pull_policy: PullPolicy,
    /// Namespace of the operator: holds the authority of its certificate
    #[arg(long, env = "MICROTOME_NAMESPACE")]
    namespace: String,
    /// Service account of the operator, which gets the tenant role in every namespace of a Team
    #[arg(long, env = "MICROTOME_SERVICE_ACCOUNT", default_value = names::MANAGER)]
    service_account: String,
    /// ClusterRole with what the operator may write in a team's namespace
    #[arg(long, env = "MICROTOME_TENANT_ROLE", default_value = "microtome-tenant")]
    tenant_role: String,
    /// Service under which heads reach the operator, in its namespace
    #[arg(long, env = "MICROTOME_CONTROL_SERVICE", default_value = names::MANAGER)]
    control_service: String,
    /// Address on which heads are served
    #[arg(long, env = "MICROTOME_CONTROL_ADDRESS", default_value = "0.0.0.0:7400")]
    control_address: SocketAddr,
    /// Address of /healthz and /readyz
    #[arg(long, env = "MICROTOME_HEALTH_ADDRESS", default_value = "0.0.0.0:8080")]
    health_address: SocketAddr,
    /// Name of this pod, under which it holds the lease
    #[arg(long, env = "MICROTOME_POD_NAME", default_value = "operator")]
    pod_name: String,
    /// Address of this pod, to which heads are sent while it leads
    #[arg(long, env = "MICROTOME_POD_IP")]
    pod_ip: Option<IpAddr>,
    /// File with pools, time-outs and fair share, as YAML
    #[arg(long, env = "MICROTOME_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Form of the log
    #[arg(long, env = "MICROTOME_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
}

impl TryFrom<Run> for Settings {
    type Error = config::Error;

    fn try_from(run: Run) -> Result<Self, config::Error> {
        Ok(Self {
            config: config::read(run.config.as_deref())?,
            pod: PodName { name: run.pod_name, address: run.pod_ip },
            data_plane_image: run.data_plane_image,
            image_pull_policy: run.image_pull_policy,
            namespace: run.namespace,
            service_account: run.service_account,
            tenant_role: run.tenant_role,
            control_service: run.control_service,
            control_address: run.control_address,
            health_address: run.health_address,
            log_format: run.log_format,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_sound_and_policies_are_taken_as_kubernetes_writes_them() {
        Args::command().debug_assert();
        let line = ["microtome-operator", "run", "--data-plane-image=i", "--namespace=n", "--image-pull-policy=Never"];
        let Verb::Run(run) = Args::try_parse_from(line).unwrap().verb else { panic!("another verb") };
        let settings = Settings::try_from(run).unwrap();
        assert_eq!(settings.image_pull_policy.as_str(), "Never");
        assert_eq!(settings.control_url(), "https://microtome-operator.n.svc:7400");
    }
}
