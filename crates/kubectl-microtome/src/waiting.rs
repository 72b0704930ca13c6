//! Why something waits, and for how long: read from its status. Pure.
//!
//! What waits for its team's quota has a place in a queue, and all of it stands there. What waits for something else (its pods
//! found no node, others came first on a standing cluster) has none: then the condition's message is the reason, as a whole.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use microtome_api::condition::Reason;
use microtome_api::{PatchCluster, PatchJob, QueueState, Short};

use crate::text;

/// What is known of something that waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Waiting {
    /// The first thing in its way, in words.
    pub(crate) why: String,
    /// For people: `2/14`, or `>10`.
    pub(crate) place: Option<String>,
    /// Its position in the team's queue; told of the first ones only.
    pub(crate) position: Option<u32>,
    /// How many of the team wait.
    pub(crate) of: Option<u32>,
    /// About when it starts.
    pub(crate) starts_at: Option<Timestamp>,
    /// Its place is reserved: it starts then at the latest.
    pub(crate) reserved_at: Option<Timestamp>,
    /// What is missing, where it is an amount.
    pub(crate) short: Option<Short>,
}

/// Of a job; nothing if it does not wait.
pub(crate) fn of_job(job: &PatchJob) -> Option<Waiting> {
    let status = job.status.as_ref()?;
    waiting(&status.conditions, status.queue.as_ref())
}

/// Of a cluster; nothing if it does not wait.
pub(crate) fn of_cluster(cluster: &PatchCluster) -> Option<Waiting> {
    let status = cluster.status.as_ref()?;
    waiting(&status.conditions, status.queue.as_ref())
}

fn waiting(conditions: &[Condition], place: Option<&QueueState>) -> Option<Waiting> {
    let ready = text::ready(conditions).filter(|ready| ready.reason == Reason::Queued.as_str())?;
    // An operator before this one said the reason in the condition alone.
    let Some(place) = place.filter(|place| !place.message.is_empty()) else {
        return Some(Waiting { why: ready.message.clone(), ..Waiting::default() });
    };
    let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let time = |time: Option<&Time>| time.map(|time| time.0);
    Some(Waiting {
        why: place.message.clone(),
        place: Some(place.summary.clone()),
        position: count(place.position),
        of: count(place.of),
        starts_at: time(place.starts_at.as_ref()),
        reserved_at: time(place.reserved_at.as_ref()),
        short: place.short.clone(),
    })
}

#[cfg(test)]
mod tests {
    use microtome_api::quantity::Quantity;
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{TEAM_MAX, condition, job, place, waits};

    #[test]
    fn all_of_a_place_is_read() {
        let mut reserved = place(TEAM_MAX, 2);
        reserved["reservedAt"] = json!("2026-03-02T16:05:00Z");
        let wanted = Waiting {
            why: TEAM_MAX.to_owned(),
            place: Some("2/14".to_owned()),
            position: Some(2),
            of: Some(14),
            starts_at: Some("2026-03-02T15:40:00Z".parse().unwrap()),
            reserved_at: Some("2026-03-02T16:05:00Z".parse().unwrap()),
            short: Some(Short { resource: "nvidia.com/gpu".to_owned(), amount: Quantity("2".to_owned()) }),
        };
        assert_eq!(of_job(&waits(&reserved)), Some(wanted));
    }

    #[test]
    fn without_a_place_the_conditions_message_is_the_reason_as_a_whole() {
        for why in [
            "its pods found no node; it asks again at 2026-03-02 15:40 UTC",
            "a came first on PatchCluster bench",
            "waits for admission",
        ] {
            let job = job(&json!({"conditions": [condition("Queued", "False", why)]}));
            assert_eq!(of_job(&job), Some(Waiting { why: why.to_owned(), ..Waiting::default() }));
        }
        let mut old = waits(&place("", 2));
        old.status.as_mut().unwrap().conditions[0].message = "a; position 2 in the team's queue".to_owned();
        let wanted = Waiting { why: "a; position 2 in the team's queue".to_owned(), ..Waiting::default() };
        assert_eq!(of_job(&old), Some(wanted), "it is from before there were words in a place");
    }

    #[test]
    fn what_does_not_wait_has_no_reason_to() {
        let mut started = waits(&place(TEAM_MAX, 2));
        started.status.as_mut().unwrap().conditions[0].reason = "Starting".to_owned();
        assert_eq!(of_job(&started), None, "its place is about to go");
        assert_eq!(of_job(&PatchJob { status: None, ..started }), None);
    }
}
