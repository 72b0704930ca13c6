//! Who a head is: from its token to its cluster and job. Every step is checked, none is taken from what the head says.

use std::fmt;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use microtome_api::{PatchCluster, PatchJob, names};

use super::hub::Job;
use crate::context::Context;
use crate::scale::board::Cluster;
use crate::write;

/// Where the apiserver says which pod a token is bound to.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A head whose token was checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) cluster: Cluster,
    pub(crate) head: Head,
}

/// For whom a head may speak.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Head {
    /// An attempt at one job.
    Of { job: Job, attempt: i32 },
    /// That of a cluster without a job of its own: for the job that it was told to run.
    Standing,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of { job, attempt } => write!(f, "attempt {attempt} at {}", job.name),
            Self::Standing => f.write_str("standing"),
        }
    }
}

/// Why a head is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no bearer token in the authorization metadata")]
    NoToken,
    #[error("cannot have the token reviewed")]
    Review(#[source] Box<kube::Error>),
    #[error("the token is not valid for audience {audience:?}: {reason}", audience = names::TOKEN_AUDIENCE)]
    Invalid { reason: String },
    #[error("the token is bound to no pod")]
    Unbound,
    #[error("pod {0} is no head of a job that runs")]
    NoHead(String),
}

impl Error {
    /// The class of the error, shared by logs and metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::NoToken | Self::Invalid { .. } => "Unauthenticated",
            Self::Review(_) => "Unreachable",
            Self::Unbound | Self::NoHead(_) => "NotAllowed",
        }
    }
}

/// The pod that a token is bound to.
#[derive(Debug, PartialEq)]
struct BoundPod {
    namespace: String,
    name: String,
    uid: String,
}

/// Finds out who sent `token`.
pub(crate) async fn identify(token: &str, context: &Context) -> Result<Identity, Error> {
    let spec =
        TokenReviewSpec { token: Some(token.to_owned()), audiences: Some(vec![names::TOKEN_AUDIENCE.to_owned()]) };
    let review = TokenReview { spec, ..TokenReview::default() };
    let api: Api<TokenReview> = Api::all(context.client.clone());
    let reviewed =
        api.create(&PostParams::default(), &review).await.map_err(|source| Error::Review(Box::new(source)))?;
    let pod = bound_pod(&reviewed.status.unwrap_or_default())?;
    identity_of(&pod, context).ok_or(Error::NoHead(pod.name))
}

/// Reads a review: pure.
fn bound_pod(status: &TokenReviewStatus) -> Result<BoundPod, Error> {
    let ours = status.audiences.iter().flatten().any(|audience| audience == names::TOKEN_AUDIENCE);
    if status.authenticated != Some(true) || !ours {
        let reason = status.error.clone().unwrap_or_else(|| "not authenticated".to_owned());
        return Err(Error::Invalid { reason });
    }
    let user = status.user.clone().unwrap_or_default();
    let account = user.username.unwrap_or_default();
    let namespace = account.strip_prefix(ACCOUNT_PREFIX).and_then(|account| account.split(':').next());
    let extra = user.extra.unwrap_or_default();
    let only = |key: &str| extra.get(key).and_then(|values| values.first()).cloned().ok_or(Error::Unbound);
    let namespace = namespace.ok_or(Error::Unbound)?.to_owned();
    Ok(BoundPod { namespace, name: only(POD_NAME)?, uid: only(POD_UID)? })
}

/// From the pod over its cluster to the job that owns it, if there is one, by uids.
fn identity_of(bound: &BoundPod, context: &Context) -> Option<Identity> {
    let pod =
        context.world.pods.get(&bound.namespace, &bound.name).filter(|pod| pod.uid().as_ref() == Some(&bound.uid))?;
    let label = |key: &str| pod.labels().get(key).map(String::as_str);
    if label(names::LABEL_ROLE) != Some(names::ROLE_HEAD) {
        return None;
    }
    let attempt: i32 = label(names::LABEL_ATTEMPT)?.parse().ok()?;
    let cluster = context.world.clusters.get(&bound.namespace, label(names::LABEL_CLUSTER)?)?;
    // A head whose node came back after the next attempt was made has nothing to say any more.
    let newest = cluster.status.as_ref().and_then(|status| status.head.as_ref()).map_or(0, |head| head.attempt);
    if attempt < newest {
        return None;
    }
    let is_its_head =
        write::owner_uid(&pod) == cluster.uid() && pod.name_any() == names::head_pod(&cluster.name_any(), attempt);
    if !is_its_head {
        return None;
    }
    let job = context.world.jobs.get(&bound.namespace, &cluster.name_any());
    let head = head_of(&cluster, job.as_ref(), attempt)?;
    let cluster = Cluster { namespace: bound.namespace.clone(), name: cluster.name_any(), uid: cluster.uid()? };
    Some(Identity { cluster, head })
}

/// For whom the head of a cluster speaks: pure. `job` is the one of the cluster's name.
fn head_of(cluster: &PatchCluster, job: Option<&PatchJob>, attempt: i32) -> Option<Head> {
    let Some(owner) = write::owner_uid(cluster) else { return Some(Head::Standing) };
    let job = job.filter(|job| job.uid().as_ref() == Some(&owner))?;
    let job = Job { namespace: cluster.namespace()?, name: job.name_any(), uid: owner };
    Some(Head::Of { job, attempt })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::fixtures;

    fn read(status: Value) -> Result<BoundPod, String> {
        bound_pod(&serde_json::from_value(status).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_head_speaks_for_the_job_that_owns_its_cluster_or_stands() {
        let (mut cluster, owner) = (fixtures::cluster(), fixtures::resolved().job.unwrap());
        let job = Job { namespace: "x".into(), name: owner.name_any(), uid: "job-uid".into() };
        assert_eq!(head_of(&cluster, Some(&owner), 2), Some(Head::Of { job, attempt: 2 }));
        assert_eq!(head_of(&cluster, None, 2), None, "its job is gone");
        let mut another = owner.clone();
        another.metadata.uid = Some("later-uid".into());
        assert_eq!(head_of(&cluster, Some(&another), 2), None, "a later job of the same name");
        cluster.metadata.owner_references = None;
        assert_eq!(head_of(&cluster, Some(&owner), 1), Some(Head::Standing), "a name is no owner");
    }

    #[test]
    fn only_a_bound_token_for_us_names_a_pod() {
        let user = json!({"username": "system:serviceaccount:x:default", "extra": {
            "authentication.kubernetes.io/pod-name": ["a-head-1"], "authentication.kubernetes.io/pod-uid": ["u"]}});
        let pod = read(json!({"authenticated": true, "audiences": ["microtome"], "user": user})).unwrap();
        assert_eq!(pod, BoundPod { namespace: "x".into(), name: "a-head-1".into(), uid: "u".into() });
        let other = read(json!({"authenticated": true, "audiences": ["other"], "user": user}));
        assert_eq!(other.unwrap_err(), "the token is not valid for audience \"microtome\": not authenticated");
        let expired = read(json!({"authenticated": false, "error": "expired"}));
        assert_eq!(expired.unwrap_err(), "the token is not valid for audience \"microtome\": expired");
        let unbound = json!({"username": "system:serviceaccount:x:default"});
        assert_eq!(
            read(json!({"authenticated": true, "audiences": ["microtome"], "user": unbound})).unwrap_err(),
            "the token is bound to no pod"
        );
    }
}
