//! Small random clusters, teams and jobs: little enough that everything is in everything's way.

use std::collections::BTreeMap;

use microtome_queue::{Amounts, Job, JobLimits, Node, PodGroup, Pool, Reclaim, Settings, Team};

use super::random::Random;

pub const RESOURCES: [&str; 3] = ["cpu", "gpu", "memory"];

pub fn amounts(random: &mut Random, most: u64, one_in: u64) -> Amounts {
    let mut amounts = Amounts::new();
    for resource in RESOURCES {
        if random.one_in(one_in) {
            amounts.insert(resource.to_owned(), i128::from(random.between(0, most)) * 1000);
        }
    }
    amounts
}

pub fn settings(random: &mut Random) -> Settings {
    let reclaim = random.one_in(2).then(|| Reclaim { min_runtime_seconds: *random.pick(&[0, 5, 30]) });
    Settings { reclaim }
}

pub fn nodes(random: &mut Random) -> (Vec<Node>, Vec<Pool>) {
    let offer = |random: &mut Random| -> Amounts {
        let kinds = [[4, 2, 8], [8, 0, 16], [4, 4, 4], [2, 1, 2]];
        let kind = random.pick(&kinds);
        RESOURCES.iter().zip(kind).map(|(name, amount)| ((*name).to_owned(), amount * 1000)).collect()
    };
    let count = random.between(0, 4);
    let mut nodes: Vec<Node> =
        (0..count).map(|i| Node { name: format!("n{i}"), allocatable: offer(random), ..Node::default() }).collect();
    let pools: Vec<Pool> = (0..random.between(u64::from(count == 0), 2))
        .map(|i| Pool { name: format!("p{i}"), node: offer(random), max_nodes: random.between(1, 3) })
        .collect();
    if let (Some(pool), true) = (pools.first(), random.one_in(3)) {
        nodes.push(Node {
            name: "p0-a".into(),
            pool: Some(pool.name.clone()),
            allocatable: pool.node.clone(),
            ..Node::default()
        });
    }
    (nodes, pools)
}

/// Teams t0…; the first are often parents of the later.
pub fn teams(random: &mut Random) -> BTreeMap<String, Team> {
    let count = random.between(1, 6);
    let mut teams = BTreeMap::new();
    for i in 0..count {
        teams.insert(format!("t{i}"), team(random, i));
    }
    teams
}

pub fn team(random: &mut Random, index: u64) -> Team {
    let parent = (index > 0 && random.one_in(2)).then(|| format!("t{}", random.below(index)));
    let limits = JobLimits {
        max_running: random.one_in(5).then(|| random.between(1, 4)),
        max_queued: random.one_in(8).then(|| random.between(1, 6)),
        max_deadline_seconds: random.one_in(8).then(|| random.between(20, 100)),
    };
    let (guarantee, max) = (amounts(random, 6, 2), amounts(random, 12, 4));
    Team { parent, weight: *random.pick(&[0, 1, 1, 1, 2, 3, 7]), guarantee, max, limits, fault: None }
}

/// What a job asks for. A few shapes only, so that classes matter.
pub fn pods(random: &mut Random, pools: &[Pool]) -> Vec<PodGroup> {
    let one = |cpu: i128, gpu: i128, memory: i128| -> Amounts {
        let all = [("cpu", cpu), ("gpu", gpu), ("memory", memory)];
        all.into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(name, amount)| (name.to_owned(), amount * 1000))
            .collect()
    };
    let group = |count, requests| PodGroup { count, requests, pools: Vec::new() };
    let mut pods = match random.below(8) {
        0 | 1 => vec![group(1, one(1, 0, 0))],
        2 => vec![group(1, one(1, 1, 1))],
        3 => vec![group(2, one(2, 0, 1))],
        4 => vec![group(1, one(1, 1, 1)), group(random.between(1, 3), one(1, 0, 1))],
        5 => vec![group(1, one(4, 2, 2))],
        6 => vec![group(random.between(2, 4), one(2, 1, 2))],
        _ => vec![group(1, one(0, 1, 0)), group(1, one(3, 0, 0))],
    };
    if let (Some(pool), true) = (pools.last(), random.one_in(6)) {
        pods[0].pools = vec![pool.name.clone()];
    }
    pods
}

pub fn job(random: &mut Random, number: u64, now: i64, teams: u64, pools: &[Pool]) -> Job {
    let teams = teams + u64::from(random.one_in(40));
    Job {
        id: format!("j{number:03}"),
        team: format!("t{}", random.below(teams)),
        priority: i64::from(random.one_in(6)),
        submitted: now,
        order: number,
        deadline_seconds: *random.pick(&[5, 20, 20, 60, 100]),
        pods: pods(random, pools),
    }
}
