//! A small deterministic world around [`Desk`]: workers that are slow, die, hang, are cut off, answer twice or out of order,
//! come back, are more or fewer with time; a program that reads at its own pace. Time is a number; the seed decides
//! everything.
//!
//! Properties, of a plan's stream and of one that is asked for at run time: every patch once and in order whatever happens;
//! never more bytes than the budget; no deadlock with the least budget that is accepted. A planned stream resumed at any
//! batch is the tail of the whole one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::collections::BTreeMap;
use std::sync::Arc;

use microtome_plan::checkpoint::{Checkpoint, Cursor, Start};
use microtome_plan::dataset::Order;
use microtome_plan::desk::asked::{Asked, Spec};
use microtome_plan::desk::planned::Planned;
use microtome_plan::desk::{Delivery, Desk, Producer};
use microtome_plan::lease::{Grant, LEASE_MS, WorkerId};
use microtome_plan::plan::{Place, Plan, Seat};
use microtome_plan::random::Random;
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{SelectedSlide, Selection};
use microtome_plan::shape::Shape;
use proptest::prelude::*;

/// What may go wrong, each in percent of the occasions.
#[derive(Clone, Copy, Debug)]
struct Faults {
    death: u64,
    hang: u64,
    duplicate: u64,
    fail_once: u64,
    /// The answer arrives, but long after the lease was taken back.
    partition: u64,
    /// While a worker dies or comes, another one joins or is asked to leave.
    scale: u64,
}

#[derive(Clone, Debug)]
struct Scenario {
    counts: Vec<u32>,
    shape: Shape,
    epochs: u64,
    workers: u64,
    slots: u32,
    budget_over_need: u64,
    faults: Faults,
    seed: u64,
    /// Where the stream goes on, as a share of all its batches in percent; 0 is its start.
    resumed_at: u64,
    /// What happens at the start's work before the program says where it goes on.
    ahead: u64,
}

impl Scenario {
    fn steps(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum::<u64>().div_ceil(self.shape.batch)
    }

    fn cursor(&self) -> Cursor {
        let steps = self.steps();
        let batch = steps * self.epochs * self.resumed_at / 100;
        Cursor { epoch: batch.checked_div(steps).unwrap_or(0), step: batch.checked_rem(steps).unwrap_or(0) }
    }
}

/// A patch in this world: which one it is.
type Patch = (u32, u32);

enum Event {
    Answer {
        grant: Grant<microtome_plan::desk::Task>,
        fails: bool,
    },
    Death(WorkerId),
    Arrival,
    /// A worker more or fewer.
    Scale,
}

struct World<S> {
    scenario: Scenario,
    desk: Desk<Patch, S>,
    random: Random,
    now: u64,
    events: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    alive: Vec<WorkerId>,
    born: u64,
    stream: Vec<Patch>,
}

fn budget(scenario: &Scenario) -> u64 {
    scenario.shape.needed_bytes() + scenario.budget_over_need
}

fn planned(scenario: &Scenario) -> Desk<Patch, Planned> {
    let place = (Cursor::default(), scenario.epochs);
    Desk::planned(Arc::new(selection(&scenario.counts)), seat(scenario, 0), place, budget(scenario)).unwrap()
}

impl World<Planned> {
    /// The program says where it goes on, after some work was done for nothing.
    fn resumed(mut self) -> Self {
        if self.scenario.resumed_at == 0 {
            return self;
        }
        for _ in 0..self.scenario.ahead {
            self.grant_all();
            self.step();
        }
        let (selection, seat) = (selection(&self.scenario.counts), seat(&self.scenario, 0));
        let start = Start::Checkpoint(Checkpoint::new(&selection, &seat, self.scenario.cursor()));
        self.desk.resume(&start).unwrap();
        self
    }
}

