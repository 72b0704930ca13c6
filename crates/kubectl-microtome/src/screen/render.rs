//! What is made of a job, as YAML that kubectl takes: pure.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use microtome_api::{PatchJob, names};

use super::clusters;
use crate::output;
use crate::text;

/// The objects that `submit` makes; as comments, those that the operator makes of them.
pub(crate) fn render(job: &PatchJob, map: Option<&ConfigMap>) -> anyhow::Result<String> {
    let mut text = String::new();
    if let Some(map) = map {
        text += &format!("---\n{}", output::yaml(map)?);
    }
    text += &format!("---\n{}", output::yaml(job)?);
    text += "# Of this the operator makes:\n";
    for line in made(job) {
        text += &format!("#   {line}\n");
    }
    Ok(text)
}

fn made(job: &PatchJob) -> Vec<String> {
    let name = job.name_any();
    let Some(spec) = &job.spec.cluster_spec else {
        let cluster = job.spec.cluster_name.as_deref().unwrap_or_default();
        return vec![format!(
            "nothing: it runs in the head of PatchCluster {cluster}, when those before it have ended"
        )];
    };
    let deadline = text::duration(job.spec.active_deadline_seconds);
    let limits = |resources: &microtome_api::Resources| {
        let limits = resources.limits.iter().map(|(name, amount)| format!("{name} {amount}"));
        limits.collect::<Vec<_>>().join(", ")
    };
    let head = match &spec.head.image {
        Some(image) => format!("{image}, {}", limits(&spec.head.resources)),
        None => limits(&spec.head.resources),
    };
    let (least, most) = (spec.workers.min_replicas, spec.workers.max_replicas);
    vec![
        format!(
            "PatchCluster {name}: waits until {} are free for it, then holds them for {deadline} at most",
            clusters::wants(spec, true)
        ),
        format!("Pod {}: {head}", names::head_pod(&name, 1)),
        format!(
            "Deployment {}: {least}–{most} workers, each {}",
            names::worker_deployment(&name),
            limits(&spec.workers.resources)
        ),
        format!(
            "Service {}, Secret {}, ConfigMap {}, NetworkPolicies",
            names::head_service(&name),
            names::certificates(&name, 1),
            names::work_order(&name)
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::screen::fixtures::job;

    #[test]
    fn what_is_printed_can_be_applied_and_says_what_follows() {
        let job = PatchJob { status: None, ..job(&Value::Null) };
        let text = render(&job, None).unwrap();
        let read: PatchJob = serde_yaml::from_str(text.trim_start_matches("---\n")).unwrap();
        assert_eq!(read, job);
        let comments = "\
# Of this the operator makes:
#   PatchCluster tumour-detector: waits until 2 gpu, 16 cpu, 72Gi memory are free for it, then holds them for 12 h at most
#   Pod tumour-detector-head-1: i, cpu 8, memory 64Gi, nvidia.com/gpu 2
#   Deployment tumour-detector-worker: 2–32 workers, each cpu 4, memory 4Gi
#   Service tumour-detector-head, Secret tumour-detector-tls-1, ConfigMap tumour-detector-job, NetworkPolicies
";
        assert!(text.ends_with(comments), "{text}");
    }
}
