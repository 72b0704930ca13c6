//! The head's pod: the user's image, in which our program runs the user's command.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, Pod, PodSpec, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use kube::ResourceExt;
use microtome_api::quantity::Quantity;
use microtome_api::{PatchCluster, mount, names};

use super::super::observe::ATTEMPT;
use super::{Input, head_selector, metadata, pod, secret};

/// The container in which the program runs.
pub(crate) const CONTAINER: &str = "head";
/// HOME and, under it, the caches of common libraries; user images seldom have one for the profile's user.
const HOME: &str = "/home/microtome";
/// Scheduling, a node's start and the pull of a large image come out of the pod's deadline, not of the program's.
const START_SLACK_SECONDS: i64 = 1800;
/// The feed holds at most one part in so many of the head's memory: the rest is the program's and its libraries'.
const FEED_SHARE: i128 = 4;
/// The kubelet renews the token long before; a head shows it only when it dials.
const TOKEN_SECONDS: i64 = 3600;

/// Makes the pod.
pub(crate) fn build(input: &Input<'_>) -> Pod {
    let cluster = input.cluster;
    let name = cluster.name_any();
    let mut metadata = metadata(cluster, names::head_pod(&name, ATTEMPT), Some(names::ROLE_HEAD));
    metadata.labels.get_or_insert_default().extend(head_selector(cluster));
    // An autoscaler that tidies up nodes must not end a training run.
    let keep = ("cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(), "false".to_owned());
    metadata.annotations = Some(BTreeMap::from([keep]));
    Pod {
        metadata,
        spec: Some(PodSpec {
            restart_policy: Some("Never".to_owned()),
            active_deadline_seconds: cluster.spec.active_deadline_seconds.map(|seconds| seconds + START_SLACK_SECONDS),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(pod::pod_security(&input.resolved.profile.spec.security_context)),
            init_containers: Some(vec![tools(input)]),
            containers: vec![program(input)],
            volumes: Some(volumes(cluster)),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Puts our program beside the user's image.
fn tools(input: &Input<'_>) -> Container {
    Container {
        name: "tools".to_owned(),
        image: Some(input.settings.data_plane_image.clone()),
        image_pull_policy: Some(input.settings.image_pull_policy.as_str().to_owned()),
        command: Some(pod::strings(["/usr/local/bin/microtome", "install", mount::TOOLS])),
        resources: Some(pod::preparation(&input.cluster.spec.head.resources)),
        security_context: Some(pod::container_security(true)),
        volume_mounts: Some(vec![pod::writable("tools", mount::TOOLS)]),
        ..Container::default()
    }
}

fn program(input: &Input<'_>) -> Container {
    let spec = &input.cluster.spec.head;
    let port = ContainerPort {
        name: Some("feed".to_owned()),
        container_port: names::FEED_PORT.into(),
        ..ContainerPort::default()
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone()),
        command: Some(command(input)),
        env: Some(environment(input)),
        ports: Some(vec![port]),
        resources: Some(pod::requirements(&spec.resources)),
        security_context: Some(pod::container_security(false)),
        // The program's last lines where it leaves no word of its own.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            pod::read_only("tools", mount::TOOLS),
            pod::read_only("job", parent(mount::JOB_FILE)),
            pod::tls_mount(),
            pod::read_only("token", parent(mount::TOKEN_FILE)),
            pod::writable("home", HOME),
        ]),
        ..Container::default()
    }
}

fn command(input: &Input<'_>) -> Vec<String> {
    let (program, listen) = (format!("{}/microtome", mount::TOOLS), format!("0.0.0.0:{}", names::FEED_PORT));
    let (control, attempt) = (input.settings.control_url(), ATTEMPT.to_string());
    let head = [
        program.as_str(),
        "head",
        "--job",
        mount::JOB_FILE,
        "--listen",
        &listen,
        "--tls",
        mount::TLS,
        "--control",
        &control,
        "--control-token",
        mount::TOKEN_FILE,
        "--attempt",
        &attempt,
        "--",
    ];
    // In a container's command Kubernetes takes $(NAME) for a variable; the researcher's words are to arrive as written.
    let user = input.resolved.job.spec.command.iter().flatten().map(|word| word.replace("$(", "$$("));
    pod::strings(head).into_iter().chain(user).collect()
}

fn environment(input: &Input<'_>) -> Vec<EnvVar> {
    let job_uid = input.resolved.job.uid().unwrap_or_default();
    let mut environment = vec![pod::variable("HOME", HOME), pod::variable(mount::JOB_UID_VARIABLE, job_uid)];
    environment.extend(memory(input).map(|bytes| pod::variable(mount::MEMORY_VARIABLE, bytes)));
    environment
}

/// What the feed may hold of the head's memory. Without a limit the program's default stands.
fn memory(input: &Input<'_>) -> Option<String> {
    let limit = input.cluster.spec.head.resources.limits.get("memory")?.milli().ok()?;
    // Whole bytes: a quantity of thousandths would be refused.
    Some(Quantity::from_milli(limit / FEED_SHARE / 1000 * 1000).0)
}

fn volumes(cluster: &PatchCluster) -> Vec<Volume> {
    let tls = [
        (mount::TLS_CA, mount::TLS_CA),
        (secret::HEAD_CERTIFICATE, mount::TLS_CERTIFICATE),
        (secret::HEAD_KEY, mount::TLS_KEY),
        (mount::CONTROL_CA, mount::CONTROL_CA),
    ];
    let job =
        ConfigMapVolumeSource { name: names::work_order(&cluster.name_any()), ..ConfigMapVolumeSource::default() };
    vec![
        pod::empty_dir("tools"),
        pod::empty_dir("home"),
        Volume { name: "job".to_owned(), config_map: Some(job), ..Volume::default() },
        pod::tls_volume(&cluster.name_any(), &tls),
        Volume { name: "token".to_owned(), projected: Some(token()), ..Volume::default() },
    ]
}

/// A token that only the operator takes, bound to this pod.
fn token() -> ProjectedVolumeSource {
    let token = ServiceAccountTokenProjection {
        audience: Some(names::TOKEN_AUDIENCE.to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: mount::TOKEN_FILE.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    ProjectedVolumeSource { sources: Some(vec![source]), default_mode: Some(pod::FILE_MODE) }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::build::fixtures::settings;
    use crate::cluster::observe::fixtures;

    fn built() -> Value {
        let (cluster, mut resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        resolved.job.spec.command.get_or_insert_default().push("$(HOME)".to_owned());
        serde_json::to_value(build(&Input { cluster: &cluster, resolved: &resolved, settings: &settings })).unwrap()
    }

    #[test]
    fn the_pod_is_one_attempt_that_ends_by_itself() {
        let pod = built();
        assert_eq!(pod["metadata"]["name"], "a-head-1");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "PatchCluster");
        assert_eq!(pod["metadata"]["labels"]["microtome.dev/attempt"], "1");
        assert_eq!(
            (&pod["spec"]["restartPolicy"], &pod["spec"]["activeDeadlineSeconds"]),
            (&json!("Never"), &json!(5400))
        );
    }

    #[test]
    fn the_command_is_ours_and_then_the_users() {
        let pod = built();
        let head = &pod["spec"]["containers"][0];
        let words = "/opt/microtome/microtome head --job /etc/microtome/job/job.json --listen 0.0.0.0:7300 \
            --tls /etc/microtome/tls --control https://microtome-operator.microtome-system.svc:7400 \
            --control-token /var/run/secrets/microtome/token --attempt 1 -- python -m train $$(HOME)";
        assert_eq!(head["command"], json!(words.split_whitespace().collect::<Vec<_>>()));
        assert_eq!(head["image"], "registry.io/torch:2");
        assert_eq!(head["resources"]["requests"], head["resources"]["limits"]);
        assert_eq!(
            head["env"],
            json!([{"name": "HOME", "value": "/home/microtome"}, {"name": "MICROTOME_JOB_UID", "value": "job-uid"},
                {"name": "MICROTOME_MEMORY", "value": "1Gi"}])
        );
        let tools = &pod["spec"]["initContainers"][0];
        assert_eq!(tools["command"], json!(["/usr/local/bin/microtome", "install", "/opt/microtome"]));
        assert_eq!(tools["resources"]["limits"], json!({"cpu": "2", "memory": "4Gi"}), "no GPU for a copy");
    }

    #[test]
    fn the_head_gets_its_half_of_the_secret_and_a_token_for_the_operator_alone() {
        let pod = built();
        let volume = |name: &str| {
            pod["spec"]["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == name).unwrap().clone()
        };
        let tls = json!([{"key": "ca.crt", "path": "ca.crt"}, {"key": "head.crt", "path": "tls.crt"},
            {"key": "head.key", "path": "tls.key"}, {"key": "control-ca.crt", "path": "control-ca.crt"}]);
        assert_eq!(volume("tls")["secret"], json!({"secretName": "a-tls-1", "defaultMode": 0o440, "items": tls}));
        let token = json!({"audience": "microtome", "expirationSeconds": 3600, "path": "token"});
        assert_eq!(volume("token")["projected"]["sources"], json!([{"serviceAccountToken": token}]));
        assert_eq!(volume("job")["configMap"], json!({"name": "a-job"}));
    }

    #[test]
    fn the_pod_holds_to_the_restricted_standard() {
        let pod = built();
        let spec = &pod["spec"];
        let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 2000,
            "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(spec["securityContext"], security);
        for container in [&spec["containers"][0], &spec["initContainers"][0]] {
            assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
            assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        }
        assert_eq!(
            (&spec["automountServiceAccountToken"], &spec["enableServiceLinks"]),
            (&json!(false), &json!(false))
        );
    }
}
