//! `suspend`: gives a job's pods and quota back, until `resume`.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::client::Cluster;
use crate::output;
use crate::reference::Reference;
use crate::refusal::Asked;
use crate::target::Target;

/// Take jobs out of the queue, or end their pods and give their quota back; `resume` queues them again
///
/// Checkpoints stay, and so do the job and its status. After `resume` a job goes on with a new attempt, which uses up no retry.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Jobs; or patchcluster/NAME
    #[arg(required = true)]
    names: Vec<Reference>,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<()> {
    set_each(&args.names, true, &target).await
}

/// Writes `suspend` into each, and says what became of it.
pub(super) async fn set_each(names: &[Reference], suspend: bool, target: &Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(target).await?;
    let said = if suspend { "suspended" } else { "resumed" };
    for reference in names {
        set(&cluster, reference, suspend).await?;
        output::print(&format!("{reference} {said}\n"))?;
    }
    Ok(())
}

/// Writes `suspend`.
pub(super) async fn set(cluster: &Cluster, reference: &Reference, suspend: bool) -> anyhow::Result<()> {
    let managed = match reference {
        Reference::Job(name) => patch(&cluster.jobs(), "patchjobs", name, suspend).await?.spec.managed_by,
        Reference::Cluster(name) => patch(&cluster.clusters(), "patchclusters", name, suspend).await?.spec.managed_by,
    };
    if let Some(manager) = managed {
        eprintln!("{reference} is managed by {manager}, which may set spec.suspend otherwise at any time");
    }
    Ok(())
}

async fn patch<K>(api: &Api<K>, resource: &'static str, name: &str, suspend: bool) -> anyhow::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
    let asked = Asked { verb: "patch", resource, name: Some(name), namespace: api.namespace() };
    Ok(api.patch(name, &PatchParams::default(), &patch).await.map_err(|error| asked.refused(error))?)
}
