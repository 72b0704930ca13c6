//! The custom resource definitions, from which `crds/` is written.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{PatchCluster, PatchJob, PatchProfile, Team};

/// All definitions, in the order in which they are applied.
pub fn all() -> [CustomResourceDefinition; 4] {
    [Team::crd(), PatchProfile::crd(), PatchCluster::crd(), PatchJob::crd()]
}
