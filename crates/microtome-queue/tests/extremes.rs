//! Nothing panics at the ends of what can be written (I19), and what comes out is still the same twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::BTreeMap;

use microtome_queue::{
    Amounts, Explainer, Job, JobLimits, Ledger, Node, PodGroup, Pool, Previous, Reclaim, Settings, Snapshot, Team,
};
use support::for_each_seed;
use support::random::Random;

fn amounts(random: &mut Random) -> Amounts {
    let values = [0, 1, 1000, 1 << 60, 1 << 96, i128::MAX, i128::MIN, -1];
    ["cpu", "gpu"].into_iter().map(|name| (name.to_owned(), *random.pick(&values))).collect()
}

fn limit(random: &mut Random) -> Option<u64> {
    *random.pick(&[None, None, Some(0), Some(1), Some(u64::MAX)])
}

fn world(random: &mut Random) -> (Snapshot, Vec<Job>) {
    let now = *random.pick(&[0, i64::MIN, i64::MAX, 1_000]);
    let half_life = *random.pick(&[0, 1, 3, 604_800, u64::MAX]);
    let least = *random.pick(&[0, 1, u64::MAX]);
    let reclaim = random.one_in(2).then_some(Reclaim { min_runtime_seconds: least });
    let mut snapshot = Snapshot::new(Ledger::new(half_life, now), Settings { reclaim }, now);
    let nodes = (0..random.below(3)).map(|i| Node {
        name: format!("n{i}"),
        pool: None,
        allocatable: amounts(random),
        taken: amounts(random),
    });
    let nodes = nodes.collect();
    let pools = (0..random.below(3)).map(|i| {
        let max_nodes = *random.pick(&[0, 1, 3]);
        Pool { name: format!("p{i}"), node: amounts(random), max_nodes }
    });
    let pools = pools.collect();
    snapshot.set_nodes(nodes, pools);
    let mut teams = BTreeMap::new();
    for i in 0..random.between(1, 5) {
        let limits =
            JobLimits { max_running: limit(random), max_queued: limit(random), max_deadline_seconds: limit(random) };
        let parent = random.one_in(2).then(|| format!("t{}", random.below(6)));
        let (guarantee, max) = (amounts(random), amounts(random));
        let weight = *random.pick(&[0, 1, u64::MAX]);
        teams.insert(format!("t{i}"), Team { parent, weight, guarantee, max, limits, fault: None });
    }
    snapshot.set_teams(teams);
    let jobs = (0..random.below(12)).map(|i| {
        let count = *random.pick(&[0, 1, 2, u64::MAX]);
        let deadline_seconds = *random.pick(&[0, 1, 100, u64::MAX]);
        let pods =
            (0..random.below(3)).map(|_| PodGroup { count, requests: amounts(random), pools: Vec::new() }).collect();
        let submitted = *random.pick(&[0, i64::MIN, i64::MAX]);
        let priority = *random.pick(&[0, i64::MIN, i64::MAX]);
        Job {
            id: format!("j{i}"),
            team: format!("t{}", random.below(6)),
            priority,
            submitted,
            order: 0,
            deadline_seconds,
            pods,
        }
    });
    (snapshot, jobs.collect())
}

#[test]
fn nothing_panics_at_the_ends() {
    for_each_seed(3_000, |seed| {
        let mut random = Random::new(seed);
        let (mut snapshot, jobs) = world(&mut random);
        for job in jobs {
            if snapshot.refusal(&job).is_none() || random.one_in(3) {
                snapshot.accept(job.deadline_seconds);
                snapshot.submit(job);
            }
        }
        let mut previous = Previous::default();
        for _ in 0..4 {
            let decisions = microtome_queue::decide(&snapshot, &previous);
            assert_eq!(decisions, microtome_queue::decide(&snapshot.clone(), &previous));
            previous = Previous::from(&decisions);
            snapshot.apply(&decisions);
            let waiting: Vec<String> = (0..6)
                .flat_map(|team| snapshot.queue(&format!("t{team}")).into_iter().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            let mut explainer = Explainer::new(&snapshot, &previous);
            for id in &waiting {
                assert!(explainer.explain(id).is_some());
            }
            let _ = microtome_queue::forecast(&snapshot, &previous, 3, 3);
            let _ = (snapshot.standings(), snapshot.faults("t0"), snapshot.next_evictable());
            snapshot.advance(*random.pick(&[snapshot.now(), snapshot.now().saturating_add(1), i64::MAX]));
        }
    });
}
