//! `delete`: removes jobs and all that was made for them.

use std::fmt::Debug;
use std::process::ExitCode;

use anyhow::bail;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PropagationPolicy, WatchParams};
use kube::{Api, Resource, ResourceExt};
use microtome_api::{PatchJob, names};
use serde::de::DeserializeOwned;

use crate::client::Cluster;
use crate::paged::each_page;
use crate::reference::Reference;
use crate::refusal::Asked;
use crate::target::Target;
use crate::{interrupt, output};

/// Delete jobs, with their pods and logs; checkpoints and outputs in storage stay
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Jobs; or patchcluster/NAME
    #[arg(required_unless_present = "selector")]
    names: Vec<Reference>,
    /// Instead of names: all jobs with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    selector: Option<String>,
    /// A name that is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until the job and its pods are gone
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(&target).await?;
    let names = match &args.selector {
        Some(selector) => selected(&cluster, selector).await?,
        None => args.names.clone(),
    };
    let work = async {
        for reference in &names {
            let pods = if args.wait { own_pods(&cluster, reference).await? } else { Vec::new() };
            let there = match reference {
                Reference::Job(name) => delete(&cluster.jobs(), ("patchjobs", name), &args).await?,
                Reference::Cluster(name) => delete(&cluster.clusters(), ("patchclusters", name), &args).await?,
            };
            if there && args.wait {
                match reference {
                    Reference::Job(name) => gone(&cluster, cluster.jobs(), ("patchjobs", name)).await?,
                    Reference::Cluster(name) => gone(&cluster, cluster.clusters(), ("patchclusters", name)).await?,
                }
                for pod in &pods {
                    gone::<Pod>(&cluster, cluster.api(), ("pods", pod)).await?;
                }
            }
            if there {
                output::print(&format!("{reference} deleted\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    };
    interrupt::or_leave(work, "what was asked to go is going all the same").await
}

/// The pods that go with it: of a job on a standing cluster, none.
async fn own_pods(cluster: &Cluster, reference: &Reference) -> anyhow::Result<Vec<String>> {
    let name = match reference {
        Reference::Cluster(name) => name,
        Reference::Job(name) => {
            let asked = Asked::of("get", "patchjobs", name, &cluster.namespace);
            let job = cluster.jobs().get_opt(name).await.map_err(|error| asked.refused(error))?;
            if job.is_none_or(|job| job.spec.cluster_name.is_some()) {
                return Ok(Vec::new());
            }
            name
        }
    };
    let labels = ListParams::default().labels(&format!("{}={name}", names::LABEL_CLUSTER));
    let asked = Asked::list("pods", Some(&cluster.namespace));
    let pods = cluster.api::<Pod>().list_metadata(&labels).await.map_err(|error| asked.refused(error))?;
    Ok(pods.items.iter().map(ResourceExt::name_any).collect())
}

async fn selected(cluster: &Cluster, selector: &str) -> anyhow::Result<Vec<Reference>> {
    let mut names = Vec::new();
    let asked = Asked::list("patchjobs", Some(&cluster.namespace));
    each_page(&cluster.jobs(), ListParams::default().labels(selector), asked, |page: Vec<PatchJob>| {
        names.extend(page.iter().map(|job| Reference::Job(job.name_any())));
        anyhow::Ok(())
    })
    .await?;
    if names.is_empty() {
        bail!("no patchjobs with labels {selector:?} in namespace {:?}", cluster.namespace);
    }
    Ok(names)
}

/// Whether it was there.
async fn delete<K>(api: &Api<K>, (resource, name): (&'static str, &str), args: &Args) -> anyhow::Result<bool>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    match api.delete(name, &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 && args.ignore_not_found => Ok(false),
        Err(error) => {
            Err(Asked { verb: "delete", resource, name: Some(name), namespace: api.namespace() }.refused(error).into())
        }
    }
}

async fn gone<K>(cluster: &Cluster, api: Api<K>, (resource, name): (&'static str, &str)) -> anyhow::Result<()>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let patient: Api<K> = Api::namespaced(cluster.patient()?, &cluster.namespace);
    let asked = Asked::of("get", resource, name, &cluster.namespace);
    while let Some(object) = api.get_opt(name).await.map_err(|error| asked.refused(error))? {
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let version = object.resource_version().unwrap_or_default();
        let changes = patient.watch(&only, &version).await.map_err(|error| asked.refused(error))?;
        futures::pin_mut!(changes);
        // However the watch ends, whether it is gone is asked anew.
        while let Ok(Some(event)) = changes.try_next().await {
            if matches!(event, kube::core::WatchEvent::Deleted(_) | kube::core::WatchEvent::Error(_)) {
                break;
            }
        }
    }
    Ok(())
}
