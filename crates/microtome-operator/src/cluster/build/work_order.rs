//! The ConfigMap from which the head reads what to do.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::core::ObjectMeta;
use microtome_api::{PatchJob, mount, names};

use super::{Input, metadata};
use crate::write;

/// Makes the ConfigMap. A standing head is told its jobs.
pub(crate) fn build(input: &Input<'_>) -> Result<Option<ConfigMap>, write::Error> {
    let Some(job) = &input.resolved.job else { return Ok(None) };
    let name = names::work_order(&input.cluster.name_any());
    let order = text(job)?;
    Ok(Some(ConfigMap {
        metadata: metadata(input.cluster, name, None),
        data: Some(BTreeMap::from([(mount::JOB_KEY.to_owned(), order)])),
        ..ConfigMap::default()
    }))
}

/// The job as it was asked for, without what changes while it runs, as JSON.
pub(crate) fn text(job: &PatchJob) -> Result<String, write::Error> {
    let identity =
        ObjectMeta { name: Some(job.name_any()), namespace: job.namespace(), uid: job.uid(), ..ObjectMeta::default() };
    let order = PatchJob { metadata: identity, spec: job.spec.clone(), status: None };
    serde_json::to_string(&order).map_err(|source| write::Error::Json { name: job.name_any(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::build::fixtures::settings;
    use crate::cluster::observe::fixtures;

    #[test]
    fn the_order_is_the_job_without_its_status() {
        let (cluster, mut resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        resolved.job.as_mut().unwrap().status = Some(microtome_api::JobStatus::default());
        let input = Input { cluster: &cluster, resolved: &resolved, attempt: 1, workers: None, settings: &settings };
        let map = build(&input).unwrap().unwrap();
        let read: PatchJob = serde_json::from_str(&map.data.unwrap()["job.json"]).unwrap();
        assert_eq!(
            (read.metadata.uid.as_deref(), read.metadata.resource_version, read.status),
            (Some("job-uid"), None, None)
        );
        assert_eq!(read.spec, fixtures::job().spec);
        assert_eq!(map.metadata.name.as_deref(), Some("a-job"));
        assert_eq!(map.metadata.owner_references.unwrap()[0].uid, "cluster-uid");
    }
}
