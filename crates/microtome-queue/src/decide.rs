//! First come, first served inside each team's max; a gang starts whole or not at all.

use std::collections::BTreeMap;

use crate::{Amounts, Cluster, Decision, Key, Previous, Shortage, Snapshot, State, Verdict, Waiting};

/// Decides on every waiting cluster, in the order of the queue.
pub fn decide(snapshot: &Snapshot, _previous: &Previous) -> Vec<Decision> {
    let mut queues: BTreeMap<&str, Queue<'_>> =
        snapshot.teams.iter().map(|(name, team)| (name.as_str(), Queue::new(&team.max))).collect();
    let mut waiting = Vec::new();
    for cluster in &snapshot.clusters {
        match (&cluster.state, queues.get_mut(cluster.team.as_str())) {
            (State::Admitted { charged }, Some(queue)) => queue.charge(charged),
            (State::Admitted { .. }, None) => {}
            (State::Waiting, _) => waiting.push(cluster),
        }
    }
    waiting.sort_by_key(|cluster| cluster.order());
    waiting
        .into_iter()
        .map(|cluster| {
            let verdict = queues.get_mut(cluster.team.as_str()).map_or(Verdict::NoTeam, |queue| queue.judge(cluster));
            Decision { key: cluster.key.clone(), verdict }
        })
        .collect()
}

/// One team during a pass.
struct Queue<'a> {
    max: &'a Amounts,
    used: Amounts,
    /// The first cluster that has to wait: nobody behind it starts before it.
    first: Option<Key>,
    /// How many wait.
    length: usize,
}

impl<'a> Queue<'a> {
    fn new(max: &'a Amounts) -> Self {
        Self { max, used: Amounts::new(), first: None, length: 0 }
    }

    fn charge(&mut self, amounts: &Amounts) {
        for (resource, amount) in amounts {
            *self.used.entry(resource.clone()).or_default() += amount;
        }
    }

    fn judge(&mut self, cluster: &Cluster) -> Verdict {
        if let Some(shortage) = shortage(self.max, &Amounts::new(), &cluster.wants) {
            // It would block the queue for ever.
            return Verdict::Reject(shortage);
        }
        let reason = match (shortage(self.max, &self.used, &cluster.wants), &self.first) {
            (Some(shortage), _) => Waiting::Short(shortage),
            (None, Some(first)) => Waiting::Behind(first.clone()),
            (None, None) => {
                self.charge(&cluster.wants);
                return Verdict::Admit;
            }
        };
        self.first.get_or_insert_with(|| cluster.key.clone());
        self.length += 1;
        Verdict::Wait { position: self.length, reason }
    }
}

/// The first resource, by name, of which too little is left.
fn shortage(max: &Amounts, used: &Amounts, wants: &Amounts) -> Option<Shortage> {
    wants.iter().find_map(|(resource, &wanted)| {
        let &max = max.get(resource)?;
        let used = used.get(resource).copied().unwrap_or_default();
        // Nothing of a resource always fits, even where a lowered max is already exceeded.
        (wanted > 0 && used + wanted > max).then(|| Shortage { resource: resource.clone(), used, max, wanted })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Team;

    fn amounts(gpus: i128) -> Amounts {
        Amounts::from([("gpu".to_owned(), gpus)])
    }

    fn cluster(name: &str, submitted: i64, gpus: i128, admitted: bool) -> Cluster {
        let state = if admitted { State::Admitted { charged: amounts(gpus) } } else { State::Waiting };
        Cluster {
            key: Key { namespace: "n".into(), name: name.into(), uid: name.into() },
            team: "t".into(),
            submitted,
            wants: amounts(gpus),
            state,
        }
    }

    fn verdicts(clusters: Vec<Cluster>) -> Vec<(String, Verdict)> {
        let teams = BTreeMap::from([("t".to_owned(), Team { max: amounts(4) })]);
        let decisions = decide(&Snapshot { teams, clusters }, &Previous::default());
        decisions.into_iter().map(|decision| (decision.key.name, decision.verdict)).collect()
    }

    #[test]
    fn the_first_that_does_not_fit_blocks_the_rest_of_its_team() {
        let all = verdicts(vec![cluster("c", 3, 1, false), cluster("b", 2, 3, false), cluster("a", 1, 2, true)]);
        let short = Shortage { resource: "gpu".into(), used: 2, max: 4, wanted: 3 };
        assert_eq!(short.short_by(), 1);
        assert_eq!(all[0], ("b".into(), Verdict::Wait { position: 1, reason: Waiting::Short(short) }));
        let first = cluster("b", 2, 3, false).key;
        assert_eq!(all[1], ("c".into(), Verdict::Wait { position: 2, reason: Waiting::Behind(first) }));
    }

    #[test]
    fn what_can_never_fit_is_refused_and_blocks_nobody() {
        let all = verdicts(vec![cluster("huge", 1, 5, false), cluster("b", 2, 4, false)]);
        assert!(matches!(all[0].1, Verdict::Reject(_)));
        assert_eq!(all[1].1, Verdict::Admit);
    }

    #[test]
    fn a_team_that_is_not_there_starts_nothing() {
        let mut stray = cluster("stray", 1, 1, false);
        stray.team = "other".into();
        assert_eq!(verdicts(vec![stray])[0].1, Verdict::NoTeam);
    }

    #[test]
    fn the_uid_settles_ties() {
        let all = verdicts(vec![cluster("b", 1, 3, false), cluster("a", 1, 3, false)]);
        assert_eq!((all[0].0.as_str(), &all[0].1), ("a", &Verdict::Admit));
    }
}
