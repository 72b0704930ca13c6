//! Events: what happened to an object, where people look first. One a turn of its conditions, with the same word as the
//! condition's reason; nothing is ever decided by an event.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use microtome_api::condition::{ADMITTED, COMPLETE, FAILED, READY, Reason, STALLED};
use microtome_api::names;
use tracing::debug;

use crate::logs;

/// The apiserver takes a kilobyte; a researcher reads the first lines.
const LONGEST_NOTE: usize = 900;
/// Seen, not yet looked at: no news.
const NO_NEWS: [Reason; 1] = [Reason::Pending];

/// Writes events as this operator.
pub(crate) struct Events(Recorder);

impl Events {
    pub(crate) fn new(client: Client, pod: &str) -> Self {
        let reporter = Reporter { controller: names::MANAGER.to_owned(), instance: Some(pod.to_owned()) };
        Self(Recorder::new(client, reporter))
    }

    /// Tells what has turned. An event that cannot be written is no reason to stop.
    pub(crate) async fn tell(&self, about: &ObjectReference, before: &[Condition], after: &[Condition]) {
        for event in turned(before, after) {
            if let Err(error) = self.0.publish(&event, about).await {
                debug!(reason = event.reason, error = logs::chain(&error), "event not written");
            }
        }
    }
}

/// The events between two sets of conditions: pure.
fn turned(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let find = |conditions: &[Condition], kind: &str| conditions.iter().find(|c| c.type_ == kind).cloned();
    let stalled = find(after, STALLED).is_some();
    let mut events: Vec<Event> = Vec::new();
    // `Ready` repeats what the others say: whoever is first tells it.
    for kind in [FAILED, COMPLETE, ADMITTED, READY] {
        let Some(condition) = find(after, kind) else { continue };
        let same = find(before, kind).is_some_and(|c| c.status == condition.status && c.reason == condition.reason);
        let told =
            events.iter().any(|event| event.reason == condition.reason || kind == READY && is_end(&event.reason));
        let no_news = NO_NEWS.iter().any(|reason| reason.as_str() == condition.reason);
        if !same && !told && !no_news {
            events.push(event(condition, stalled));
        }
    }
    events
}

/// After these words `Ready` has nothing to add.
fn is_end(reason: &str) -> bool {
    [Reason::BackoffLimitExceeded, Reason::DeadlineExceeded, Reason::HeadLost, Reason::Failed, Reason::IdleTimeout]
        .iter()
        .any(|end| end.as_str() == reason)
}

fn event(condition: Condition, stalled: bool) -> Event {
    let trouble = [Reason::Retrying, Reason::Evicting, Reason::Evicted, Reason::ProvisioningTimeout];
    let warns = stalled || condition.type_ == FAILED || trouble.iter().any(|word| word.as_str() == condition.reason);
    let note: String = condition.message.chars().take(LONGEST_NOTE).collect();
    Event {
        type_: if warns { EventType::Warning } else { EventType::Normal },
        action: condition.reason.clone(),
        reason: condition.reason,
        note: Some(note).filter(|note| !note.is_empty()),
        secondary: None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use microtome_api::condition;

    use super::*;

    fn conditions(of: &[(&str, bool, Reason)]) -> Vec<Condition> {
        of.iter().map(|&(kind, on, why)| condition::new(kind, Some(on), why, "m", Timestamp::UNIX_EPOCH)).collect()
    }

    fn told(before: &[(&str, bool, Reason)], after: &[(&str, bool, Reason)]) -> Vec<String> {
        let events = turned(&conditions(before), &conditions(after));
        events.iter().map(|event| format!("{:?} {}", event.type_, event.reason)).collect()
    }

    #[test]
    fn each_turn_is_told_once() {
        let queued = [(READY, false, Reason::Queued)];
        assert_eq!(told(&[], &queued), ["Normal Queued"]);
        assert!(told(&queued, &queued).is_empty());
        let admitted = [(ADMITTED, true, Reason::Admitted), (READY, false, Reason::Starting)];
        assert_eq!(told(&queued, &admitted), ["Normal Admitted", "Normal Starting"]);
        assert!(told(&[], &[(READY, false, Reason::Pending)]).is_empty());
    }

    #[test]
    fn what_needs_somebody_is_a_warning() {
        let refused = [(READY, false, Reason::NoTeam), (STALLED, true, Reason::NoTeam)];
        assert_eq!(told(&[], &refused), ["Warning NoTeam"]);
        assert_eq!(told(&[], &[(READY, false, Reason::Retrying)]), ["Warning Retrying"]);
        let failed = [
            (FAILED, true, Reason::BackoffLimitExceeded),
            (READY, false, Reason::Failed),
            (STALLED, true, Reason::Failed),
        ];
        assert_eq!(told(&[], &failed), ["Warning BackoffLimitExceeded"]);
        let complete = [(COMPLETE, true, Reason::Complete), (READY, true, Reason::Complete)];
        assert_eq!(told(&[], &complete), ["Normal Complete"]);
    }
}
