//! How fast the queue decides, and how much memory it takes: `cargo run --release -p microtome-queue --example speed`.
//!
//! 1,000 teams in 50 departments, 50,000 waiting jobs, 500 nodes of 8 GPUs: a first pass that fills the cluster, idle passes, and
//! passes after one job ended. Once with few kinds of jobs, as teams have, and once with every job unlike every other.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use microtome_queue::{
    Action, Amounts, Decisions, Explainer, Job, Ledger, Node, PodGroup, Previous, Settings, Snapshot, Team,
};

const TEAMS: u64 = 1_000;
const JOBS: u64 = 50_000;
const NODES: u64 = 500;

fn main() {
    for (name, kinds) in [("24 kinds of jobs", 24), ("every job unlike every other", JOBS)] {
        println!("{name}: {TEAMS} teams, {JOBS} waiting jobs, {NODES} nodes");
        measure(kinds);
    }
}

fn amounts(cpu: u64, gpu: u64, memory: u64) -> Amounts {
    let all = [("cpu", cpu), ("nvidia.com/gpu", gpu), ("memory", memory)];
    all.into_iter().map(|(name, milli)| (name.to_owned(), i128::from(milli))).collect()
}

/// The cluster with everybody waiting.
fn crowded(kinds: u64) -> Snapshot {
    let mut snapshot = Snapshot::new(Ledger::new(604_800, 0), Settings::default(), 0);
    let node =
        |i| Node { name: format!("n{i:03}"), allocatable: amounts(96_000, 8_000, 860_000 << 30), ..Node::default() };
    snapshot.set_nodes((0..NODES).map(node).collect(), Vec::new());
    let department = |i: u64| (format!("d{i:02}"), Team { weight: 1 + i % 3, ..Team::default() });
    let team = |i: u64| {
        let guarantee = amounts(40_000, 4_000, 400_000 << 30);
        let team = Team { parent: Some(format!("d{:02}", i % 50)), weight: 1 + i % 7, guarantee, ..Team::default() };
        (format!("t{i:03}"), team)
    };
    let teams: BTreeMap<String, Team> = (0..50).map(department).chain((0..TEAMS).map(team)).collect();
    snapshot.set_teams(teams);
    for i in 0..JOBS {
        let kind = (i * 7919) % kinds;
        let requests = amounts(4_000 + kind % 8 * 100 + kind / 24, 1_000 + kind % 3 * 1_000, (16_000 + kind % 5) << 30);
        let workers = PodGroup { count: 1 + kind % 4, requests: amounts(1_000, 0, 4_000 << 30), pools: Vec::new() };
        let pods = vec![PodGroup { count: 1, requests, pools: Vec::new() }, workers];
        let job = Job {
            id: format!("job-{i:05}"),
            team: format!("t{:03}", i % TEAMS),
            priority: 0,
            submitted: i64::try_from(i / 10).unwrap(),
            order: i,
            deadline_seconds: 3_600 * (1 + kind % 24),
            pods,
        };
        snapshot.accept(job.deadline_seconds);
        snapshot.submit(job);
    }
    snapshot.advance(10_000);
    snapshot
}

fn measure(kinds: u64) {
    let before = resident();
    let mut snapshot = crowded(kinds);
    println!("  memory of the snapshot: {} MiB", (resident() - before) >> 20);

    let (first, took) = best(10, || microtome_queue::decide(&snapshot, &Previous::default()));
    let started = starts(&first);
    println!(
        "  filling pass: {took:?}, {} starts, {:?} a start",
        started.len(),
        took / u32::try_from(started.len()).unwrap()
    );
    let mut previous = Previous::from(&first);
    let (_, took) = timed(|| snapshot.apply(&first));
    println!("  carrying it out: {took:?}");

    let (_, idle) = best(30, || microtome_queue::decide(&snapshot, &previous));
    println!("  idle pass: {idle:?}");

    let (mut total, mut count) = (Vec::new(), 0_u32);
    for (i, job) in started.iter().take(100).enumerate() {
        snapshot.advance(10_000 + 60 * i64::try_from(i + 1).unwrap());
        snapshot.remove(job);
        let (decisions, took) = best(3, || microtome_queue::decide(&snapshot, &previous));
        count += u32::try_from(starts(&decisions).len()).unwrap();
        total.push(took);
        snapshot.apply(&decisions);
        previous = Previous::from(&decisions);
    }
    total.sort();
    println!("  a pass after one end: median {:?}, most {:?}; {count} starts in 100", total[50], total[99]);
    for job in started.iter().skip(100).take(1_000) {
        snapshot.remove(job);
    }
    let (burst, took) = best(10, || microtome_queue::decide(&snapshot, &previous));
    let count = u32::try_from(starts(&burst).len()).unwrap();
    println!("  a pass after 1,000 ends: {took:?}, {count} starts, {:?} a start", took / count.max(1));
    snapshot.apply(&burst);
    previous = Previous::from(&burst);

    let (explained, took) = timed(|| {
        let mut explainer = Explainer::new(&snapshot, &previous);
        let ids: Vec<String> = (0..TEAMS)
            .flat_map(|team| {
                snapshot.queue(&format!("t{team:03}")).into_iter().take(10).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        ids.iter().filter(|id| explainer.explain(id).is_some()).count()
    });
    println!("  explaining the first ten of each team: {took:?} for {explained}");
}

fn starts(decisions: &Decisions) -> Vec<String> {
    let start = |action: &Action| match action {
        Action::Start(start) => Some(start.job.clone()),
        _ => None,
    };
    decisions.actions.iter().filter_map(start).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The least of several, as others run on the machine too; what is timed is pure.
fn best<T>(times: usize, work: impl Fn() -> T) -> (T, Duration) {
    (0..times).map(|_| timed(&work)).min_by_key(|(_, took)| *took).unwrap()
}

/// What the process holds in memory, in bytes (Linux).
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
