//! The API group `microtome.dev`: its kinds, and the names, labels, conditions and reasons that all parts share.
//!
//! Types only. The crate may use kube's derive, never its client; `crds/` is generated from here (see [`crds`]).

pub mod condition;
pub mod crds;
pub mod kinds;
pub mod mount;
pub mod names;
pub mod quantity;

pub use kinds::cluster::{
    ClusterStatus, HeadSpec, HeadState, PatchCluster, PatchClusterSpec, QueueState, Resources, Short, WorkerSpec,
};
pub use kinds::job::{Checkpoints, DatasetProgress, JobStatus, Package, PatchJob, PatchJobSpec, Progress, Variable};
pub use kinds::profile::{
    Access, HeadCaps, Images, Location, PatchProfile, PatchProfileSpec, PodIdentity, PullSecret, StorageSecret,
    WorkerCaps,
};
pub use kinds::team::{JobLimits, Team, TeamSpec, TeamStatus};
