//! Worlds as an operator finds them: pods of others, pods that are not yet gone or not yet placed, pools that can grow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use microtome_queue::{
    Action, Amounts, Decisions, Hold, Job, Ledger, Node, Placed, PodGroup, Pool, Previous, Reclaim, Run, Settings,
    Snapshot, Start, Team,
};

fn gpus(count: i128) -> Amounts {
    Amounts::from([("gpu".to_owned(), count * 1000)])
}

fn job(id: &str, team: &str, pods: Vec<PodGroup>) -> Job {
    let (id, team) = (id.to_owned(), team.to_owned());
    Job { id, team, priority: 0, submitted: 0, order: 0, deadline_seconds: 50, pods }
}

fn pods(count: u64, each: i128, pools: &[&str]) -> PodGroup {
    PodGroup { count, requests: gpus(each), pools: pools.iter().map(|&pool| pool.to_owned()).collect() }
}

fn node(name: &str, pool: Option<&str>, offers: i128, taken: i128) -> Node {
    Node { name: name.into(), pool: pool.map(str::to_owned), allocatable: gpus(offers), taken: gpus(taken) }
}

fn snapshot(settings: Settings, nodes: Vec<Node>, pools: Vec<Pool>) -> Snapshot {
    let mut snapshot = Snapshot::new(Ledger::new(3600, 0), settings, 100);
    snapshot.set_nodes(nodes, pools);
    let guaranteed = Team { guarantee: gpus(4), ..Team::default() };
    snapshot.set_teams([("a".to_owned(), guaranteed), ("b".to_owned(), Team::default())].into());
    snapshot
}

fn decide(snapshot: &Snapshot) -> Decisions {
    microtome_queue::decide(snapshot, &Previous::default())
}

fn started(decisions: &Decisions) -> Vec<&Start> {
    decisions
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Start(start) => Some(start),
            _ => None,
        })
        .collect()
}

#[test]
fn others_pods_take_their_room() {
    let mut snapshot = snapshot(Settings::default(), vec![node("n", None, 4, 3)], Vec::new());
    snapshot.submit(job("two", "a", vec![pods(1, 2, &[])]));
    assert!(started(&decide(&snapshot)).is_empty());
    snapshot.submit(job("one", "a", vec![pods(1, 1, &[])]));
    assert_eq!(started(&decide(&snapshot))[0].job, "one");
}

#[test]
fn a_head_and_its_workers_go_to_their_pools_in_order_and_a_pool_at_zero_grows() {
    let pool = |name: &str, offers, max_nodes| Pool { name: name.into(), node: gpus(offers), max_nodes };
    let nodes = vec![node("head-a", Some("heads"), 4, 0)];
    let mut snapshot =
        snapshot(Settings::default(), nodes, vec![pool("heads", 4, 2), pool("spot", 2, 1), pool("cpu", 2, 5)]);
    snapshot.submit(job("j", "a", vec![pods(1, 3, &["heads"]), pods(3, 1, &["spot", "cpu"])]));
    let decisions = decide(&snapshot);
    let placed = |node: &str, group, count| Placed { node: node.into(), group, count };
    assert_eq!(started(&decisions)[0].pods, [placed("head-a", 0, 1), placed("spot#0", 1, 2), placed("cpu#0", 1, 1)]);
    // Then as found: the head runs, the workers are not placed yet. First fit keeps a place for them.
    let hold = |node: Option<&str>, count| Hold { node: node.map(str::to_owned), amounts: gpus(count) };
    let holds = vec![hold(Some("head-a"), 3), hold(None, 1), hold(Some("gone"), 2)];
    snapshot.run(job("j", "a", Vec::new()), Run { started: 100, ends: 150, holds, ..Run::default() });
    assert_eq!(snapshot.standings()["a"].used, gpus(6), "charged for all, wherever it is");
    snapshot.submit(job("big", "b", vec![pods(1, 4, &["heads"])]));
    assert_eq!(started(&decide(&snapshot))[0].pods, [placed("heads#0", 0, 1)]);
}

