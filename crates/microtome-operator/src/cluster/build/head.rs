//! The head's pod: the user's image, in which our program runs the user's command.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvFromSource, EnvVar, Pod, PodSpec};
use kube::ResourceExt;
use microtome_api::quantity::Quantity;
use microtome_api::{mount, names};

use super::{Input, head_selector, metadata, placement, pod, volumes};

/// The container in which the program runs.
pub(crate) const CONTAINER: &str = "head";
/// HOME and, under it, the caches of common libraries; user images seldom have one for the profile's user.
pub(crate) const HOME: &str = "/home/microtome";
/// Scheduling, a node's start and the pull of a large image come out of the pod's deadline, not of the program's.
const START_SLACK_SECONDS: i64 = 1800;
/// The feed holds at most one part in so many of the head's memory: the rest is the program's and its libraries'.
const FEED_SHARE: i128 = 4;
/// Enough for a program to save what it has, and for the head to store it.
const GRACE_SECONDS: i64 = 60;

/// Makes the pod.
pub(crate) fn build(input: &Input<'_>) -> Pod {
    let (cluster, profile) = (input.cluster, &input.resolved.profile.spec);
    let name = cluster.name_any();
    let mut metadata = metadata(cluster, names::head_pod(&name, input.attempt), Some(names::ROLE_HEAD));
    metadata.labels.get_or_insert_default().extend(head_selector(cluster, input.attempt));
    let storage = Storage::of(input);
    if storage.head || storage.tools {
        let (key, value) = pod::WORKLOAD_IDENTITY;
        metadata.labels.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    }
    // An autoscaler that tidies up nodes must not end a training run.
    let keep = ("cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(), "false".to_owned());
    metadata.annotations = Some(BTreeMap::from([keep]));
    let spec = PodSpec {
        restart_policy: Some("Never".to_owned()),
        active_deadline_seconds: cluster.spec.active_deadline_seconds.map(|seconds| seconds + START_SLACK_SECONDS),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        // The identity that storage trusts is for those who use storage themselves.
        service_account_name: (storage.head || storage.tools).then(|| profile.service_account_name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: pod::pull_secrets(profile),
        security_context: Some(pod::pod_security(&profile.security_context)),
        init_containers: Some(vec![tools(input, &storage)]),
        containers: vec![program(input, &storage)],
        volumes: Some(volumes::volumes(input)),
        ..PodSpec::default()
    };
    Pod { metadata, spec: Some(placement::place(spec, &input.resolved.head_pools)), status: None }
}

/// Who of a head uses storage without a worker.
struct Storage {
    /// The init container: it fetches a package, or restores checkpoints.
    tools: bool,
    /// The head: it writes outputs or checkpoints.
    head: bool,
}

impl Storage {
    fn of(input: &Input<'_>) -> Self {
        let Some(job) = &input.resolved.job else {
            // Which jobs will come is not known.
            return Self { tools: false, head: true };
        };
        let checkpoints = job.spec.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.url.is_some());
        let package = job.spec.package.as_ref().is_some_and(|package| package.url.is_some());
        Self { tools: checkpoints || package, head: checkpoints || job.spec.output.is_some() }
    }

    /// The storage client's variables, under names that the head keeps from its program.
    fn environment(input: &Input<'_>) -> Option<EnvFromSource> {
        let secret = input.resolved.profile.spec.storage_secret.as_ref()?;
        Some(pod::secret_environment(&secret.name, Some(mount::STORAGE_PREFIX)))
    }
}

/// Puts our program and package, and the researcher's, beside the user's image.
fn tools(input: &Input<'_>, storage: &Storage) -> Container {
    let mut command = pod::strings(["/usr/local/bin/microtome", "install"]);
    let mut mounts = vec![pod::writable("tools", mount::TOOLS)];
    let spec = input.resolved.job.as_ref().map(|job| &job.spec);
    if let Some(package) = spec.and_then(|spec| spec.package.as_ref()) {
        command.extend(pod::strings(["--package-sha256", &package.sha256]));
        if let Some(url) = &package.url {
            command.extend(pod::strings(["--package-url", &pod::literal(url)]));
        } else {
            command.extend(pod::strings(["--package-file", mount::PACKAGE_FILE]));
            mounts.push(pod::read_only("package", parent(mount::PACKAGE_FILE)));
        }
    }
    if let Some(url) = spec.and_then(|spec| spec.checkpoints.as_ref()?.url.as_ref()) {
        command.extend(pod::strings(["--restore", &pod::literal(url), "--checkpoints", mount::CHECKPOINTS]));
        mounts.push(pod::writable("checkpoints", mount::CHECKPOINTS));
    }
    command.push(mount::TOOLS.to_owned());
    Container {
        name: "tools".to_owned(),
        image: Some(input.settings.data_plane_image.clone()),
        image_pull_policy: Some(input.settings.image_pull_policy.as_str().to_owned()),
        command: Some(command),
        env_from: Storage::environment(input).filter(|_| storage.tools).map(|secret| vec![secret]),
        resources: Some(pod::preparation(&input.cluster.spec.head.resources)),
        security_context: Some(pod::container_security(true)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn program(input: &Input<'_>, storage: &Storage) -> Container {
    let spec = &input.cluster.spec.head;
    let port = ContainerPort {
        name: Some("feed".to_owned()),
        container_port: names::FEED_PORT.into(),
        ..ContainerPort::default()
    };
    let job = input.resolved.job.as_ref();
    let secrets =
        job.into_iter().flat_map(|job| &job.spec.secret_names).map(|name| pod::secret_environment(name, None));
    let env_from: Vec<_> = secrets.chain(Storage::environment(input).filter(|_| storage.head)).collect();
    let ours = spec.image.is_none();
    Container {
        name: CONTAINER.to_owned(),
        image: Some(spec.image.clone().unwrap_or_else(|| input.settings.data_plane_image.clone())),
        image_pull_policy: ours.then(|| input.settings.image_pull_policy.as_str().to_owned()),
        command: Some(command(input)),
        env: Some(environment(input)),
        env_from: Some(env_from).filter(|sources| !sources.is_empty()),
        ports: Some(vec![port]),
        resources: Some(pod::requirements(&spec.resources)),
        security_context: Some(pod::container_security(false)),
        // The program's last lines where it leaves no word of its own.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volumes::mounts(input)),
        ..Container::default()
    }
}

fn command(input: &Input<'_>) -> Vec<String> {
    let (program, listen) = (format!("{}/microtome", mount::TOOLS), format!("0.0.0.0:{}", names::FEED_PORT));
    let mut words = pod::strings([&program, "head", "--listen", &listen, "--tls", mount::TLS]);
    words.extend(pod::strings(["--control", &input.settings.control_url(), "--control-token", mount::TOKEN_FILE]));
    words.extend(pod::strings(["--attempt", &input.attempt.to_string()]));
    let Some(job) = &input.resolved.job else {
        words.push("--standing".to_owned());
        return words;
    };
    words.extend(pod::strings(["--job", mount::JOB_FILE]));
    if let Some(checkpoints) = &job.spec.checkpoints {
        words.extend(pod::strings(["--checkpoints", mount::CHECKPOINTS]));
        let url = checkpoints.url.iter().flat_map(|url| ["--checkpoints-url".to_owned(), pod::literal(url)]);
        words.extend(url);
    }
    if let Some(user) = &job.spec.command {
        words.push("--".to_owned());
        words.extend(user.iter().map(|word| pod::literal(word)));
    }
    words
}

fn environment(input: &Input<'_>) -> Vec<EnvVar> {
    let job = input.resolved.job.as_ref();
    let users = job.map(|job| job.spec.env.as_slice()).unwrap_or_default();
    let mut environment: Vec<_> =
        users.iter().map(|variable| pod::variable(&variable.name, pod::literal(&variable.value))).collect();
    if users.iter().all(|variable| variable.name != "HOME") {
        environment.push(pod::variable("HOME", HOME));
    }
    environment.extend(job.and_then(ResourceExt::uid).map(|uid| pod::variable(mount::JOB_UID_VARIABLE, uid)));
    environment.extend(memory(input).map(|bytes| pod::variable(mount::MEMORY_VARIABLE, bytes)));
    environment
}

/// What the feed may hold of the head's memory. Without a limit the program's default stands.
fn memory(input: &Input<'_>) -> Option<String> {
    let limit = input.cluster.spec.head.resources.limits.get("memory")?.milli().ok()?;
    // Whole bytes: a quantity of thousandths would be refused.
    Some(Quantity::from_milli(limit / FEED_SHARE / 1000 * 1000).0)
}

/// The directory of a file.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use microtome_api::PatchJob;
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::build::fixtures::settings;
    use crate::cluster::observe::fixtures;

    /// The pod of a job that was changed before.
    fn built_for(change: impl FnOnce(&mut PatchJob)) -> Value {
        let (cluster, mut resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        change(resolved.job.as_mut().unwrap());
        let input = Input { cluster: &cluster, resolved: &resolved, attempt: 1, workers: None, settings: &settings };
        serde_json::to_value(build(&input)).unwrap()
    }

    fn built() -> Value {
        built_for(|job| job.spec.command.get_or_insert_default().push("$(HOME)".to_owned()))
    }

    fn volume(pod: &Value, name: &str) -> Value {
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == name).cloned().unwrap_or_default()
    }

    fn words(command: &Value) -> String {
        command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
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
        let wanted = "/opt/microtome/microtome head --listen 0.0.0.0:7300 --tls /etc/microtome/tls \
            --control https://microtome-operator.microtome-system.svc:7400 --control-token /var/run/secrets/microtome/token \
            --attempt 1 --job /etc/microtome/job/job.json -- python -m train $$(HOME)";
        assert_eq!(words(&head["command"]), wanted);
        assert_eq!(head["image"], "registry.io/torch:2");
        assert_eq!(head["resources"]["requests"], head["resources"]["limits"]);
        assert_eq!(
            head["env"],
            json!([{"name": "HOME", "value": "/home/microtome"}, {"name": "MICROTOME_JOB_UID", "value": "job-uid"},
                {"name": "MICROTOME_MEMORY", "value": "1Gi"}])
        );
        let tools = &pod["spec"]["initContainers"][0];
        assert_eq!(words(&tools["command"]), "/usr/local/bin/microtome install /opt/microtome");
        assert_eq!(tools["resources"]["limits"], json!({"cpu": "2", "memory": "4Gi"}), "no GPU for a copy");
        let shared = json!({"medium": "Memory", "sizeLimit": "2Gi"});
        assert_eq!(volume(&pod, "shared-memory")["emptyDir"], shared);
    }

    #[test]
    fn the_users_environment_arrives_as_written_and_beside_ours() {
        let pod = built_for(|job| {
            job.spec.env = serde_json::from_value(json!([{"name": "A", "value": "$(B)"}, {"name": "HOME"}])).unwrap();
            job.spec.secret_names = vec!["wandb".into()];
        });
        let head = &pod["spec"]["containers"][0];
        assert_eq!(head["env"][0], json!({"name": "A", "value": "$$(B)"}));
        assert_eq!(head["env"][1], json!({"name": "HOME", "value": ""}));
        assert_eq!(head["env"][2]["name"], "MICROTOME_JOB_UID");
        assert_eq!(head["envFrom"], json!([{"secretRef": {"name": "wandb"}}]), "no key of the storage");
        assert_eq!(pod["spec"]["serviceAccountName"], Value::Null, "nor its identity");
    }

    #[test]
    fn a_head_that_writes_has_the_storages_identity_under_names_that_it_keeps_for_itself() {
        let pod = built_for(|job| {
            let output = json!({"url": "az://results/a/", "format": "WebDataset"});
            (job.spec.output, job.spec.command) = (serde_json::from_value(output).unwrap(), None);
        });
        let head = &pod["spec"]["containers"][0];
        let storage = json!([{"prefix": "MICROTOME_STORAGE_", "secretRef": {"name": "storage"}}]);
        assert_eq!((&head["envFrom"], &pod["spec"]["serviceAccountName"]), (&storage, &json!("patches")));
        assert_eq!(pod["spec"]["initContainers"][0]["envFrom"], Value::Null);
        assert_eq!(pod["metadata"]["labels"]["azure.workload.identity/use"], "true");
        assert!(words(&head["command"]).ends_with("--job /etc/microtome/job/job.json"), "no program");
    }

    #[test]
    fn packages_and_checkpoints_are_brought_by_the_init_container() {
        let sha = "ab".repeat(32);
        let with = |package: Value, checkpoints: Value| {
            built_for(|job| {
                job.spec.package = serde_json::from_value(package).unwrap();
                job.spec.checkpoints = serde_json::from_value(checkpoints).unwrap();
            })
        };
        let local = with(json!({"sha256": sha, "configMapName": "code"}), json!({"claimName": "disk"}));
        let tools = &local["spec"]["initContainers"][0];
        let wanted = format!(
            "/usr/local/bin/microtome install --package-sha256 {sha} --package-file /etc/microtome/package/package.tar \
             /opt/microtome"
        );
        assert_eq!(words(&tools["command"]), wanted);
        let items = json!([{"key": "package.tar", "path": "package.tar"}]);
        assert_eq!(volume(&local, "package")["configMap"], json!({"name": "code", "items": items}));
        assert_eq!(volume(&local, "checkpoints")["persistentVolumeClaim"], json!({"claimName": "disk"}));
        assert!(words(&local["spec"]["containers"][0]["command"]).contains("--checkpoints /checkpoints -- python"));

        let stored = with(json!({"sha256": sha, "url": "az://results/p.tar"}), json!({"url": "az://results/c/"}));
        let (tools, head) = (&stored["spec"]["initContainers"][0], &stored["spec"]["containers"][0]);
        let restore =
            "--package-url az://results/p.tar --restore az://results/c/ --checkpoints /checkpoints /opt/microtome";
        assert!(words(&tools["command"]).ends_with(restore));
        assert_eq!(tools["envFrom"][0]["secretRef"]["name"], "storage");
        let upload = "--checkpoints /checkpoints --checkpoints-url az://results/c/ -- python";
        assert!(words(&head["command"]).contains(upload));
        assert_eq!(volume(&stored, "checkpoints")["emptyDir"], json!({}));
    }

    #[test]
    fn a_standing_head_waits_to_be_told() {
        let (mut cluster, mut resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        (resolved.job, cluster.spec.head.image) = (None, None);
        let input = Input { cluster: &cluster, resolved: &resolved, attempt: 3, workers: None, settings: &settings };
        let pod = serde_json::to_value(build(&input)).unwrap();
        let head = &pod["spec"]["containers"][0];
        assert!(words(&head["command"]).ends_with("--attempt 3 --standing"));
        assert_eq!((&head["image"], &head["imagePullPolicy"]), (&json!("microtome:1"), &json!("IfNotPresent")));
        assert_eq!(volume(&pod, "job"), Value::Null);
    }

    #[test]
    fn the_head_gets_its_half_of_the_secret_and_a_token_for_the_operator_alone() {
        let pod = built();
        let tls = json!([{"key": "ca.crt", "path": "ca.crt"}, {"key": "head.crt", "path": "tls.crt"},
            {"key": "head.key", "path": "tls.key"}, {"key": "control-ca.crt", "path": "control-ca.crt"}]);
        let secret = json!({"secretName": "a-tls-1", "defaultMode": 0o440, "items": tls});
        assert_eq!(volume(&pod, "tls")["secret"], secret);
        let token = json!({"audience": "microtome", "expirationSeconds": 3600, "path": "token"});
        assert_eq!(volume(&pod, "token")["projected"]["sources"], json!([{"serviceAccountToken": token}]));
        assert_eq!(volume(&pod, "job")["configMap"], json!({"name": "a-job"}));
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
