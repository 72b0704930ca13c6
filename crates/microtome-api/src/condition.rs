//! Condition types and reasons, and how a condition is set. One table for operator, plugin and tests.
//!
//! | state | Ready | Stalled |
//! |---|---|---|
//! | first seen | Unknown `Pending` | – |
//! | no team, invalid name or dataset, profile, image or location not allowed, above the team's max | False, the error's reason | True, the same |
//! | waits for quota | False `Queued` | – |
//! | admitted, pods not yet running | False `Starting` | – |
//! | program runs | True `Running` | – |
//! | a head ended, another follows | False `Retrying` | – |
//! | suspended, pods not yet gone | False `Suspending` | – |
//! | suspended | False `Suspended` | – |
//! | quota taken back, pods not yet gone | False `Evicting` | – |
//! | waits for its turn on a standing cluster | False `Queued` | – |
//! | standing cluster, head runs | True `Running` | – |
//! | ended, exit code 0 | True `Complete` | – |
//! | ended otherwise | False `Failed` | True, why |
//!
//! `Failed` is `True` with why: `BackoffLimitExceeded`, `DeadlineExceeded`, `StorageDenied`, `HeadLost`. `Evicted` is `True`
//! from the moment at which quota was taken back until the object is admitted again. `IngestBound` is `True` while the program
//! waits for patches and more workers are not the answer: `Storage`, `HeadNetwork`, `HeadCPU`, `Quota`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The object is as asked for (kstatus).
pub const READY: &str = "Ready";
/// Nothing will change by itself (kstatus).
pub const STALLED: &str = "Stalled";
/// The cluster may use its team's quota.
pub const ADMITTED: &str = "Admitted";
/// Its quota was taken back; it waits again, or its pods are going.
pub const EVICTED: &str = "Evicted";
/// The program waits for patches, and what limits them is not the number of workers.
pub const INGEST_BOUND: &str = "IngestBound";
/// The job ended well (as batch/v1 says it).
pub const COMPLETE: &str = "Complete";
/// The job ended badly (as batch/v1 says it).
pub const FAILED: &str = "Failed";

/// Why a condition is what it is: the stable words of conditions, events and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Seen, not yet decided.
    Pending,
    /// No team holds the namespace.
    NoTeam,
    /// Two teams claim a namespace, or an object of that name is somebody else's.
    Conflict,
    /// A Team is in order.
    Ready,
    /// A name from which no valid names of pods and services can be made.
    InvalidName,
    /// A PatchCluster that no PatchJob owns.
    NoJob,
    /// There is no such profile, or the team may not use it.
    ProfileNotAllowed,
    /// A URL lies outside the profile's locations.
    LocationNotAllowed,
    /// An image that the profile does not allow.
    ImageNotAllowed,
    /// A dataset that cannot be carried out.
    InvalidDataset,
    /// The team's max would be exceeded.
    Queued,
    /// It can never fit into the team's max.
    ExceedsTeamMax,
    /// May use its quota.
    Admitted,
    /// Pods are being started.
    Starting,
    /// The program runs.
    Running,
    /// Ended with exit code 0.
    Complete,
    /// Ended otherwise.
    Failed,
    /// The head's pod vanished.
    HeadLost,
    /// The head ran longer than it may.
    DeadlineExceeded,
    /// It asks for more than the profile allows.
    ExceedsProfile,
    /// The profile names what there is not.
    InvalidProfile,
    /// The Team cannot be carried out as it is written.
    InvalidTeam,
    /// Its pods are going because it is suspended.
    Suspending,
    /// It is suspended and holds nothing.
    Suspended,
    /// Its pods are going because its quota was taken back.
    Evicting,
    /// Its quota was taken back.
    Evicted,
    /// Its pods found no node in time.
    ProvisioningTimeout,
    /// A head ended; the next attempt follows.
    Retrying,
    /// The program failed more often than it may.
    BackoffLimitExceeded,
    /// A standing cluster had no job for as long as it may.
    IdleTimeout,
    /// There is no such standing PatchCluster, or it has ended.
    NoCluster,
    /// The storage said 403.
    StorageDenied,
    /// Storage gives no more.
    Storage,
    /// The head's network takes no more.
    HeadNetwork,
    /// The head itself takes no more.
    HeadCPU,
    /// The team's quota, or the nodes, allow no more workers.
    Quota,
}

impl Reason {
    /// The word as it stands in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::NoTeam => "NoTeam",
            Self::Conflict => "Conflict",
            Self::Ready => "Ready",
            Self::InvalidName => "InvalidName",
            Self::NoJob => "NoJob",
            Self::ProfileNotAllowed => "ProfileNotAllowed",
            Self::LocationNotAllowed => "LocationNotAllowed",
            Self::ImageNotAllowed => "ImageNotAllowed",
            Self::InvalidDataset => "InvalidDataset",
            Self::Queued => "Queued",
            Self::ExceedsTeamMax => "ExceedsTeamMax",
            Self::Admitted => "Admitted",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::HeadLost => "HeadLost",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::ExceedsProfile => "ExceedsProfile",
            Self::InvalidProfile => "InvalidProfile",
            Self::InvalidTeam => "InvalidTeam",
            Self::Suspending => "Suspending",
            Self::Suspended => "Suspended",
            Self::Evicting => "Evicting",
            Self::Evicted => "Evicted",
            Self::ProvisioningTimeout => "ProvisioningTimeout",
            Self::Retrying => "Retrying",
            Self::BackoffLimitExceeded => "BackoffLimitExceeded",
            Self::IdleTimeout => "IdleTimeout",
            Self::NoCluster => "NoCluster",
            Self::StorageDenied => "StorageDenied",
            Self::Storage => "Storage",
            Self::HeadNetwork => "HeadNetwork",
            Self::HeadCPU => "HeadCPU",
            Self::Quota => "Quota",
        }
    }
}

/// Sets a condition; the transition time moves only where the status does, so equal states are equal objects.
pub fn set(conditions: &mut Vec<Condition>, wanted: Condition) {
    match conditions.iter_mut().find(|condition| condition.type_ == wanted.type_) {
        Some(present) if present.status == wanted.status => {
            *present = Condition { last_transition_time: present.last_transition_time.clone(), ..wanted };
        }
        Some(present) => *present = wanted,
        None => conditions.push(wanted),
    }
}

/// A condition that changed now. `status`: `None` is `Unknown`.
pub fn new(kind: &str, status: Option<bool>, reason: Reason, message: impl Into<String>, now: Timestamp) -> Condition {
    let status = match status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: message.into(),
        last_transition_time: Time(now),
        observed_generation: None,
    }
}

/// Whether what they speak of is over, well or badly.
pub fn has_ended(conditions: &[Condition]) -> bool {
    is_true(conditions, COMPLETE) || is_true(conditions, FAILED)
}

/// Whether a condition is there and `True`.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let mut conditions = vec![new(READY, Some(false), Reason::Queued, "1st", early)];
        set(&mut conditions, new(READY, Some(false), Reason::Starting, "", late));
        assert_eq!((conditions[0].reason.as_str(), &conditions[0].last_transition_time.0), ("Starting", &early));
        set(&mut conditions, new(READY, Some(true), Reason::Running, "", late));
        assert_eq!(conditions[0].last_transition_time.0, late);
        assert!(is_true(&conditions, READY) && conditions.len() == 1);
    }
}
