//! What the decisions have to bring about, over many seeded worlds. A failure names the seed.

use super::decide::{Memory, Why, decide};
use super::ingest::IngestBound;
use super::observation::{Limits, Loader, Observation};
use super::simulation::{Account, Random, Settings, World};

/// A thousand were run when this was written; the first ones find the mutations that were tried.
const SEEDS: u64 = 40;
const LIMITS: Limits = Limits { least: 1, most: 200, quota: 200 };

fn settings(seed: u64) -> Settings {
    let mut random = Random(seed ^ 0x5ca1e);
    Settings {
        seed,
        limits: LIMITS,
        rate: random.between(300.0, 2000.0),
        noise: random.between(0.0, 0.12),
        dies_every_s: random.between(100.0, 2000.0),
        flattery: 1.0,
    }
}

/// The demand that this many workers meet.
fn demand(settings: &Settings, workers: f64) -> f64 {
    settings.rate * workers
}

/// The bars: what was waited from a minute after each change, turns of direction in between, and the number of workers
/// against the number needed, both in whole workers.
fn judge(account: &Account, what: &str, settings: &Settings) {
    let bar = (1.25 * account.needed.ceil()).ceil();
    assert!(
        account.starvation <= 0.01,
        "{what}: starved {:.2} %: {account:?} {settings:?}",
        account.starvation * 100.0
    );
    assert!(account.turns <= 1, "{what}: turned {} times: {account:?} {settings:?}", account.turns);
    assert!(
        f64::from(account.wanted) <= bar,
        "{what}: {} workers, {bar} allowed: {account:?} {settings:?}",
        account.wanted
    );
}

#[test]
fn workers_follow_a_program_that_becomes_four_times_faster_and_slower() {
    for seed in 0..SEEDS {
        let settings = settings(seed);
        let small = Random(seed).between(1.0, 25.0);
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, small));
        world.pass(300);
        for round in 0..2 {
            world.read(0, demand(&settings, 4.0 * small));
            judge(&world.pass(300), &format!("up {round}"), &settings);
            world.read(0, demand(&settings, small));
            judge(&world.pass(420), &format!("down {round}"), &settings);
        }
    }
}

#[test]
fn workers_follow_when_they_become_slower_and_faster() {
    for seed in 0..SEEDS {
        let settings = settings(seed);
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, Random(seed).between(2.0, 60.0)));
        world.pass(300);
        for slowness in [1.3, 1.0, 1.45] {
            world.slowness = slowness;
            world.change();
            judge(&world.pass(400), &format!("slower by {slowness}"), &settings);
        }
    }
}

#[test]
fn workers_that_become_much_slower_are_no_limit_of_storage() {
    for seed in 0..SEEDS {
        let settings = settings(seed);
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, Random(seed).between(2.0, 40.0)));
        world.pass(300);
        world.slowness = 3.0;
        world.change();
        assert_eq!(world.pass(240).last.unwrap().ingest_bound, None, "seed {seed}");
        judge(&world.pass(300), "slower by 3", &settings);
    }
}

#[test]
fn demand_that_wanders_by_a_few_percent_moves_nobody() {
    for seed in 0..SEEDS / 4 {
        let settings = Settings { noise: 0.0, dies_every_s: 1e9, ..settings(seed) };
        let mut world = World::new(settings.clone(), Memory::default());
        let around = demand(&settings, Random(seed).between(30.0, 60.0));
        let (mut turns, mut wanted) = (0, 0);
        for ten_seconds in 0..200_u32 {
            world.read(0, around * (1.0 + 0.045 * (f64::from(ten_seconds) / 30.0 * std::f64::consts::TAU).sin()));
            let account = world.pass(10);
            turns += u32::from(account.wanted < wanted && ten_seconds > 60);
            wanted = account.wanted;
        }
        assert_eq!(turns, 0, "seed {seed}: {wanted} workers");
    }
}

