//! `attach`: a shell in the head, with the program's environment.

use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::SinkExt;
use futures::channel::mpsc;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use microtome_api::{PatchCluster, mount};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::Cluster;
use crate::refusal::Asked;
use crate::target::Target;
use crate::terminal::{self, Raw};

/// Open a shell in the head of a job or of a standing cluster, or run a COMMAND there
///
/// It has the environment that the head gives its program: paths, checkpoints, the feed. The exit code is the command's.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job, or the PatchCluster
    name: String,
    /// What is run instead of a shell, after --
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(&target).await?;
    let pod = head(&cluster, &args.name).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.patient()?, &cluster.namespace);
    let mut command = vec![format!("{}/microtome", mount::TOOLS), "shell".to_owned()];
    if !args.command.is_empty() {
        command.extend(["--".to_owned()].into_iter().chain(args.command));
    }
    let tty = terminal::is_interactive();
    let params = AttachParams { stdin: true, stdout: true, stderr: !tty, tty, ..AttachParams::default() };
    // The websocket is a GET, and is also asked for as one.
    let asked = Asked::of("get", "pods/exec", &pod, &cluster.namespace);
    let process = pods.exec(&pod, command, &params).await.map_err(|error| refused(asked, error))?;
    let raw = tty.then(Raw::enter).transpose().context("cannot give the keyboard away")?;
    let status = talk(process, tty).await;
    drop(raw);
    exit_code(status?)
}

/// A websocket's refusal has no words, only its code.
fn refused(asked: Asked<'_>, error: kube::Error) -> anyhow::Error {
    use kube::client::UpgradeConnectionError::ProtocolSwitch;
    match &error {
        kube::Error::UpgradeConnection(ProtocolSwitch(code)) => {
            let message = format!("User cannot {} resource {}: {code}", asked.verb, asked.resource);
            let status = kube::core::Status::failure(&message, "").with_code(code.as_u16());
            asked.refused(kube::Error::Api(status.boxed())).into()
        }
        _ => asked.refused(error).into(),
    }
}

/// The pod of the newest head: of the cluster of this name, or of that on which the job of this name runs.
async fn head(cluster: &Cluster, name: &str) -> anyhow::Result<String> {
    let asked = Asked::of("get", "patchclusters", name, &cluster.namespace);
    let found = cluster.clusters().get_opt(name).await.map_err(|error| asked.refused(error))?;
    let (owner, found) = match found {
        Some(found) => (name.to_owned(), found),
        None => {
            let asked = Asked::of("get", "patchjobs", name, &cluster.namespace);
            let job = cluster.jobs().get(name).await.map_err(|error| asked.refused(error))?;
            let Some(owner) = job.spec.cluster_name else {
                bail!("{name} has no pods yet: `kubectl microtome explain {name}` says why");
            };
            let asked = Asked::of("get", "patchclusters", &owner, &cluster.namespace);
            let found = cluster.clusters().get(&owner).await.map_err(|error| asked.refused(error))?;
            (owner, found)
        }
    };
    running_head(&found)
        .with_context(|| format!("{owner} has no head that runs: `kubectl get patchcluster {owner}` shows its state"))
}

fn running_head(cluster: &PatchCluster) -> Option<String> {
    let head = cluster.status.as_ref()?.head.as_ref()?;
    head.ended.is_none().then(|| head.pod_name.clone())
}

/// Carries both ways until the command ends.
async fn talk(mut process: AttachedProcess, tty: bool) -> anyhow::Result<Option<Status>> {
    let status = process.take_status().context("the command's end is not told")?;
    let resizing = resize(process.terminal_size().filter(|_| tty));
    let typed = input(process.stdin());
    let shown = async {
        tokio::join!(output(process.stdout(), tokio::io::stdout()), output(process.stderr(), tokio::io::stderr()));
    };
    tokio::select! {
        () = shown => {}
        () = async { tokio::join!(typed, resizing); std::future::pending().await } => {}
    }
    Ok(status.await)
}

async fn input(to: Option<impl AsyncWrite + Unpin>) {
    if let Some(mut to) = to {
        // A command that reads no more is no error.
        let _ = copy(&mut tokio::io::stdin(), &mut to).await;
        let _ = to.shutdown().await;
    }
}

async fn output(from: Option<impl AsyncRead + Unpin>, mut to: impl AsyncWrite + Unpin) {
    if let Some(mut from) = from {
        let _ = copy(&mut from, &mut to).await;
        let _ = to.flush().await;
    }
}

/// Tells the size of the terminal, now and whenever it changes.
async fn resize(to: Option<mpsc::Sender<TerminalSize>>) {
    let (Some(mut to), Ok(mut changes)) = (to, signal(SignalKind::window_change())) else { return };
    loop {
        if let Some((width, height)) = terminal::size()
            && to.send(TerminalSize { width, height }).await.is_err()
        {
            return;
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}

/// The command's own, which the apiserver tells in a cause of its status.
fn exit_code(status: Option<Status>) -> anyhow::Result<ExitCode> {
    let Some(status) = status else { bail!("the connection was lost; the job goes on") };
    if status.status.as_deref() == Some("Success") {
        return Ok(ExitCode::SUCCESS);
    }
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    match code.and_then(|cause| cause.message.as_deref()?.parse::<u8>().ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None => bail!("{}", status.message.unwrap_or_else(|| "the command could not be run".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::cluster;

    #[test]
    fn the_exit_code_is_the_commands() {
        let ended = |status| exit_code(Some(serde_json::from_value(status).unwrap()));
        let failed = json!({"status": "Failure", "message": "command terminated", "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
        assert_eq!(ended(failed).unwrap(), ExitCode::from(7));
        assert_eq!(ended(json!({"status": "Success"})).unwrap(), ExitCode::SUCCESS);
        assert_eq!(
            ended(json!({"status": "Failure", "message": "no such pod"})).unwrap_err().to_string(),
            "no such pod"
        );
        assert!(exit_code(None).is_err());
    }

    #[test]
    fn only_a_head_that_runs_has_a_shell() {
        let head = |ended| {
            running_head(&cluster("a", &json!({"head": {"attempt": 2, "podName": "a-head-2", "ended": ended}})))
        };
        assert_eq!(head(json!(null)), Some("a-head-2".to_owned()));
        assert_eq!(head(json!("Failed")), None);
        assert_eq!(running_head(&cluster("a", &json!({}))), None);
    }
}
