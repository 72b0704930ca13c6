//! Random histories, recorded and replayed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use microtome_queue::{Action, Amounts, Hold, Job, Ledger, Node, PodGroup, Pool, Reclaim, Settings, Team, TeamFault};

use super::{Error, replay};
use crate::admission::record::{Record, Recorder, log};
use crate::admission::scene::{Asked, Held, Place, Played, Running, Scene};

/// xorshift64*: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

fn amounts(gpu: u64, cpu: u64) -> Amounts {
    let all = [("cpu", cpu), ("nvidia.com/gpu", gpu)];
    all.into_iter().map(|(name, count)| (name.to_owned(), i128::from(count) * 1000)).collect()
}

/// What an operator sees of a cluster whose pods come and go as they like.
struct World {
    random: Random,
    scene: Scene,
    recorder: Recorder,
    jobs: u64,
    /// What every pass recorded.
    passes: Vec<Vec<Record>>,
    /// How often what was decided.
    seen: BTreeMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let reclaim = random.one_in(2).then_some(Reclaim { min_runtime_seconds: 20 });
        let mut scene = Scene {
            now: 1_000,
            ledger: Ledger::new(500 + random.below(500), 1_000),
            settings: Settings { reclaim },
            pools: vec![Pool { name: "spot".into(), node: amounts(2, 8), max_nodes: random.below(3) }],
            ..Scene::empty()
        };
        for name in ["a", "b", "c", "up"] {
            let parent = (name != "up").then(|| "up".to_owned());
            scene.teams.insert(name.into(), Team { parent, ..Team::default() });
        }
        let (recorder, passes, seen) = (Recorder::default(), Vec::new(), BTreeMap::new());
        let mut world = Self { random, scene, recorder, jobs: 0, passes, seen };
        (0..3).for_each(|i| world.node(i));
        world
    }

    fn node(&mut self, number: u64) {
        let name = format!("n{number}");
        let pool = self.random.one_in(3).then(|| "spot".to_owned());
        let node =
            Node { pool, allocatable: amounts(4, 16), taken: amounts(0, self.random.below(4)), name: name.clone() };
        self.scene.nodes.insert(name, node);
    }

    fn happen(&mut self) {
        self.scene.now += i64::try_from(self.random.below(40)).unwrap();
        for _ in 0..self.random.below(3) {
            self.submit();
        }
        if self.random.one_in(6) {
            let number = self.random.below(4);
            match self.random.one_in(2) {
                true => drop(self.scene.nodes.remove(&format!("n{number}"))),
                false => self.node(number),
            }
        }
        if self.random.one_in(8) {
            self.team();
        }
        if self.random.one_in(20) {
            // The operator died and another one leads.
            self.recorder = Recorder::default();
        }
        if self.random.one_in(30) {
            self.scene.ledger.set_half_life(300 + self.random.below(500));
        }
        if self.random.one_in(25) {
            self.scene.reservations.clear();
        }
        let uids: Vec<String> = self.scene.places.keys().cloned().collect();
        uids.iter().for_each(|uid| self.go_on(uid));
    }

    fn submit(&mut self) {
        let uid = format!("u{}", self.jobs);
        self.jobs += 1;
        let (random, pools) = (&mut self.random, Vec::new());
        let head = PodGroup { count: 1, requests: amounts(1 + random.below(3), 1), pools };
        let pools = if random.one_in(4) { vec!["spot".to_owned()] } else { Vec::new() };
        let workers = PodGroup { count: random.below(4), requests: amounts(0, 1 + random.below(4)), pools };
        let team = ["a", "b", "c", "c", "up", "nobody"][usize::try_from(random.below(6)).unwrap()];
        let job = Job {
            id: uid.clone(),
            team: team.to_owned(),
            priority: i64::try_from(random.below(3)).unwrap(),
            submitted: self.scene.now,
            order: 0,
            deadline_seconds: 20 + random.below(200),
            pods: vec![head, workers],
        };
        self.scene.jobs.insert(uid.clone(), Asked { title: format!("x/{uid}"), job });
        self.scene.places.insert(uid, Place::Asks { is_accepted: false });
    }

    fn team(&mut self) {
        let random = &mut self.random;
        let name = ["a", "b", "c"][usize::try_from(random.below(3)).unwrap()];
        let team = Team {
            parent: Some(if random.one_in(8) { "gone" } else { "up" }.to_owned()),
            weight: random.below(4),
            guarantee: if random.one_in(2) { amounts(random.below(6), 8) } else { Amounts::new() },
            max: if random.one_in(3) { amounts(2 + random.below(6), 40) } else { Amounts::new() },
            fault: random.one_in(10).then(|| TeamFault::NamespaceClaimed { namespace: "x".into(), holder: "b".into() }),
            ..Team::default()
        };
        self.scene.teams.insert("up".into(), Team { guarantee: amounts(8, 32), ..Team::default() });
        self.scene.teams.insert(name.to_owned(), team);
    }

    /// Pods find a node, end, or go.
    fn go_on(&mut self, uid: &str) {
        let nodes: Vec<String> = self.scene.nodes.keys().cloned().collect();
        let is_over = match &self.scene.places[uid] {
            Place::Asks { .. } => self.random.one_in(60),
            Place::Runs(running) => running.ends <= self.scene.now || self.random.one_in(30),
        };
        if is_over {
            self.scene.places.remove(uid);
            self.scene.jobs.remove(uid);
            return;
        }
        let random = &mut self.random;
        let Some(Place::Runs(running)) = self.scene.places.get_mut(uid) else { return };
        if running.is_leaving && random.one_in(2) {
            self.scene.places.insert(uid.to_owned(), Place::Asks { is_accepted: true });
        } else if !nodes.is_empty() && random.one_in(3) {
            let node = nodes[usize::try_from(random.below(nodes.len() as u64)).unwrap()].clone();
            running
                .holds
                .iter_mut()
                .filter(|held| held.count == 1)
                .for_each(|held| held.hold.node = Some(node.clone()));
        }
    }

    fn pass(&mut self) {
        let played = self.scene.play();
        let records = self.recorder.note(&self.scene, &played);
        if !records.is_empty() {
            self.passes.push(records);
        }
        self.scene.after(&played);
        self.carry_out(&played);
    }

    fn carry_out(&mut self, played: &Played) {
        let mut see = |what, count| *self.seen.entry(what).or_default() += count;
        see("refused", played.refused.len());
        see("promoted", played.decisions.promoted.len());
        for action in &played.decisions.actions {
            match action {
                Action::Start(start) => {
                    see("started", 1);
                    let job = &self.scene.jobs[&start.job].job;
                    let hold = |group: &PodGroup| Hold { node: None, amounts: group.requests.clone() };
                    let holds = job.pods.iter().map(|group| Held { count: group.count, hold: hold(group) }).collect();
                    let (started, ends, within) = (self.scene.now, start.ends, start.within);
                    let running = Running { started, ends, within, is_leaving: false, holds };
                    if start.evicts.is_empty() {
                        self.scene.places.insert(start.job.clone(), Place::Runs(running));
                    }
                }
                Action::Evict { job, .. } => {
                    see("evicted", 1);
                    if let Some(Place::Runs(running)) = self.scene.places.get_mut(job) {
                        running.is_leaving = true;
                    }
                }
                Action::Reserve { .. } => see("reserved", 1),
                Action::Reject { .. } => see("rejected", 1),
            }
        }
        for uid in &played.decisions.promoted {
            if let Some(Place::Runs(running)) = self.scene.places.get_mut(uid) {
                running.within = true;
            }
        }
    }
}