#[test]
fn a_program_that_waits_for_its_first_batch_gets_more_workers_by_and_by() {
    let settings = Settings { limits: Limits { most: 6, ..LIMITS }, dies_every_s: 1e9, ..settings(3) };
    let mut world = World::new(settings.clone(), Memory::default());
    // Slides are selected, and no patch comes.
    world.cap = 0.0;
    world.read(0, demand(&settings, 20.0));
    assert_eq!([world.pass(60).wanted, world.pass(60).wanted, world.pass(60).wanted], [2, 6, 6]);
}

#[test]
fn a_validation_loader_holds_its_demand_between_its_readings() {
    for seed in 0..SEEDS {
        let settings = settings(seed);
        let (train, val) = (Random(seed).between(4.0, 30.0), Random(seed + 1).between(1.0, 6.0));
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, train));
        world.pass(300);
        for round in 0..3 {
            world.read(0, 0.0);
            world.read(1, demand(&settings, val));
            let account = world.pass(90);
            judge(&account, &format!("validation {round}"), &settings);
            assert!(f64::from(account.wanted) >= account.needed, "seed {seed}: not held: {account:?}");
            world.read(1, 0.0);
            world.read(0, demand(&settings, train));
            judge(&world.pass(300), &format!("training {round}"), &settings);
        }
    }
}

#[test]
fn storage_that_gives_no_more_is_found_out_and_said() {
    for seed in 0..SEEDS {
        let settings = settings(seed);
        let workers = Random(seed).between(4.0, 12.0);
        let mut world = World::new(settings.clone(), Memory::default());
        world.cap = demand(&settings, workers * 1.1);
        world.read(0, demand(&settings, workers));
        world.pass(300);
        world.read(0, demand(&settings, 3.0 * workers));
        let account = world.pass(600);
        assert_eq!(account.last.unwrap().ingest_bound, Some(IngestBound::Storage), "seed {seed}");
        assert!(account.turns <= 1, "seed {seed}: turned {} times", account.turns);
        // Tripled demand asks for 3.3 times the workers; a step of a half more is the trial, two where the first came with the change.
        let most = 1.5 * 1.5 * 3.3 * 1.3 * workers + 2.0;
        assert!(f64::from(account.largest) <= most, "seed {seed}: {} workers, {most} allowed", account.largest);
        world.cap = f64::INFINITY;
        world.read(0, demand(&settings, workers));
        let account = world.pass(150);
        assert_eq!(account.last.unwrap().ingest_bound, None, "seed {seed}: nothing is bound any more");
        let account = world.pass(600);
        judge(&account, "after", &settings);
        assert_eq!(account.last.unwrap().ingest_bound, None, "seed {seed}");
    }
}

#[test]
fn workers_that_seem_faster_than_they_are_are_found_out_by_starvation() {
    for seed in 0..SEEDS {
        let settings = Settings { flattery: 1.25, dies_every_s: 1e9, ..settings(seed) };
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, Random(seed).between(4.0, 40.0)));
        world.pass(420);
        let account = world.pass(300);
        assert!(account.starvation <= 0.02, "seed {seed}: {account:?}");
        assert!(account.turns <= 1, "seed {seed}: {account:?}");
    }
}

#[test]
fn what_was_found_out_by_starvation_is_forgotten_by_and_by() {
    for seed in 0..SEEDS / 8 {
        let settings = Settings { flattery: 1.4, noise: 0.0, dies_every_s: 1e9, ..settings(seed) };
        let mut world = World::new(settings.clone(), Memory::default());
        world.read(0, demand(&settings, 20.0));
        assert!(world.pass(600).wanted >= 20, "seed {seed}");
        world.flatter(1.0);
        judge(&world.pass(7200), "hours later", &settings);
    }
}