impl<S: Producer> World<S> {
    fn new(scenario: Scenario, desk: Desk<Patch, S>) -> Self {
        let random = Random::new("world", &[scenario.seed]);
        let mut world = Self {
            desk,
            random,
            now: 0,
            events: BTreeMap::new(),
            scheduled: 0,
            alive: Vec::new(),
            born: 0,
            stream: Vec::new(),
            scenario,
        };
        for _ in 0..world.scenario.workers {
            world.arrive();
        }
        world
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now + delay, self.scheduled), event);
    }

    fn arrive(&mut self) {
        self.born += 1;
        let worker = WorkerId(self.born);
        self.alive.push(worker);
        self.desk.workforce().join(worker, self.scenario.slots);
        if self.chance(self.scenario.faults.death) {
            let delay = self.random.below(500);
            self.at(delay, Event::Death(worker));
        }
        if self.chance(self.scenario.faults.scale) {
            let delay = self.random.below(400);
            self.at(delay, Event::Scale);
        }
    }

    /// A worker more, or one fewer as long as another is left.
    fn scale(&mut self) {
        match self.alive.first().copied() {
            Some(worker) if self.alive.len() > 1 && self.chance(50) => {
                self.alive.retain(|alive| *alive != worker);
                self.desk.workforce().leave(worker);
            }
            _ if self.born < 40 => self.arrive(),
            _ => {}
        }
    }

    fn grant_all(&mut self) {
        while let Some(grant) = self.desk.grant(self.now) {
            if self.chance(self.scenario.faults.hang) {
                continue;
            }
            let fails = grant.attempt == 1 && self.chance(self.scenario.faults.fail_once);
            let copies = 1 + u64::from(self.chance(self.scenario.faults.duplicate));
            for _ in 0..copies {
                let cut_off = if self.chance(self.scenario.faults.partition) { LEASE_MS } else { 0 };
                let delay = cut_off + 1 + self.random.below(100);
                self.at(delay, Event::Answer { grant: grant.clone(), fails });
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrive(),
            Event::Scale => self.scale(),
            Event::Death(worker) => {
                self.alive.retain(|alive| *alive != worker);
                self.desk.workforce().leave(worker);
                let delay = self.random.below(300);
                self.at(delay, Event::Arrival);
            }
            // What a dead worker sent may still be on its way: the desk, not the wire, must drop it.
            Event::Answer { grant, fails: true } => {
                self.desk.fail(grant.lease, grant.attempt);
            }
            Event::Answer { grant, fails: false } => {
                let patches = grant.work.work.places.iter().map(which).collect();
                let delivery = self.desk.deliver(grant.lease, grant.attempt, patches);
                assert!(matches!(delivery, Delivery::Accepted | Delivery::Stale));
            }
        }
    }

    fn read(&mut self) {
        while let Some(batch) = self.desk.batch() {
            assert!(batch.patches.len() as u64 <= self.scenario.shape.batch);
            self.desk.release(batch.patches.len());
            self.stream.extend(batch.patches);
        }
    }

    fn step(&mut self) {
        match self.events.pop_first() {
            Some(((time, _), event)) => {
                self.now = self.now.max(time);
                self.handle(event);
            }
            None => self.now += LEASE_MS,
        }
        self.desk.workforce().expire(self.now);
    }

    fn run(mut self) -> (Vec<Patch>, u64) {
        // Far more than any scenario takes; a stream that needs more is stuck.
        for _ in 0..200_000 {
            self.grant_all();
            self.read();
            if self.desk.is_finished() {
                assert_eq!(self.desk.credit().held(), 0, "bytes leaked");
                return (self.stream, self.desk.credit().peak());
            }
            self.step();
        }
        panic!("stuck at patch {} with {} bytes held", self.stream.len(), self.desk.credit().held());
    }
}

fn which(place: &Place) -> Patch {
    (place.slide, place.at.x as u32)
}

