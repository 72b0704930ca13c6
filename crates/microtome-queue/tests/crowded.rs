//! Many teams, nodes and jobs, each job unlike every other: what a pass passes over at once is judged once more one by one, inside
//! `decide` where debug assertions are on, and the decisions must be the same.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod support;

use std::collections::BTreeMap;

use microtome_queue::{
    Action, Amounts, Decisions, Job, JobLimits, Ledger, Node, PodGroup, Previous, Reclaim, Settings, Snapshot, Team,
};
use support::for_each_seed;
use support::random::Random;

const TEAMS: u64 = 30;
const JOBS: u64 = 600;
const NODES: u64 = 40;

fn amounts(cpu: u64, gpu: u64, memory: u64) -> Amounts {
    let all = [("cpu", cpu), ("gpu", gpu), ("memory", memory)];
    all.into_iter().map(|(name, milli)| (name.to_owned(), i128::from(milli))).collect()
}

/// Some teams have guarantees, some limits; all have jobs of all sizes.
fn teams(random: &mut Random) -> BTreeMap<String, Team> {
    let mut teams: BTreeMap<String, Team> = (0..4).map(|i| (format!("d{i}"), Team::default())).collect();
    for i in 0..TEAMS {
        let guarantee = if random.one_in(3) { amounts(20_000, 4_000, 80_000) } else { Amounts::new() };
        let limits = JobLimits { max_running: random.one_in(5).then(|| random.between(1, 6)), ..JobLimits::default() };
        let parent = Some(format!("d{}", i % 4));
        teams.insert(
            format!("t{i:02}"),
            Team { parent, weight: random.between(1, 5), guarantee, limits, ..Team::default() },
        );
    }
    for i in 0..2 {
        teams.entry(format!("d{i}")).or_default().guarantee = amounts(100_000, 20_000, 400_000);
    }
    teams
}

fn job(random: &mut Random, number: u64) -> Job {
    let requests = amounts(random.between(1_000, 9_000), 1_000 * random.between(0, 4), random.between(8_000, 40_000));
    let head = PodGroup { count: 1, requests, pools: Vec::new() };
    let requests = amounts(random.between(500, 2_000), 0, 4_000 + number);
    let workers = PodGroup { count: random.between(0, 4), requests, pools: Vec::new() };
    Job {
        id: format!("j{number:04}"),
        team: format!("t{:02}", random.below(TEAMS)),
        priority: i64::from(random.one_in(8)),
        submitted: i64::try_from(number / 7).unwrap(),
        order: number,
        deadline_seconds: random.between(50, 5_000),
        pods: vec![head, workers],
    }
}

fn starts(decisions: &Decisions) -> impl Iterator<Item = &String> {
    decisions.actions.iter().filter_map(|action| match action {
        Action::Start(start) => Some(&start.job),
        _ => None,
    })
}

#[test]
fn who_is_passed_over_at_once_would_have_been_one_by_one() {
    // Seeds 303 and 634 found that a class above its guarantee was passed over at once although one inside it stood behind.
    for_each_seed(700, |seed| {
        let mut random = Random::new(seed);
        let reclaim = random.one_in(3).then_some(Reclaim { min_runtime_seconds: 60 });
        let mut snapshot = Snapshot::new(Ledger::new(3_600, 0), Settings { reclaim }, 0);
        let node =
            |i| Node { name: format!("n{i:02}"), allocatable: amounts(48_000, 8_000, 256_000), ..Node::default() };
        snapshot.set_nodes((0..NODES).map(node).collect(), Vec::new());
        snapshot.set_teams(teams(&mut random));
        (0..JOBS).for_each(|number| snapshot.submit(job(&mut random, number)));
        let (mut previous, mut running, mut now) = (Previous::default(), Vec::new(), 200);
        for _ in 0..12 {
            snapshot.advance(now);
            let decisions = microtome_queue::decide(&snapshot, &previous);
            snapshot.apply(&decisions);
            running.extend(starts(&decisions).cloned());
            previous = Previous::from(&decisions);
            for _ in 0..random.between(1, 12) {
                let over = random.below(running.len() as u64);
                snapshot.remove(&running.swap_remove(usize::try_from(over).unwrap()));
            }
            now += 20;
        }
        assert!(running.len() > 60 && snapshot.waiting() > 200, "the cluster is full, and many wait");
    });
}
