//! Why something waits for its quota, and for how long: read from its conditions. Pure.
//!
//! The operator tells it in the message of `Ready`, clause by clause (its `admission::status`). A clause that is not known here
//! stays part of the reason, so that nothing that was said is lost.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use microtome_api::condition::{READY, Reason};
use microtome_api::quantity::Quantity;

/// What is known of something that waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Waiting {
    /// The first constraint that fails, in words.
    pub(crate) why: String,
    /// Its position in the team's queue; told of the first ones only.
    pub(crate) position: Option<u32>,
    /// Its reservation: it starts then at the latest.
    pub(crate) starts: Option<Timestamp>,
    /// The same constraint in numbers, where it is an amount.
    pub(crate) short: Option<Short>,
}

/// An amount of which there is too little.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Short {
    /// The resource.
    pub(crate) resource: String,
    /// How much is missing, in thousandths.
    pub(crate) milli: i128,
}

/// Reads the conditions; nothing if it does not wait for quota.
pub(crate) fn waiting(conditions: &[Condition]) -> Option<Waiting> {
    let ready = conditions.iter().find(|condition| condition.type_ == READY)?;
    if ready.reason != Reason::Queued.as_str() {
        return None;
    }
    let mut waiting = Waiting::default();
    let mut rest = Vec::new();
    for clause in ready.message.split("; ") {
        if let Some(position) = position(clause) {
            waiting.position = Some(position);
        } else if let Some(starts) = starts(clause) {
            waiting.starts = Some(starts);
        } else {
            rest.push(clause);
        }
    }
    waiting.why = rest.join("; ");
    waiting.short = short(&waiting.why);
    Some(waiting)
}

fn position(clause: &str) -> Option<u32> {
    clause.strip_prefix("position ")?.strip_suffix(" in the team's queue")?.parse().ok()
}

fn starts(clause: &str) -> Option<Timestamp> {
    let time = clause.strip_prefix("starts at ")?.strip_suffix(" UTC at the latest")?;
    let time = DateTime::strptime("%Y-%m-%d %H:%M", time).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// `team T uses 8 of its max 8 R, and this wants 2`, or `3 R free on all nodes, and this wants 4`.
fn short(why: &str) -> Option<Short> {
    let (there, wanted) = why.split_once(", and this wants ")?;
    let (resource, missing) = if let Some((_, of_max)) = there.split_once(" uses ") {
        let (used, rest) = of_max.split_once(" of its max ")?;
        let (max, resource) = rest.split_once(' ')?;
        (resource, milli(used)? + milli(wanted)? - milli(max)?)
    } else {
        let (free, resource) = there.strip_suffix(" free on all nodes")?.split_once(' ')?;
        (resource, milli(wanted)? - milli(free)?)
    };
    (missing > 0).then(|| Short { resource: resource.to_owned(), milli: missing })
}

fn milli(text: &str) -> Option<i128> {
    Quantity(text.to_owned()).milli().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn told(reason: &str, message: &str) -> Option<Waiting> {
        let (type_, status) = (READY.to_owned(), "False".to_owned());
        waiting(&[Condition {
            type_,
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        }])
    }

    #[test]
    fn what_the_operator_says_is_read_clause_by_clause() {
        let why = "team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2";
        let message = format!("{why}; position 2 in the team's queue; starts at 2026-03-02 15:40 UTC at the latest");
        let wanted = Waiting {
            why: why.to_owned(),
            position: Some(2),
            starts: Some("2026-03-02T15:40:00Z".parse().unwrap()),
            short: Some(Short { resource: "nvidia.com/gpu".to_owned(), milli: 2000 }),
        };
        assert_eq!(told("Queued", &message), Some(wanted));
        let nodes =
            told("Queued", "500m cpu free on all nodes, and this wants 2; position 1 in the team's queue").unwrap();
        assert_eq!(nodes.short, Some(Short { resource: "cpu".to_owned(), milli: 1500 }));
    }

    #[test]
    fn what_is_not_known_stays_in_the_reason() {
        let behind =
            "it would delay x/a, which is to start at 2026-03-02 15:40 UTC; behind 10 or more in the team's queue";
        assert_eq!(told("Queued", behind), Some(Waiting { why: behind.to_owned(), ..Waiting::default() }));
        let line = "first came first on PatchCluster bench";
        assert_eq!(told("Queued", line).unwrap().why, line);
        assert_eq!(told("Running", "2 of 2 workers ready"), None);
    }
}
