//! What becomes of each waiting cluster: pure. The queue decides; this asks it about every one.

use std::collections::BTreeSet;

use microtome_queue::{Action, Explainer, Previous, Reason, Refusal};

use super::observe::Observed;
use super::snapshot::{Cluster, Key, State, queue};

/// A verdict on one waiting cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) key: Key,
    pub(crate) verdict: Verdict,
}

/// What becomes of a waiting cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may start.
    Admit,
    /// It stays in the queue, at this place of its team's; counts from 1.
    Wait { position: usize, reason: Reason },
    /// It can never start.
    Reject(Refusal),
    /// No team holds its namespace.
    NoTeam,
}

/// Decides on every waiting cluster, in the order of the queue.
pub(crate) fn decide(observed: &Observed, clusters: &[Cluster], now: i64) -> Vec<Decision> {
    let mut queue = queue(observed, clusters, now);
    let mut waiting: Vec<&Cluster> = clusters.iter().filter(|cluster| cluster.state == State::Waiting).collect();
    waiting.sort_by_key(|cluster| (cluster.submitted, &cluster.key.uid));
    let refused: Vec<Option<Refusal>> = waiting
        .iter()
        .map(|cluster| {
            let refusal = queue.refusal(&cluster.job());
            if refusal.is_none() {
                queue.submit(cluster.job());
            }
            refusal
        })
        .collect();
    let decisions = microtome_queue::decide(&queue, &Previous::default());
    let starts = decisions.actions.iter().filter_map(|action| match action {
        Action::Start(start) => Some(start.job.clone()),
        _ => None,
    });
    let starts: BTreeSet<String> = starts.collect();
    queue.apply(&decisions);
    let previous = Previous::from(&decisions);
    let mut explainer = Explainer::new(&queue, &previous);
    let verdict = |(cluster, refusal): (&Cluster, Option<Refusal>)| {
        let verdict = match refusal {
            Some(Refusal::NoTeam(_)) => Verdict::NoTeam,
            Some(refusal) => Verdict::Reject(refusal),
            None if starts.contains(&cluster.key.uid) => Verdict::Admit,
            None => {
                let told = explainer.explain(&cluster.key.uid)?;
                Verdict::Wait { position: told.position, reason: told.reason }
            }
        };
        Some(Decision { key: cluster.key.clone(), verdict })
    };
    waiting.into_iter().zip(refused).filter_map(verdict).collect()
}