#[test]
fn who_was_evicted_and_is_not_yet_gone_is_waited_for_and_nobody_else_is_evicted() {
    let settings = Settings { reclaim: Some(Reclaim { min_runtime_seconds: 0 }) };
    let mut snapshot = snapshot(settings, vec![node("n", None, 8, 0)], Vec::new());
    let run = |is_leaving| Run {
        started: 0,
        ends: 130,
        is_leaving,
        holds: vec![Hold { node: Some("n".into()), amounts: gpus(4) }],
        ..Run::default()
    };
    snapshot.run(job("b1", "b", vec![pods(1, 4, &[])]), run(false));
    snapshot.run(job("b2", "b", vec![pods(1, 4, &[])]), run(false));
    snapshot.submit(job("a1", "a", vec![pods(1, 4, &[])]));
    let first = decide(&snapshot);
    assert_eq!(started(&first)[0].evicts.len(), 1, "{first:?}");
    let victim = started(&first)[0].evicts[0].clone();
    snapshot.run(job(&victim, "b", vec![pods(1, 4, &[])]), run(true));
    let second = decide(&snapshot);
    assert!(second.actions.iter().all(|action| matches!(action, Action::Reserve { .. })), "{second:?}");
    assert_eq!((second.reservations[0].job.as_str(), second.reservations[0].at), ("a1", 130));
}

#[test]
fn the_one_that_saved_its_work_last_gives_way() {
    let settings = Settings { reclaim: Some(Reclaim { min_runtime_seconds: 0 }) };
    let mut snapshot = snapshot(settings, vec![node("n", None, 8, 0)], Vec::new());
    for (id, started, checkpoint) in [("older", 0, Some(95)), ("newer", 50, None)] {
        let holds = vec![Hold { node: Some("n".into()), amounts: gpus(4) }];
        snapshot
            .run(job(id, "b", vec![pods(1, 4, &[])]), Run { started, ends: 500, checkpoint, holds, ..Run::default() });
    }
    snapshot.submit(job("a1", "a", vec![pods(1, 4, &[])]));
    assert_eq!(started(&decide(&snapshot))[0].evicts, ["older"]);
}

#[test]
fn who_need_not_give_way_keeps_its_place() {
    let settings = Settings { reclaim: Some(Reclaim { min_runtime_seconds: 0 }) };
    let mut snapshot = snapshot(settings, vec![node("n", None, 8, 0)], Vec::new());
    // The small one comes first, as it lost less; alone it does not do, and beside the large one it is not needed.
    for (id, started, count) in [("large", 20, 4), ("small", 50, 1), ("other", 10, 3)] {
        let holds = vec![Hold { node: Some("n".into()), amounts: gpus(count) }];
        snapshot.run(job(id, "b", vec![pods(1, count, &[])]), Run { started, ends: 500, holds, ..Run::default() });
    }
    snapshot.submit(job("a1", "a", vec![pods(1, 4, &[])]));
    assert_eq!(started(&decide(&snapshot))[0].evicts, ["large"]);
}

#[test]
fn what_is_wrong_with_a_team_names_the_field() {
    let mut snapshot = snapshot(Settings::default(), vec![node("n", None, 8, 0)], Vec::new());
    let holds = vec![Hold { node: Some("n".into()), amounts: gpus(4) }];
    snapshot.run(job("j", "a", vec![pods(1, 4, &[])]), Run { started: 0, ends: 500, holds, ..Run::default() });
    let mut low = Team { weight: 2_000_000_000, max: gpus(3), ..Team::default() };
    low.limits.max_running = Some(0);
    snapshot.set_teams([("a".to_owned(), low)].into());
    let told: Vec<String> = snapshot.faults("a").iter().map(ToString::to_string).collect();
    let wanted = [
        "spec.weight: 2000000000 leaves nothing to teams of usual weights",
        "spec.max.gpu: 3 is below the 4 that run",
        "spec.jobLimits.maxRunning: 0 is below the 1 that run",
    ];
    assert_eq!(told, wanted);
}
