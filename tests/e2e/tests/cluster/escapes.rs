//! Ways out of a namespace, a profile or a quota: each is refused, and says so.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use microtome_api::{PatchCluster, PatchJob, condition};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::{Kind, Stage};
use serde_json::{Value, json};

/// What the apiserver says of an object, which it must not take.
async fn refusal(stage: &Stage, kind: &str, object: Value) -> String {
    let group = if kind == "Pod" { "" } else { "microtome.dev" };
    let version = if kind == "Pod" { "v1" } else { "v1alpha1" };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::namespaced_with(stage.client.clone(), &stage.name, &resource);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match api.create(&PostParams::default(), &object).await {
        Ok(taken) => panic!("the apiserver takes {taken:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_belongs_to_the_operator_is_written_by_nobody_else() {
    let stage = Stage::new("forged", json!({})).await;
    // A head of a job that does not exist, or a worker that is charged to somebody else.
    let labels =
        json!({"microtome.dev/role": "head", "microtome.dev/cluster": "train", "microtome.dev/cluster-uid": "u"});
    let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
    let container = json!({"name": "c", "image": "localhost/user:1", "securityContext":
        {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "train-head-1", "labels": labels},
        "spec": {"securityContext": security, "containers": [container]}});
    let said = refusal(&stage, "Pod", pod).await;
    assert!(said.contains("labels that begin with microtome.dev/ are written by Microtome's operator alone"), "{said}");
    // A cluster that pretends to be a job's, whose deadline and retries it would then not have.
    let spec = job(&stage, "train", Wish::default())["spec"]["clusterSpec"].clone();
    let owner = json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "name": "train", "uid": "u", "controller": true});
    let cluster = json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchCluster",
        "metadata": {"name": "train", "ownerReferences": [owner]}, "spec": spec});
    let said = refusal(&stage, "PatchCluster", cluster).await;
    assert!(said.contains("is given to a PatchJob by Microtome's operator alone"), "{said}");
}

#[tokio::test]
async fn a_jobs_own_cluster_cannot_be_changed_past_the_job() {
    let stage = Stage::new("past", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["suspend"] = json!(true);
    stage.create::<PatchJob>(object).await;
    stage.job("train", "suspended", |job| state(job).0 == "Suspended").await;
    let said = changed::<PatchCluster>(&stage, json!({"suspend": false})).await.unwrap_err();
    assert!(said.contains("this PatchCluster is a PatchJob's; change the PatchJob"), "{said}");
    let said = changed::<PatchCluster>(&stage, json!({"workers": {"maxReplicas": 900}})).await.unwrap_err();
    assert!(said.contains("can change") || said.contains("cannot change"), "{said}");
}

/// Changes the spec of the object `train`, by a patch: the operator writes its status meanwhile.
async fn changed<K>(stage: &Stage, spec: Value) -> Result<K, String>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Kind,
{
    let change = Patch::Merge(json!({"spec": spec}));
    let outcome = stage.api::<K>().patch("train", &PatchParams::default(), &change).await;
    outcome.map_err(|error| error.to_string())
}

#[tokio::test]
async fn names_lead_nowhere_else() {
    let stage = Stage::without_team("names").await;
    let cases: [(&str, Value, &str); 6] = [
        ("secretNames", json!(["kube-system/token"]), "spec.secretNames[0]"),
        ("secretNames", json!(["../token"]), "spec.secretNames[0]"),
        ("checkpoints", json!({"claimName": "../other"}), "spec.checkpoints.claimName"),
        ("checkpoints", json!({"url": "az://results/a/?sig=abc"}), "must not hold a query or a key"),
        ("package", json!({"sha256": "ab", "configMapName": "code"}), "spec.package.sha256"),
        ("env", json!([{"name": "MICROTOME_FEED", "value": "/tmp/mine"}]), "names that begin with MICROTOME_"),
    ];
    for (field, value, message) in cases {
        let mut object = job(&stage, "train", Wish::default());
        object["spec"][field] = value;
        let said = refusal(&stage, "PatchJob", object).await;
        assert!(said.contains(message) && !said.contains("sig=abc"), "{field}: {said}");
    }
}

#[tokio::test]
async fn what_was_asked_for_stays_as_it_is() {
    let stage = Stage::without_team("fixed").await;
    stage.create::<PatchJob>(job(&stage, "train", Wish::default())).await;
    let jobs = stage.api::<PatchJob>();
    let changes: [(&str, Value); 5] = [
        ("/spec/command", json!(["sh"])),
        ("/spec/activeDeadlineSeconds", json!(601)),
        ("/spec/backoffLimit", json!(9)),
        ("/spec/clusterSpec/workers/maxReplicas", json!(99)),
        ("/spec/datasets/0/seed", json!(8)),
    ];
    for (field, value) in changes {
        let mut object = serde_json::to_value(jobs.get("train").await.unwrap()).unwrap();
        *object.pointer_mut(field).unwrap() = value;
        let said = changed::<PatchJob>(&stage, object["spec"].take()).await.unwrap_err();
        assert!(said.contains("can change") || said.contains("cannot change"), "{field}: {said}");
    }
    let may = json!({"suspend": true, "ttlSecondsAfterFinished": 60});
    changed::<PatchJob>(&stage, may).await.expect("these may");
}

#[tokio::test]
async fn a_package_that_climbs_out_of_its_folder_is_refused_by_its_entry() {
    let stage = Stage::new("package", json!({})).await;
    // A link that leads out, as tar writes it.
    let mut header = [0_u8; 512];
    header[..4].copy_from_slice(b"link");
    header[100..108].copy_from_slice(b"0000777\0");
    header[124..136].copy_from_slice(b"00000000000\0");
    header[156] = b'2';
    header[157..164].copy_from_slice(b"/etc/tl");
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.resize(512 * 3, 0);
    let sha256 = microtome_e2e::sha256(&tar);
    stage
        .create::<k8s_openapi::api::core::v1::ConfigMap>(
            json!({"metadata": {"name": "code"}, "binaryData": {"package.tar": microtome_e2e::base64(&tar)}}),
        )
        .await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["package"] = json!({"sha256": sha256, "configMapName": "code"});
    stage.create::<PatchJob>(object).await;
    let failed = stage.job("train", "failed", |job| is(job, condition::FAILED)).await;
    assert!(state(&failed).1.contains("link"), "{}", state(&failed).1);
    let ran = stage.api::<Pod>().get("train-head-1").await.unwrap().status.unwrap().container_statuses.unwrap();
    assert!(ran[0].state.as_ref().unwrap().running.is_none() && ran[0].started != Some(true));
}
