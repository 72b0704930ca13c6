//! The workers: a Deployment of pods that keep nothing, so any of them may die at any time.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use microtome_api::{mount, names};

use super::{Input, Objects, labels, metadata, placement, pod, secret};

/// Enough to hand over the patches under way; the head gives the rest to other workers.
const GRACE_SECONDS: i64 = 25;

/// Makes the Deployment.
pub(crate) fn build(input: &Input<'_>) -> Deployment {
    let cluster = input.cluster;
    let name = cluster.name_any();
    let labels = labels(cluster, Some(names::ROLE_WORKER));
    let selector = labels.iter().filter(|(key, _)| key.starts_with(names::GROUP));
    // No surge: quota is charged for the pods that there are, so there are never more. All at once: a new template is a new
    // head, to which workers of the old one are of no use.
    let rolling = RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(0)),
        max_unavailable: Some(IntOrString::String("100%".to_owned())),
    };
    let mut metadata = metadata(cluster, names::worker_deployment(&name), Some(names::ROLE_WORKER));
    let attempt = (names::LABEL_ATTEMPT.to_owned(), input.attempt.to_string());
    metadata.labels.get_or_insert_default().extend([attempt]);
    let mut pod_labels = labels.clone();
    pod_labels.insert(pod::WORKLOAD_IDENTITY.0.to_owned(), pod::WORKLOAD_IDENTITY.1.to_owned());
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(Objects::worker_replicas(input)),
            selector: LabelSelector {
                match_labels: Some(selector.map(|(key, value)| (key.clone(), value.clone())).collect()),
                match_expressions: None,
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(rolling),
            }),
            // Old templates are never gone back to.
            revision_history_limit: Some(0),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }),
                spec: Some(placement::place(template(input), &input.resolved.worker_pools)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn template(input: &Input<'_>) -> PodSpec {
    let profile = &input.resolved.profile.spec;
    let tls = [
        (mount::TLS_CA, mount::TLS_CA),
        (secret::WORKER_CERTIFICATE, mount::TLS_CERTIFICATE),
        (secret::WORKER_KEY, mount::TLS_KEY),
    ];
    PodSpec {
        service_account_name: Some(profile.service_account_name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        image_pull_secrets: pod::pull_secrets(profile),
        security_context: Some(pod::pod_security(&profile.security_context)),
        containers: vec![worker(input)],
        volumes: Some(vec![pod::tls_volume((&input.cluster.name_any(), input.attempt), &tls), pod::empty_dir("tmp")]),
        ..PodSpec::default()
    }
}

fn worker(input: &Input<'_>) -> Container {
    let (name, namespace) = (input.cluster.name_any(), input.cluster.namespace().unwrap_or_default());
    let head = format!("https://{}:{}", names::head_host(&name, &namespace), names::FEED_PORT);
    let storage = input.resolved.profile.spec.storage_secret.as_ref();
    let storage = storage.map(|secret| pod::secret_environment(&secret.name, None));
    Container {
        name: "worker".to_owned(),
        image: Some(input.settings.data_plane_image.clone()),
        image_pull_policy: Some(input.settings.image_pull_policy.as_str().to_owned()),
        args: Some(pod::strings(["worker", "--head", &head, "--tls", mount::TLS])),
        env_from: storage.map(|storage| vec![storage]),
        resources: Some(pod::requirements(&input.cluster.spec.workers.resources)),
        security_context: Some(pod::container_security(true)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![pod::tls_mount(), pod::writable("tmp", "/tmp")]),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::build::{fixtures::settings, head_selector, service};
    use crate::cluster::observe::fixtures;

    #[test]
    fn workers_have_the_storage_secret_and_their_half_of_the_certificates() {
        let (cluster, resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        let built =
            build(&Input { cluster: &cluster, resolved: &resolved, attempt: 2, workers: None, settings: &settings });
        let built = serde_json::to_value(built).unwrap();
        assert_eq!((&built["metadata"]["name"], &built["spec"]["replicas"]), (&json!("a-worker"), &json!(2)));
        assert_eq!(built["spec"]["strategy"]["rollingUpdate"], json!({"maxSurge": 0, "maxUnavailable": "100%"}));
        assert_eq!(built["metadata"]["labels"]["microtome.dev/attempt"], "2");
        assert_eq!(built["spec"]["selector"]["matchLabels"].as_object().unwrap().len(), 3, "it can never change");
        let pod = &built["spec"]["template"]["spec"];
        assert_eq!(
            (&pod["serviceAccountName"], &pod["terminationGracePeriodSeconds"]),
            (&json!("patches"), &json!(25))
        );
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], "a-tls-2");
        let worker = &pod["containers"][0];
        assert_eq!(
            worker["args"],
            json!(["worker", "--head", "https://a-head.x.svc:7300", "--tls", "/etc/microtome/tls"])
        );
        assert_eq!(worker["envFrom"], json!([{"secretRef": {"name": "storage"}}]));
        assert_eq!(worker["resources"]["requests"], json!({"cpu": "4", "memory": "4Gi"}));
        assert_eq!(worker["securityContext"]["readOnlyRootFilesystem"], true);
        let items = json!([{"key": "ca.crt", "path": "ca.crt"}, {"key": "worker.crt", "path": "tls.crt"},
            {"key": "worker.key", "path": "tls.key"}]);
        assert_eq!(pod["volumes"][0]["secret"]["items"], items);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    }

    #[test]
    fn the_service_finds_this_head_only_before_it_is_ready_too() {
        let cluster = fixtures::cluster();
        let spec = service::build(&cluster, 2).spec.unwrap();
        assert_eq!((spec.cluster_ip.as_deref(), spec.publish_not_ready_addresses), (Some("None"), Some(true)));
        let selector = head_selector(&cluster, 2);
        assert_eq!(spec.selector.as_ref(), Some(&selector));
        assert_eq!(selector["microtome.dev/role"], "head");
        assert_eq!(selector["microtome.dev/cluster-uid"], "cluster-uid");
    }
}