fn history(seed: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..40 {
        world.happen();
        world.pass();
    }
    world
}

/// As the operator's log says it, with what else it says.
fn written(passes: &[Vec<Record>]) -> String {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let shared = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .without_time()
        .with_writer(move || shared.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for records in passes {
            log(records);
            tracing::info!(namespace = "x", "admission decided");
        }
    });
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn random_histories_come_out_as_they_were_recorded() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..150 {
        let world = history(seed);
        let (outcome, ended) = replay(&format!("no json\n{}", written(&world.passes)));
        assert_eq!(ended.unwrap(), world.passes.len() as u64, "seed {seed}");
        assert!(!outcome.lines.is_empty());
        world.seen.iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
    }
    for what in ["started", "reserved", "refused", "evicted", "promoted"] {
        assert!(seen.get(what).copied().unwrap_or(0) > 20, "the histories show too little: {seen:?}");
    }
}

/// `tests/replay.rs` plays it. It stays as it is while records of its version are read; UPDATE=1 writes one of another version.
#[test]
fn a_log_that_was_written_once_comes_out_as_it_was_recorded() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay/log.jsonl");
    if std::env::var_os("UPDATE").is_some() {
        let world = history(3);
        std::fs::write(file, written(&world.passes[..world.passes.len().min(15)])).unwrap();
    }
    let log = std::fs::read_to_string(file).unwrap();
    assert_eq!(replay(&log).1.unwrap(), 15);
}

