//! An apiserver, a kubeconfig that leads to it, and the plugin.

use std::fs;
use std::process::{ExitStatus, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::apiserver::ApiServer;
use crate::objects::NAMESPACE;
use crate::rights::Binding;

/// What a researcher is bound.
pub(crate) const RESEARCHER: [Binding; 1] = [("microtome-researcher", Some(NAMESPACE))];

pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    pub(crate) folder: TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    pub(crate) async fn new(bindings: &[Binding]) -> Self {
        let server = ApiServer::start(bindings).await;
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": server.address}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
        });
        fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        Self { server, folder }
    }

    pub(crate) async fn researcher() -> Self {
        Self::new(&RESEARCHER).await
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(plugin());
        command.args(arguments).env("KUBECONFIG", self.folder.path().join("config")).env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs the plugin to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        finish(self.spawn(arguments)).await
    }

    /// Runs it; it must be allowed all that it asks for, and end well.
    pub(crate) async fn done(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments).await;
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
        self.nothing_was_refused();
        run
    }

    pub(crate) fn nothing_was_refused(&self) {
        let state = self.server.lock();
        let refused: Vec<_> = state.asked.iter().filter(|(_, is_allowed)| !is_allowed).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// The program: the one that was built for the tests, or another that is to be tried.
pub(crate) fn plugin() -> String {
    std::env::var("KUBECTL_MICROTOME").unwrap_or_else(|_| env!("CARGO_BIN_EXE_kubectl-microtome").to_owned())
}

/// Waits for the end of a run.
pub(crate) async fn finish(child: Child) -> Run {
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: code(output.status), out: text(output.stdout), err: text(output.stderr) }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

/// As Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
}
