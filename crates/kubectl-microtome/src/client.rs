//! The way to the apiserver, as the user's kubeconfig says, and errors in the user's words.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::settings::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the kubeconfig")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    #[error("neither a kubeconfig nor a service account tells where the cluster is")]
    Infer(#[source] kube::config::InferConfigError),
    #[error("cannot make a client of the cluster")]
    Client(#[source] kube::Error),
    #[error("patchjob {name:?} not found in namespace {namespace:?}")]
    NoJob { name: String, namespace: String },
    #[error("the cluster does not know patchjobs: is Microtome installed?")]
    NotInstalled,
    #[error("you have no right to {verb} patchjobs in namespace {namespace:?}")]
    NoRight { verb: &'static str, namespace: String },
    #[error("cannot {verb} patchjobs in namespace {namespace:?}: {message}")]
    Refused { verb: &'static str, namespace: String, message: String },
    #[error("cannot {verb} patchjobs in namespace {namespace:?}")]
    Unreachable { verb: &'static str, namespace: String, source: Box<kube::Error> },
}

/// A client, and the namespace that the user means.
pub(crate) async fn connect(target: &Target) -> Result<(Client, String), Error> {
    // Said here because two libraries would each be ready to bring their own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = KubeConfigOptions { context: target.context.clone(), ..KubeConfigOptions::default() };
    let mut config = match &target.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(Error::Kubeconfig)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(Error::Kubeconfig)?
        }
        None if target.context.is_some() => Config::from_kubeconfig(&options).await.map_err(Error::Kubeconfig)?,
        None => Config::infer().await.map_err(Error::Infer)?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.default_retry = true;
    let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    Ok((Client::try_from(config).map_err(Error::Client)?, namespace))
}

/// What the apiserver's refusal means to the user; `name` is the job that was asked for.
pub(crate) fn explain(error: kube::Error, verb: &'static str, namespace: &str, name: Option<&str>) -> Error {
    let namespace = namespace.to_owned();
    match (&error, name) {
        (kube::Error::Api(status), _) if status.is_forbidden() => Error::NoRight { verb, namespace },
        // A missing object is named in the details; a missing kind is not.
        (kube::Error::Api(status), Some(name)) if status.is_not_found() && names_an_object(status) => {
            Error::NoJob { name: name.to_owned(), namespace }
        }
        (kube::Error::Api(status), _) if status.is_not_found() => Error::NotInstalled,
        (kube::Error::Api(status), _) => Error::Refused { verb, namespace, message: status.message.clone() },
        _ => Error::Unreachable { verb, namespace, source: Box::new(error) },
    }
}

fn names_an_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    use super::*;

    fn said(reason: &str, code: u16, named: &str) -> String {
        let details = StatusDetails {
            name: named.to_owned(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        let status = Status::failure("", reason).with_code(code).with_details(details);
        explain(kube::Error::Api(status.boxed()), "get", "x", Some("a")).to_string()
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(said("NotFound", 404, "a"), "patchjob \"a\" not found in namespace \"x\"");
        assert_eq!(said("NotFound", 404, ""), "the cluster does not know patchjobs: is Microtome installed?");
        assert_eq!(said("Forbidden", 403, "a"), "you have no right to get patchjobs in namespace \"x\"");
    }
}
