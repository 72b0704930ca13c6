//! Writes what was decided: the job's PatchCluster.

use kube::api::ObjectMeta;
use kube::{Api, Resource, ResourceExt};
use microtome_api::{PatchCluster, PatchClusterSpec, PatchJob};

use super::decide::Decision;
use super::observe::Observed;
use crate::context::Context;
use crate::write::{self, Error};

/// Carries the decision out.
pub(crate) async fn apply(observed: &Observed, decision: &Decision, context: &Context) -> Result<(), Error> {
    let (job, namespace) = (&observed.job, observed.job.namespace().unwrap_or_default());
    match decision {
        Decision::Build | Decision::Sync => {
            let Some(cluster) = cluster_of(job) else { return Ok(()) };
            let clusters = Api::namespaced(context.client.clone(), &namespace);
            match &observed.cluster {
                None => write::create_once(&clusters, &cluster).await,
                Some(_) => write::apply_owned(&clusters, &cluster).await,
            }
        }
        Decision::Expire => {
            let jobs: Api<PatchJob> = Api::namespaced(context.client.clone(), &namespace);
            write::delete_version(&jobs, job).await
        }
        _ => Ok(()),
    }
}

/// The cluster of a job: of its name, and gone with it. None of a job that runs on a standing one.
fn cluster_of(job: &PatchJob) -> Option<PatchCluster> {
    let spec = PatchClusterSpec {
        active_deadline_seconds: Some(job.spec.active_deadline_seconds),
        suspend: job.spec.suspend,
        managed_by: job.spec.managed_by.clone(),
        ..job.spec.cluster_spec.clone()?
    };
    Some(PatchCluster {
        metadata: ObjectMeta {
            name: Some(job.name_any()),
            namespace: job.namespace(),
            owner_references: Some(job.controller_owner_ref(&()).into_iter().collect()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures;

    #[test]
    fn the_cluster_bears_the_jobs_name_and_deadline_and_goes_with_it() {
        let mut job = fixtures::job();
        job.spec.active_deadline_seconds = 60;
        (job.spec.suspend, job.spec.managed_by) = (true, Some("kueue.x-k8s.io/kueue".into()));
        let cluster = cluster_of(&job).unwrap();
        assert_eq!((cluster.spec.suspend, cluster.spec.managed_by.as_deref()), (true, Some("kueue.x-k8s.io/kueue")));
        assert_eq!((cluster.name_any(), cluster.spec.active_deadline_seconds), ("a".to_owned(), Some(60)));
        let owner = &cluster.metadata.owner_references.unwrap()[0];
        assert_eq!((owner.kind.as_str(), owner.uid.as_str(), owner.controller), ("PatchJob", "job-uid", Some(true)));
    }
}
