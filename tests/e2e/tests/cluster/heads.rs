//! Who may speak to the operator as a head, and for which job: only the head's own pod, and only for its own.

use std::process::Stdio;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use microtome_api::{PatchCluster, PatchJob, condition, names};
use microtome_e2e::job::{Wish, is, job};
use microtome_e2e::stage::{Stage, variable};
use microtome_feed::wire::control::control_client::ControlClient;
use microtome_feed::wire::control::report::Report as Kind;
use microtome_feed::wire::control::{Report, Result as JobResult, Started};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

const LONG: Wish = Wish { patches: 1200, exit_code: 0, seconds_a_batch: 0.3, workers: 1 };

/// The operator's port for heads, forwarded to this machine.
struct Door {
    channel: Channel,
    _forward: Child,
}

impl Door {
    async fn open(stage: &Stage) -> Self {
        let mut forward = Command::new(variable("KUBECTL"));
        forward.args(["-n", "microtome-system", "port-forward", "deploy/microtome-operator", ":7400"]);
        let mut forward = forward.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("kubectl forwards a port");
        let address = line.strip_prefix("Forwarding from ").and_then(|rest| rest.split(' ').next()).unwrap();
        let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), "microtome-system");
        let authority = secrets.get("microtome-control-ca").await.unwrap().data.unwrap()["ca.crt"].0.clone();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(authority))
            .domain_name("microtome-operator.microtome-system.svc");
        let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap();
        Self { channel: endpoint.connect().await.unwrap(), _forward: forward }
    }

    /// Says `reports` with a token, and waits for how the operator ends the stream. It never ends one of a head that may speak
    /// and says what it may: the stream is then closed from here, which is `Ok`.
    async fn say(&self, token: Option<&str>, reports: Vec<Kind>) -> Result<(), Status> {
        let reports: Vec<Report> = reports.into_iter().map(|report| Report { report: Some(report) }).collect();
        let mut request = Request::new(tokio_stream::iter(reports));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let mut orders = ControlClient::new(self.channel.clone()).attach(request).await?.into_inner();
        while orders.message().await?.is_some() {}
        Ok(())
    }
}

fn started(job: &PatchJob, attempt: i32) -> Vec<Kind> {
    vec![Kind::Started(Started { job_uid: job.uid().unwrap(), attempt })]
}

/// A token as the kubelet asks for one, or as somebody may who can.
async fn token(stage: &Stage, account: &str, audience: &str, pod: Option<&Pod>) -> String {
    let bound = |pod: &Pod| BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        uid: pod.uid(),
    };
    let spec = TokenRequestSpec {
        audiences: vec![audience.to_owned()],
        bound_object_ref: pod.map(bound),
        expiration_seconds: Some(600),
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts = stage.api::<ServiceAccount>();
    accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap().status.unwrap().token
}

fn account(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_else(|| "default".to_owned())
}

/// The token that a pod itself has.
async fn token_of(stage: &Stage, pod: &Pod) -> String {
    token(stage, &account(pod), names::TOKEN_AUDIENCE, Some(pod)).await
}

