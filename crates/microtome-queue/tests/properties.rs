//! What must hold for every snapshot.

use std::collections::BTreeMap;

use microtome_queue::{Amounts, Cluster, Key, Previous, Snapshot, State, Team, Verdict, Waiting, decide};
use proptest::prelude::*;

const RESOURCES: [&str; 2] = ["cpu", "gpu"];

fn amounts(most: i128) -> impl Strategy<Value = Amounts> {
    proptest::collection::btree_map(proptest::sample::select(&RESOURCES[..]).prop_map(str::to_owned), 0..=most, 0..=2)
}

fn cluster() -> impl Strategy<Value = Cluster> {
    (0..3_usize, 0..6_i64, amounts(6), any::<bool>()).prop_map(|(team, submitted, wants, admitted)| Cluster {
        key: Key { namespace: "n".into(), name: String::new(), uid: String::new() },
        team: format!("t{team}"),
        submitted,
        state: if admitted { State::Admitted { charged: wants.clone() } } else { State::Waiting },
        wants,
    })
}

prop_compose! {
    fn snapshot()(maxes in proptest::collection::vec(amounts(8), 2), clusters in proptest::collection::vec(cluster(), 0..16))
        -> Snapshot {
        let teams = maxes.into_iter().enumerate().map(|(i, max)| (format!("t{i}"), Team { max })).collect();
        let clusters = clusters.into_iter().enumerate().map(|(i, cluster)| {
            Cluster { key: Key { namespace: "n".into(), name: format!("c{i}"), uid: format!("{i:02}") }, ..cluster }
        });
        Snapshot { teams, clusters: clusters.collect() }
    }
}

fn used(snapshot: &Snapshot, team: &str) -> Amounts {
    let mut sum = Amounts::new();
    for cluster in snapshot.clusters.iter().filter(|cluster| cluster.team == team) {
        if let State::Admitted { charged } = &cluster.state {
            for (resource, amount) in charged {
                *sum.entry(resource.clone()).or_default() += amount;
            }
        }
    }
    sum
}

/// The snapshot after its decisions were carried out.
fn carried_out(snapshot: &Snapshot) -> Snapshot {
    let admitted: Vec<Key> = decide(snapshot, &Previous::default())
        .into_iter()
        .filter(|decision| decision.verdict == Verdict::Admit)
        .map(|decision| decision.key)
        .collect();
    let mut after = snapshot.clone();
    for cluster in &mut after.clusters {
        if admitted.contains(&cluster.key) {
            cluster.state = State::Admitted { charged: cluster.wants.clone() };
        }
    }
    after
}

proptest! {
    #[test]
    fn nothing_is_admitted_above_max(snapshot in snapshot()) {
        let after = carried_out(&snapshot);
        for (name, team) in &snapshot.teams {
            let (before, now) = (used(&snapshot, name), used(&after, name));
            for (resource, max) in &team.max {
                let amount = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or_default();
                prop_assert!(amount(&now) <= *max || amount(&now) == amount(&before), "{name} {resource}");
            }
        }
    }

    #[test]
    fn every_waiting_cluster_gets_one_verdict_in_order(snapshot in snapshot()) {
        let decisions = decide(&snapshot, &Previous::default());
        let mut waiting: Vec<_> = snapshot.clusters.iter().filter(|c| c.state == State::Waiting).collect();
        waiting.sort_by_key(|cluster| (cluster.submitted, cluster.key.uid.clone()));
        let keys: Vec<_> = waiting.iter().map(|cluster| &cluster.key).collect();
        prop_assert_eq!(decisions.iter().map(|decision| &decision.key).collect::<Vec<_>>(), keys);
    }

    #[test]
    fn nobody_of_a_team_starts_behind_one_that_waits(snapshot in snapshot()) {
        let teams: BTreeMap<_, _> = snapshot.clusters.iter().map(|cluster| (&cluster.key, &cluster.team)).collect();
        let mut last: BTreeMap<&String, usize> = BTreeMap::new();
        for decision in &decide(&snapshot, &Previous::default()) {
            let team = teams[&decision.key];
            match &decision.verdict {
                Verdict::Admit => prop_assert!(!last.contains_key(team)),
                Verdict::Wait { position, .. } => {
                    let before = last.insert(team, *position).unwrap_or(0);
                    prop_assert_eq!(*position, before + 1);
                }
                Verdict::Reject(_) | Verdict::NoTeam => {}
            }
        }
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter(
        (snapshot, shuffled) in snapshot().prop_flat_map(|snapshot| {
            let clusters = Just(snapshot.clusters.clone()).prop_shuffle();
            (Just(snapshot), clusters)
        }),
    ) {
        let other = Snapshot { clusters: shuffled, ..snapshot.clone() };
        prop_assert_eq!(decide(&snapshot, &Previous::default()), decide(&other, &Previous::default()));
    }

    #[test]
    fn the_first_in_line_starts_as_soon_as_it_fits(snapshot in snapshot()) {
        let mut after = carried_out(&snapshot);
        let first = decide(&after, &Previous::default()).into_iter().find_map(|decision| match decision.verdict {
            Verdict::Wait { position: 1, reason } => Some((decision.key, reason)),
            _ => None,
        });
        if let Some((key, reason)) = first {
            prop_assert!(matches!(reason, Waiting::Short(ref shortage) if shortage.short_by() > 0));
            let team = after.clusters.iter().find(|cluster| cluster.key == key).unwrap().team.clone();
            after.clusters.retain(|cluster| cluster.team != team || cluster.state == State::Waiting);
            let now = decide(&after, &Previous::default());
            prop_assert_eq!(&now.iter().find(|decision| decision.key == key).unwrap().verdict, &Verdict::Admit);
        }
    }

    #[test]
    fn a_pass_leaves_nothing_for_the_next(snapshot in snapshot()) {
        let after = carried_out(&snapshot);
        prop_assert_eq!(carried_out(&after), after);
    }
}