fn selection(counts: &[u32]) -> Selection {
    let slides = (0..)
        .zip(counts)
        .map(|(index, count)| SelectedSlide {
            index,
            entry: Arc::default(),
            etag: None,
            size_bytes: 0,
            coordinates: (0..*count as i32).map(|x| Coordinate { x, y: 0 }).collect(),
        })
        .collect();
    Selection { slides, quarantined: Vec::new() }
}

fn seat(scenario: &Scenario, epoch: u64) -> Seat {
    Seat { seed: scenario.seed, epoch, order: Order::Shuffled, shape: scenario.shape }
}

/// What the program must see, taken from the plan alone.
fn expected(scenario: &Scenario) -> Vec<Patch> {
    let selection = Arc::new(selection(&scenario.counts));
    let epoch = |epoch| {
        let mut places: Vec<Place> =
            Plan::new(&selection, seat(scenario, epoch)).works().flat_map(|work| work.places).collect();
        places.sort_by_key(|place| place.position);
        places.iter().map(which).collect::<Vec<_>>()
    };
    let cursor = scenario.cursor();
    let seen = (cursor.step * scenario.shape.batch) as usize;
    (cursor.epoch..scenario.epochs).flat_map(epoch).skip(seen).collect()
}

prop_compose! {
    fn scenarios()(
        counts in prop::collection::vec(0_u32..60, 1..6),
        (batch, lanes, block, window) in (1_u64..24, 1_u64..8, 1_u64..8, 1_u64..3),
        (epochs, workers, slots) in (1_u64..3, 1_u64..6, 1_u32..4),
        budget_over_need in 0_u64..200,
        (death, hang, duplicate, fail_once) in (0_u64..60, 0_u64..20, 0_u64..50, 0_u64..30),
        (partition, scale) in (0_u64..20, 0_u64..60),
        seed in any::<u64>(),
        resumed_at in prop_oneof![Just(0_u64), 0_u64..=100],
        ahead in 0_u64..40,
    ) -> Scenario {
        Scenario {
            counts, epochs, workers, slots, budget_over_need, seed, resumed_at, ahead,
            shape: Shape { batch, lanes: lanes.min(batch), block, window, patch_bytes: 3 },
            faults: Faults { death, hang, duplicate, fail_once, partition, scale },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn every_patch_arrives_once_and_in_order_through_any_fault(scenario in scenarios()) {
        let (stream, peak) = World::new(scenario.clone(), planned(&scenario)).resumed().run();
        prop_assert_eq!(stream, expected(&scenario));
        prop_assert!(peak <= budget(&scenario));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_asked_for_arrives_once_and_in_the_order_of_the_asking(
        scenario in scenarios(),
        rounds in prop::collection::vec(prop::collection::vec((0_u32..4, 0_i32..3000), 0..80), 1..5),
    ) {
        let budget = 2 * scenario.shape.batch * scenario.shape.patch_bytes + scenario.budget_over_need;
        let mut desk = Desk::<Patch, Asked>::asked(scenario.shape, budget).unwrap();
        for round in &rounds {
            desk.ask(round.iter().map(|(slide, x)| Spec { slide: *slide, at: Coordinate { x: *x, y: x % 7 } }).collect());
        }
        desk.close();
        let (stream, peak) = World::new(scenario, desk).run();
        let asked: Vec<Patch> = rounds.concat().into_iter().map(|(slide, x)| (slide, x as u32)).collect();
        prop_assert_eq!(stream, asked);
        prop_assert!(peak <= budget);
    }
}

#[test]
fn a_budget_below_the_need_is_refused_with_the_number() {
    let shape = Shape { batch: 32, lanes: 16, block: 21, window: 2, patch_bytes: 196_608 };
    let seat = Seat { seed: 0, epoch: 0, order: Order::Shuffled, shape };
    let error =
        Desk::<Patch, _>::planned(Arc::new(selection(&[88])), seat, (Cursor::default(), 1), 64 << 20).unwrap_err();
    assert_eq!(error.needed, 704 * 196_608);
    assert!(error.to_string().contains("need 132 MiB, the budget is 64 MiB"), "{error}");
}
