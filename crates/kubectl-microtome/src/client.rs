//! The way to the apiserver, as the user's kubeconfig says.

use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource};
use microtome_api::{PatchCluster, PatchJob};

use crate::target::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the kubeconfig; `kubectl config view` says which it is")]
    Kubeconfig(#[source] KubeconfigError),
    #[error(
        "neither a kubeconfig nor a service account tells where the cluster is; set KUBECONFIG or give --kubeconfig"
    )]
    Infer(#[source] Box<InferConfigError>),
    #[error("cannot make a client of the cluster")]
    Client(#[source] kube::Error),
}

/// A cluster, and the namespace in it that the user means.
pub(crate) struct Cluster {
    config: Config,
    client: Client,
    /// The namespace.
    pub(crate) namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig. Nothing is sent yet.
    pub(crate) async fn connect(target: &Target) -> Result<Self, Error> {
        // Said here because two libraries would each be ready to bring their own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = configured(target).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        config.default_retry = true;
        if target.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&target.impersonate);
            config.auth_info.impersonate_groups = Some(target.impersonate_groups.clone());
        }
        let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config.clone()).map_err(Error::Client)?;
        Ok(Self { config, client, namespace })
    }

    /// A client for requests that are answered at once.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client for answers that go on for as long as there is something to say, and may be silent for long.
    pub(crate) fn patient(&self) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.read_timeout = None;
        Client::try_from(config).map_err(Error::Client)
    }

    /// Objects of the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// The namespace's jobs.
    pub(crate) fn jobs(&self) -> Api<PatchJob> {
        self.api()
    }

    /// The namespace's clusters.
    pub(crate) fn clusters(&self) -> Api<PatchCluster> {
        self.api()
    }

    /// Objects of the namespace, or of all.
    pub(crate) fn api_of<K>(&self, all_namespaces: bool) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        if all_namespaces { Api::all(self.client()) } else { self.api() }
    }
}

async fn configured(target: &Target) -> Result<Config, Error> {
    let options = KubeConfigOptions {
        context: target.context.clone(),
        cluster: target.cluster.clone(),
        user: target.user.clone(),
    };
    let chosen = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    match &target.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(Error::Kubeconfig)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(Error::Kubeconfig)
        }
        None if chosen => Config::from_kubeconfig(&options).await.map_err(Error::Kubeconfig),
        None => Config::infer().await.map_err(|error| Error::Infer(Box::new(error))),
    }
}
