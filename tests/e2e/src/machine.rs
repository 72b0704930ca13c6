//! The machine below the cluster: processes of pods, and parts of the cluster that are ended and started again.

use std::fs;
use std::process::Command;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The ids of all processes of a pod. The nodes' kubelets put each pod into a cgroup of its own.
pub fn processes(pod: &Pod) -> Vec<u32> {
    let group = format!("pod{}", pod.uid().unwrap());
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        // One that has ended meanwhile is none.
        fs::read_to_string(format!("/proc/{id}/cgroup")).is_ok_and(|groups| groups.contains(&group))
    })
    .collect()
}

/// The processes of a pod that run a program.
pub fn running(pod: &Pod, program: &str) -> Vec<u32> {
    let runs =
        |id: &u32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| program.starts_with(name.trim()));
    processes(pod).into_iter().filter(runs).collect()
}

/// Sends a signal to processes; those that have ended meanwhile do not matter.
pub fn signal(name: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    Command::new("kill").arg(format!("-{name}")).args(ids).status().unwrap();
}

/// Kills a part of the cluster and starts it again after so many seconds.
pub async fn restart(part: &str, seconds: u32) {
    cluster("restart", &[part, &seconds.to_string()]).await;
}

/// Ends a node as a power cut would.
pub async fn cut_power(node: &str) {
    cluster("down", &[node]).await;
}

async fn cluster(script: &str, arguments: &[&str]) {
    let mut command = tokio::process::Command::new(format!("../cluster/{script}"));
    let ended = command.args(arguments).status().await.unwrap();
    assert!(ended.success(), "{script} {arguments:?}: {ended}");
}