#[tokio::test]
async fn nobody_but_a_head_is_let_in_and_only_for_its_own_job() {
    let stage = Stage::new("heads", json!({})).await;
    for name in ["train", "other"] {
        stage.create::<PatchJob>(job(&stage, name, LONG)).await;
    }
    let train = stage.job("train", "running", |job| is(job, condition::READY)).await;
    let other = stage.job("other", "running", |job| is(job, condition::READY)).await;
    let pods = stage.api::<Pod>();
    let head = pods.get(&names::head_pod("train", 1)).await.unwrap();
    let workers = ListParams::default().labels(&format!("{}={}", names::LABEL_ROLE, names::ROLE_WORKER));
    let worker = pods.list(&workers).await.unwrap().items.remove(0);
    let door = Door::open(&stage).await;

    let (own, accounts) = (token_of(&stage, &head).await, account(&head));
    let for_others = token(&stage, &accounts, "https://kubernetes.default.svc", Some(&head)).await;
    let unbound = token(&stage, &accounts, names::TOKEN_AUDIENCE, None).await;
    let workers_own = token_of(&stage, &worker).await;
    let is = started(&train, 1);
    let refused = [
        (None, &is, Code::Unauthenticated, "no bearer token"),
        (Some("no.token.atall"), &is, Code::Unauthenticated, "not valid for audience"),
        (Some(&*for_others), &is, Code::Unauthenticated, "not valid for audience"),
        (Some(&*unbound), &is, Code::PermissionDenied, "bound to no pod"),
        (Some(&*workers_own), &is, Code::PermissionDenied, "is no head of a job that runs"),
        (Some(&*own), &started(&other, 1), Code::PermissionDenied, "another job's or another attempt's"),
        (Some(&*own), &started(&train, 2), Code::PermissionDenied, "another job's or another attempt's"),
    ];
    for (token, says, code, message) in refused {
        let status = door.say(token, says.clone()).await.expect_err(message);
        assert!(status.code() == code && status.message().contains(message), "{status:?}, not {message}");
    }
    door.say(Some(&own), is.clone()).await.expect("what the head itself says is heard");

    // The token ends with the job that it was for.
    stage.delete_to_nothing("train").await;
    let status = door.say(Some(&own), is).await.unwrap_err();
    // The apiserver remembers for some seconds that the token was good; its pod is gone all the same.
    assert!(matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied), "{status:?}");
    stage.delete_to_nothing("other").await;
}

#[tokio::test]
async fn a_standing_head_cannot_end_a_job_that_it_was_not_told_to_run() {
    let stage = Stage::new("meddling", json!({})).await;
    let mut spec = job(&stage, "bench", Wish { workers: 1, ..Wish::default() })["spec"]["clusterSpec"].clone();
    spec["activeDeadlineSeconds"] = json!(600);
    stage.create::<PatchCluster>(json!({"metadata": {"name": "bench"}, "spec": spec})).await;
    stage.create::<PatchJob>(job(&stage, "other", LONG)).await;
    let other = stage.job("other", "running", |job| is(job, condition::READY)).await;
    let is_up = |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref()).is_some_and(|phase| phase == "Running")
    };
    let head = stage.until::<Pod>(&names::head_pod("bench", 1), "running", is_up).await.unwrap();
    let door = Door::open(&stage).await;
    let lie = JobResult { exit_code: 0, job_uid: other.uid().unwrap(), attempt: 1, ..JobResult::default() };
    // Passed over or refused; in any case without a trace.
    let _ = door
        .say(Some(&token_of(&stage, &head).await), vec![Kind::Started(Started::default()), Kind::Result(lie)])
        .await;
    let before = other.status.unwrap().progress.map_or(0, |progress| progress.patches);
    let job = stage.job("other", "further", |job| {
        job.status.as_ref().and_then(|status| status.progress.as_ref()).is_some_and(|progress| progress.patches > 80)
    });
    let job = job.await;
    let status = job.status.as_ref().unwrap();
    assert!(
        !is(&job, condition::COMPLETE) && status.exit_code.is_none() && status.attempt == 1,
        "{before}: {status:?}"
    );
    stage.delete_to_nothing("other").await;
}

#[tokio::test]
async fn a_pod_that_calls_itself_a_head_is_not_made() {
    let stage = Stage::without_team("impostor").await;
    let object = json!({
        "metadata": {"name": "train-head-1", "labels": {names::LABEL_ROLE: names::ROLE_HEAD, names::LABEL_CLUSTER: "train"}},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "head", "image": "localhost/user:1", "securityContext":
                {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
        },
    });
    let pod: Pod = serde_json::from_value(object).unwrap();
    let error = stage.api::<Pod>().create(&PostParams::default(), &pod).await.unwrap_err().to_string();
    assert!(error.contains("microtome.dev/"), "{error}");
}