#[test]
fn a_decision_that_was_another_is_named() {
    for seed in 0..40 {
        let mut world = history(seed);
        let acts = |records: &Vec<Record>| {
            records
                .last()
                .and_then(|last| last.decided.as_ref())
                .is_some_and(|decided| !decided.decisions.actions.is_empty())
        };
        let Some(at) = world.passes.iter().rposition(acts) else { continue };
        let decided = world.passes[at].last_mut().unwrap().decided.as_mut().unwrap();
        let action = decided.decisions.actions.pop().unwrap();
        let (_, ended) = replay(&written(&world.passes));
        let Err(Error::Differs { line, recorded, job, .. }) = ended else { panic!("seed {seed}: {ended:?}") };
        // Each pass has a line of another kind after it.
        let before: usize = world.passes[..at].iter().map(|records| records.len() + 1).sum();
        assert_eq!(line, before + world.passes[at].len(), "seed {seed}");
        assert_eq!(recorded, "nothing more", "{action:?}");
        assert!(job.starts_with("x/u"), "{job}");
    }
}

#[test]
fn lines_that_are_missing_are_noticed_and_a_log_may_begin_anywhere() {
    let mut world = history(7);
    let next = |passes: &[Vec<Record>]| {
        passes.windows(2).position(|pair| pair.iter().all(|records| !records[0].is_snapshot)).unwrap()
    };
    let lost = next(&world.passes);
    world.passes.remove(lost);
    assert!(matches!(replay(&written(&world.passes)).1, Err(Error::Gap { .. })));
    let world = history(7);
    let (_, ended) = replay(&written(&world.passes[1..2]));
    assert!(matches!(ended, Err(Error::NoSnapshot)), "{ended:?}");
    let again: Vec<Vec<Record>> = [&world.passes[1..2], &world.passes[..]].concat();
    assert_eq!(replay(&written(&again)).1.unwrap(), world.passes.len() as u64);
}

#[test]
fn what_is_no_record_or_of_another_version_is_refused() {
    let line = |record: &str| {
        serde_json::json!({"target": "microtome_operator::admission::record", "record": record}).to_string()
    };
    let told = |record: &str| replay(&line(record)).1.unwrap_err().to_string();
    assert_eq!(told("{}"), "line 1: the record cannot be read");
    assert_eq!(told(r#"{"version":2,"new":1}"#), "line 1: the record is of version 2, and this reads version 1");
    assert_eq!(told(r#"{"version":1,"pass":0,"now":0,"surprise":1}"#), "line 1: the record cannot be read");
}

#[test]
fn a_quiet_pass_is_not_recorded_and_a_large_one_in_bounded_lines() {
    let mut world = World::new(1);
    world.pass();
    assert_eq!(world.passes.len(), 1);
    for _ in 0..5 {
        world.scene.now += 60;
        world.pass();
    }
    assert_eq!(world.passes.len(), 1, "nothing but the time is new");
    (0..1_000).for_each(|_| world.submit());
    world.pass();
    let parts = &world.passes[1];
    assert!(parts.len() >= 9, "{}", parts.len());
    assert!(parts.iter().rev().skip(1).all(|part| part.decided.is_none()));
    let text = written(&world.passes);
    let longest = text.lines().map(str::len).max().unwrap();
    assert!(longest < 300_000, "{longest}");
    assert_eq!(replay(&text).1.unwrap(), 2);
}
