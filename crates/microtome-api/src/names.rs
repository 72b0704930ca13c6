//! Names and labels of everything that the operator makes. Deterministic: two operators make the same object, not two.

/// The API group.
pub const GROUP: &str = "microtome.dev";
/// The operator's name where Kubernetes asks who manages a field or an object.
pub const MANAGER: &str = "microtome-operator";

/// The PatchCluster that an object belongs to.
pub const LABEL_CLUSTER: &str = "microtome.dev/cluster";
/// The uid of that PatchCluster: tells its pods from those of an earlier one of the same name.
pub const LABEL_UID: &str = "microtome.dev/cluster-uid";
/// What an object is in its cluster: [`ROLE_HEAD`] or [`ROLE_WORKER`].
pub const LABEL_ROLE: &str = "microtome.dev/role";
/// The attempt that a head pod is.
pub const LABEL_ATTEMPT: &str = "microtome.dev/attempt";
/// [`LABEL_ROLE`] of a head.
pub const ROLE_HEAD: &str = "head";
/// [`LABEL_ROLE`] of a worker.
pub const ROLE_WORKER: &str = "worker";

/// The longest name of a job or cluster: room for the longest suffix below inside the 63 characters of a DNS label.
pub const MAX_NAME: usize = 52;

/// The port on which a head takes its workers' streams.
pub const FEED_PORT: u16 = 7300;
/// The port on which the operator takes the heads' streams.
pub const CONTROL_PORT: u16 = 7400;
/// The audience of the token with which a head shows who it is.
pub const TOKEN_AUDIENCE: &str = "microtome";

/// The head pod of an attempt.
pub fn head_pod(cluster: &str, attempt: i32) -> String {
    format!("{cluster}-head-{attempt}")
}

/// The headless service through which workers find the head.
pub fn head_service(cluster: &str) -> String {
    format!("{cluster}-head")
}

/// The head's DNS name, which its certificate carries.
pub fn head_host(cluster: &str, namespace: &str) -> String {
    format!("{}.{namespace}.svc", head_service(cluster))
}

/// The worker Deployment.
pub fn worker_deployment(cluster: &str) -> String {
    format!("{cluster}-worker")
}

/// The Secret with the certificates of an attempt's head and its workers.
pub fn certificates(cluster: &str, attempt: i32) -> String {
    format!("{cluster}-tls-{attempt}")
}

/// The NetworkPolicy of a cluster's heads or workers.
pub fn network_policy(cluster: &str, role: &str) -> String {
    format!("{cluster}-{role}")
}

/// The ConfigMap from which the head reads what to do.
pub fn work_order(cluster: &str) -> String {
    format!("{cluster}-job")
}
