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
    if *decision != Decision::Build {
        return Ok(());
    }
    let api = Api::namespaced(context.client.clone(), &observed.job.namespace().unwrap_or_default());
    write::apply(&api, &cluster_of(&observed.job)).await
}

/// The cluster of a job: of its name, and gone with it.
fn cluster_of(job: &PatchJob) -> PatchCluster {
    let spec = PatchClusterSpec {
        active_deadline_seconds: Some(job.spec.active_deadline_seconds),
        ..job.spec.cluster_spec.clone()
    };
    PatchCluster {
        metadata: ObjectMeta {
            name: Some(job.name_any()),
            namespace: job.namespace(),
            owner_references: Some(job.controller_owner_ref(&()).into_iter().collect()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures;

    #[test]
    fn the_cluster_bears_the_jobs_name_and_deadline_and_goes_with_it() {
        let mut job = fixtures::job();
        job.spec.active_deadline_seconds = 60;
        let cluster = cluster_of(&job);
        assert_eq!((cluster.name_any(), cluster.spec.active_deadline_seconds), ("a".to_owned(), Some(60)));
        let owner = &cluster.metadata.owner_references.unwrap()[0];
        assert_eq!((owner.kind.as_str(), owner.uid.as_str(), owner.controller), ("PatchJob", "job-uid", Some(true)));
    }
}
