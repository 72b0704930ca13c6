//! Objects for programs: JSON and YAML as kubectl writes them, without what only the apiserver reads.

use microtome_api::PatchJob;
use serde::Serialize;

/// Several objects, as kubectl lists them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<PatchJob>,
}

/// One object without its managed fields.
pub(crate) fn object(mut job: PatchJob) -> PatchJob {
    job.metadata.managed_fields = None;
    job
}

/// Objects without their managed fields.
pub(crate) fn list(jobs: Vec<PatchJob>) -> List {
    List { api_version: "v1", kind: "List", items: jobs.into_iter().map(object).collect() }
}

/// As JSON, with a line break at the end.
pub(crate) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

/// As YAML.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(value)
}
