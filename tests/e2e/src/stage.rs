//! A namespace with a team of its own: tests run side by side and see nothing of each other.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::wait::{Condition, await_condition};
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource};
use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team, names};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// No step takes a tenth of it, even on a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace, its team and its profile.
pub struct Stage {
    /// The cluster's administrator.
    pub client: Client,
    /// The namespace, and the name of team and profile.
    pub name: String,
}

impl Stage {
    /// Makes namespace, storage Secret, service account, profile, and a team with `max`.
    pub async fn new(name: &str, max: Value) -> Self {
        let stage = Self::without_team(name).await;
        let spec = json!({"namespaces": [stage.name], "profiles": [stage.name], "max": max});
        stage.create_global::<Team>(json!({"metadata": {"name": stage.name}, "spec": spec})).await;
        stage
    }

    /// As [`Stage::new`], but the namespace belongs to nobody.
    pub async fn without_team(name: &str) -> Self {
        let client = Client::try_default().await.expect("KUBECONFIG leads to the test cluster");
        let stage = Self { client, name: format!("e2e-{name}") };
        stage.make_namespace().await;
        let spec = json!({
            "locations": [{"url": "az://slides/", "access": "ReadOnly"}, {"url": "az://results/", "access": "ReadWrite"}],
            "serviceAccountName": "patches", "storageSecret": {"name": "storage"},
            "images": {"allowed": ["localhost/"]}, "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
        });
        stage.create_global::<PatchProfile>(json!({"metadata": {"name": stage.name}, "spec": spec})).await;
        stage
    }

    /// Makes the namespace, with what a platform admin puts there for its profile.
    pub async fn make_namespace(&self) {
        let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        self.create_global::<Namespace>(json!({"metadata": {"name": self.name, "labels": restricted}})).await;
        self.create::<ServiceAccount>(json!({"metadata": {"name": "patches"}})).await;
        let keys = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT"];
        let data: Value = keys.iter().map(|key| ((*key).to_owned(), Value::from(variable(key)))).collect();
        self.create::<Secret>(json!({"metadata": {"name": "storage"}, "stringData": data})).await;
    }

    /// Deletes the namespace with all that is in it, and waits until it is gone.
    pub async fn delete_namespace(&self) {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        namespaces.delete(&self.name, &DeleteParams::default()).await.expect("the namespace can be deleted");
        let gone = await_condition(namespaces, &self.name, |namespace: Option<&Namespace>| namespace.is_none());
        tokio::time::timeout(PATIENCE, gone).await.expect("the namespace does not go").expect("the watch goes on");
    }

    /// Objects of this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Makes an object of this namespace.
    pub async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Kind,
    {
        let object = serde_json::from_value(object).expect("the test's object is of its kind");
        self.api::<K>().create(&PostParams::default(), &object).await.expect("the apiserver takes the test's object")
    }

    async fn create_global<K>(&self, object: Value) -> K
    where
        K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()> + Kind,
    {
        let object = serde_json::from_value(object).expect("the test's object is of its kind");
        let api = Api::<K>::all(self.client.clone());
        api.create(&PostParams::default(), &object).await.expect("the apiserver takes the test's object")
    }

    /// Waits until an object is as wanted.
    pub async fn until<K>(&self, name: &str, what: &str, condition: impl Condition<K>) -> Option<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Kind + Send + 'static,
    {
        let mut seen = pin!(watch_object(self.api::<K>(), name).default_backoff());
        let waiting = async {
            // A watch that is interrupted goes on by itself: some tests take the apiserver away.
            loop {
                if let Ok(object) = seen.next().await.expect("a watch does not end")
                    && condition.matches_object(object.as_ref())
                {
                    return object;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(object) => object,
            Err(_) => {
                let object = self.api::<K>().get_opt(name).await;
                panic!("{}/{name} is never {what}: {object:#?}", self.name);
            }
        }
    }

    /// Waits until a job is as wanted.
    pub async fn job(&self, name: &str, what: &str, wanted: fn(&PatchJob) -> bool) -> PatchJob {
        let condition = move |job: Option<&PatchJob>| job.is_some_and(wanted);
        self.until(name, what, condition).await.expect("the job is there")
    }

    /// The log of a job's first head.
    pub async fn log(&self, job: &str) -> String {
        let pod = names::head_pod(job, 1);
        self.api::<Pod>().logs(&pod, &LogParams::default()).await.expect("the head's log can be read")
    }

    /// Deletes a job and waits until nothing that was made for it is left.
    pub async fn delete_to_nothing(&self, job: &str) {
        let deleted = self.api::<PatchJob>().delete(job, &DeleteParams::background()).await;
        deleted.expect("the job can be deleted");
        let gone = |object: Option<&PatchJob>| object.is_none();
        self.until::<PatchJob>(job, "gone", gone).await;
        let watch_all = async {
            self.until::<PatchCluster>(job, "gone", |cluster: Option<&PatchCluster>| cluster.is_none()).await;
            let label = format!("{}={job}", names::LABEL_CLUSTER);
            self.all_gone::<Pod>(&label).await;
            self.all_gone::<Deployment>(&label).await;
            self.all_gone::<Service>(&label).await;
            self.all_gone::<Secret>(&label).await;
            self.all_gone::<ConfigMap>(&label).await;
        };
        tokio::time::timeout(PATIENCE, watch_all).await.expect("something is left of a deleted job");
    }

    async fn all_gone<K>(&self, label: &str)
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()> + Kind + Send + 'static,
    {
        let listed = self.api::<K>().list(&ListParams::default().labels(label)).await.expect("objects can be listed");
        for object in listed {
            let name = object.meta().name.clone().unwrap_or_default();
            self.until::<K>(&name, "gone", |object: Option<&K>| object.is_none()).await;
        }
    }
}

/// What kube's generic functions ask of a kind.
pub trait Kind: Clone + std::fmt::Debug + Serialize + DeserializeOwned {}
impl<K: Clone + std::fmt::Debug + Serialize + DeserializeOwned> Kind for K {}

/// A variable that `tests/end-to-end` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/end-to-end"))
}