#[test]
fn a_program_that_waits_with_workers_to_spare_gets_no_more() {
    let waits = Observation {
        limits: LIMITS,
        active: true,
        asked_for: 30,
        attached: 30,
        interval_ms: 1000,
        delivered: 1000,
        waited_us: 50_000,
        loaders: vec![Loader { name: "train".into(), demand: 1000.0, rate: 110.0 }],
        ..Observation::default()
    };
    let (mut memory, mut wanted) = (Memory::default(), 30);
    for second in 0..300 {
        let seen = Observation { attached: wanted, ..waits.clone() };
        let (after, decision) = decide(&memory, &seen, second * 1000);
        assert!(decision.wanted <= wanted.max(15), "second {second}: {decision:?}");
        (memory, wanted) = (after, decision.wanted);
    }
    assert!(wanted <= 15, "{wanted}");
}

#[test]
fn a_decision_says_what_it_was_made_from() {
    let seen = Observation {
        limits: LIMITS,
        active: true,
        asked_for: 3,
        loaders: vec![Loader { name: "train".into(), demand: 9600.0, rate: 960.0 }],
        ..Observation::default()
    };
    let (memory, decision) = decide(&Memory::default(), &seen, 0);
    assert_eq!(decision.to_string(), "wanted 11 = 1.10 × 9 600 / 960");
    let limits = Limits { quota: 7, ..LIMITS };
    let (_, decision) = decide(&memory, &Observation { limits, ..seen }, 1000);
    assert_eq!(decision.to_string(), "wanted 11 = 1.10 × 9 600 / 960; has 7: near enough; bound by Quota");
    let (_, decision) = decide(&Memory::warm(4), &Observation { active: true, limits, ..Observation::default() }, 0);
    assert_eq!(decision.to_string(), "wanted 4: the program's pace is not known yet");
}

#[test]
fn quota_and_the_clusters_own_limits_are_never_passed() {
    for seed in 0..SEEDS / 4 {
        for (limits, bound) in [
            (Limits { least: 2, most: 30, quota: 7 }, Some(IngestBound::Quota)),
            (Limits { least: 2, most: 7, quota: 30 }, None),
        ] {
            let settings = Settings { limits, ..settings(seed) };
            let mut world = World::new(settings.clone(), Memory::default());
            world.read(0, demand(&settings, 20.0));
            let account = world.pass(300);
            assert_eq!((account.largest, account.wanted), (7, 7), "seed {seed}");
            assert_eq!(account.last.unwrap().ingest_bound, bound, "seed {seed}");
            world.read(0, demand(&settings, 0.5));
            let account = world.pass(2400);
            assert_eq!((account.wanted, account.turns), (2, 0), "seed {seed}: minReplicas were admitted");
        }
    }
}

#[test]
fn a_standing_cluster_has_no_workers_while_no_job_runs() {
    let limits = Limits { least: 0, most: 8, quota: 8 };
    let settings = Settings { limits, noise: 0.0, dies_every_s: 1e9, ..settings(1) };
    let mut world = World::new(settings.clone(), Memory::default());
    world.active = false;
    assert_eq!(world.pass(30).largest, 0);
    world.active = true;
    assert_eq!(world.pass(3).wanted, 1, "somebody has to select");
    world.read(0, demand(&settings, 3.0));
    assert_eq!(world.pass(120).wanted, 4);
    world.active = false;
    world.read(0, 0.0);
    assert_eq!(world.pass(50).wanted, 4, "the next job may come at once");
    let account = world.pass(15);
    assert_eq!((account.wanted, account.last.map(|last| last.why)), (0, Some(Why::Idle)));
}

#[test]
fn the_next_run_begins_with_the_last_ones_workers() {
    let settings = Settings { dies_every_s: 1e9, ..settings(2) };
    let mut world = World::new(settings, Memory::warm(9));
    let account = world.pass(30);
    assert_eq!((account.wanted, account.last.map(|last| last.why)), (9, Some(Why::Unknown)));
}
