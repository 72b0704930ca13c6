//! A head, its workers and a training program in virtual time, seeded: patches as a fluid, batches and pods one by one.
//!
//! Pods start late, die and are replaced, are fast or slow and become slower; the program's step time changes, a validation
//! loader comes and goes, storage has a limit, and what the head measures is noisy.

use std::collections::VecDeque;

use super::decide::{Decision, Memory, decide};
use super::observation::{Limits, Loader, Observation, Stall};

const TICK_MS: u64 = 20;
const REPORT_MS: u64 = 1000;
/// What the head's memory holds ahead.
const BATCHES_AHEAD: f64 = 6.0;

/// splitmix64: the same numbers everywhere.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

/// A pod from when it is asked for.
struct Worker {
    ready_ms: u64,
    rate: f64,
}

/// A dataset and who reads it.
struct Reader {
    name: &'static str,
    batch: f64,
    step_ms: f64,
    reads: bool,
    buffered: f64,
    busy_until_ms: f64,
    steps: VecDeque<(u64, f64)>,
}

/// What is given to a world.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) limits: Limits,
    /// Patches a second of a worker.
    pub(super) rate: f64,
    /// How much workers and steps differ from each other, and measurements from the truth: 0 to 1.
    pub(super) noise: f64,
    /// Mean seconds until a pod dies, over all pods.
    pub(super) dies_every_s: f64,
    /// By how much workers seem faster than they are.
    pub(super) flattery: f64,
}

/// What happened in a stretch of time.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Of the time that counts, what the program waited.
    pub(super) starvation: f64,
    /// Turns of direction between two changes of anything.
    pub(super) turns: u32,
    /// At the end.
    pub(super) wanted: u32,
    pub(super) needed: f64,
    pub(super) largest: u32,
    pub(super) last: Option<Decision>,
}

pub(super) struct World {
    settings: Settings,
    random: Random,
    now_ms: u64,
    workers: Vec<Worker>,
    readers: Vec<Reader>,
    /// All workers are slower by this.
    pub(super) slowness: f64,
    /// Patches a second that storage gives.
    pub(super) cap: f64,
    pub(super) active: bool,
    memory: Memory,
    pub(super) wanted: u32,
    report: Observation,
    /// Patches that came from workers since the last report.
    arrived: f64,
    rates: VecDeque<f64>,
    changed_ms: u64,
    fell_ms: Option<u64>,
}

impl World {
    pub(super) fn new(settings: Settings, memory: Memory) -> Self {
        let random = Random(settings.seed);
        let wanted = settings.limits.least;
        let mut world = Self {
            settings,
            random,
            now_ms: 0,
            workers: Vec::new(),
            readers: Vec::new(),
            slowness: 1.0,
            cap: f64::INFINITY,
            active: true,
            memory,
            wanted,
            report: Observation::default(),
            arrived: 0.0,
            rates: VecDeque::new(),
            changed_ms: 0,
            fell_ms: None,
        };
        world.add_reader("train");
        world.add_reader("val");
        world.start_pods();
        world
    }

    fn add_reader(&mut self, name: &'static str) {
        let (batch, steps) = (0.0, VecDeque::new());
        self.readers.push(Reader { name, batch, step_ms: 0.0, reads: false, buffered: 0.0, busy_until_ms: 0.0, steps });
    }

    /// From now on the loader is read with this demand in patches a second; 0 stops the reading.
    pub(super) fn read(&mut self, loader: usize, demand: f64) {
        let reader = &mut self.readers[loader];
        reader.reads = demand > 0.0;
        if reader.reads {
            if reader.batch == 0.0 {
                // The first step takes from a fifth of a second to three seconds.
                reader.batch = (demand * self.random.between(0.2, 3.0)).ceil();
            }
            reader.step_ms = reader.batch / demand * 1000.0;
        }
        self.changed_ms = self.now_ms;
    }

    /// From now on workers seem faster than they are by this.
    pub(super) fn flatter(&mut self, flattery: f64) {
        self.settings.flattery = flattery;
    }

    /// Something else changed.
    pub(super) fn change(&mut self) {
        self.changed_ms = self.now_ms;
    }

    fn start_pods(&mut self) {
        while self.workers.len() < self.wanted as usize {
            let ready_ms = self.now_ms + self.random.between(2000.0, 15_000.0) as u64;
            let noise = self.settings.noise;
            let rate = self.settings.rate * self.random.between(1.0 - noise, 1.0 + noise);
            self.workers.push(Worker { ready_ms, rate });
        }
        // The Deployment removes pods that are not ready first.
        self.workers.sort_by_key(|worker| worker.ready_ms);
        self.workers.truncate(self.wanted as usize);
    }

    fn ready(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(|worker| worker.ready_ms <= self.now_ms)
    }

    /// Patches a second that all workers make if they have work all the time.
    fn capacity(&self) -> f64 {
        self.ready().map(|worker| worker.rate / self.slowness).sum()
    }

    /// Workers that what was read so far needs, no more.
    pub(super) fn needed(&self) -> f64 {
        let read = self.readers.iter().filter(|reader| !reader.steps.is_empty());
        let demand: f64 = read.map(|reader| reader.batch / reader.step_ms * 1000.0).sum();
        demand / (self.settings.rate / self.slowness)
    }

    /// Lets time pass. Waiting counts from a minute after the last change of anything.
    pub(super) fn pass(&mut self, seconds: u64) -> Account {
        let mut account = Account::default();
        let (mut counted_ms, mut waited_ms, mut direction, mut changed_ms) = (0, 0.0, 0, self.changed_ms);
        for _ in 0..seconds * 1000 / TICK_MS {
            let waited = self.tick();
            if self.now_ms >= self.changed_ms + 60_000 {
                counted_ms += TICK_MS;
                waited_ms += waited;
            }
            if self.now_ms.is_multiple_of(REPORT_MS) {
                let before = self.wanted;
                if changed_ms != self.changed_ms {
                    (direction, changed_ms) = (0, self.changed_ms);
                }
                account.last = Some(self.decide());
                self.check_fall(before);
                let sign = i64::from(self.wanted) - i64::from(before);
                if sign != 0 {
                    account.turns += u32::from(direction != 0 && direction != sign.signum());
                    direction = sign.signum();
                }
                account.largest = account.largest.max(self.wanted);
            }
        }
        account.starvation = waited_ms / (counted_ms.max(1) as f64);
        (account.wanted, account.needed) = (self.wanted, self.needed());
        account
    }

    /// Of workers that are read from, a quarter goes in half a minute, or one.
    fn check_fall(&mut self, before: u32) {
        if self.wanted >= before || !self.active {
            return;
        }
        let least = (f64::from(before) * 0.75).min(f64::from(before) - 1.0);
        let often = self.fell_ms.is_some_and(|fell_ms| self.now_ms < fell_ms + 30_000);
        assert!(f64::from(self.wanted) >= least && !often, "{before} -> {}: {:?}", self.wanted, self.settings);
        self.fell_ms = Some(self.now_ms);
    }

    /// Returns for how many milliseconds the program waited.
    fn tick(&mut self) -> f64 {
        self.now_ms += TICK_MS;
        let ready = self.ready().count();
        if ready > 0 && self.random.next() < TICK_MS as f64 / 1000.0 / self.settings.dies_every_s {
            let victim = (self.random.next() * ready as f64) as usize;
            self.workers.remove(victim);
            self.start_pods();
            self.change();
        }
        let mut made = self.capacity().min(self.cap) * TICK_MS as f64 / 1000.0;
        let now_ms = self.now_ms;
        let mut waited = 0.0_f64;
        for reader in &mut self.readers {
            let taken = made.min(BATCHES_AHEAD * reader.batch - reader.buffered).max(0.0);
            reader.buffered += taken;
            self.arrived += taken;
            made -= taken;
            let mut idle = 0.0;
            while reader.reads && reader.busy_until_ms <= now_ms as f64 {
                if reader.buffered < reader.batch {
                    idle = TICK_MS as f64;
                    reader.busy_until_ms = now_ms as f64 + 0.001;
                    break;
                }
                reader.buffered -= reader.batch;
                let jitter = self.settings.noise.min(0.1);
                let step_ms = reader.step_ms * self.random.between(1.0 - jitter, 1.0 + jitter);
                let begins = reader.busy_until_ms.max((now_ms - TICK_MS) as f64);
                reader.busy_until_ms = begins + step_ms;
                reader.steps.push_back((reader.busy_until_ms as u64, step_ms));
            }
            waited = waited.max(idle);
        }
        self.report.waited_us += (waited * 1000.0) as u64;
        waited
    }

    fn decide(&mut self) -> Decision {
        let capped = (self.cap / self.capacity()).min(1.0);
        let mut rates: Vec<f64> = self.ready().map(|worker| worker.rate / self.slowness * capped).collect();
        rates.sort_by(f64::total_cmp);
        if !rates.is_empty() {
            let median = rates[(rates.len() - 1) / 2].midpoint(rates[rates.len() / 2]);
            let noise = self.settings.noise * 0.3;
            self.rates.push_back(median * self.settings.flattery * self.random.between(1.0 - noise, 1.0 + noise));
        }
        while self.rates.len() > 8 {
            self.rates.pop_front();
        }
        let rate = self.rates.iter().sum::<f64>() / self.rates.len().max(1) as f64;
        let waited_us = self.report.waited_us;
        let storage_us = if capped < 1.0 { waited_us } else { 0 };
        let seen = Observation {
            limits: self.settings.limits,
            active: self.active,
            asked_for: self.wanted,
            attached: rates.len() as u32,
            interval_ms: REPORT_MS,
            delivered: std::mem::take(&mut self.arrived) as u64,
            stall: Stall { storage_us, queue_us: waited_us - storage_us, ..Stall::default() },
            loaders: self.readers.iter_mut().map(|reader| measure(reader, rate, self.now_ms)).collect(),
            ..std::mem::take(&mut self.report)
        };
        let (memory, decision) = decide(&self.memory, &seen, self.now_ms);
        self.memory = memory;
        self.wanted = decision.wanted;
        self.start_pods();
        decision
    }
}

/// As a head measures: see `Pace` in `microtome-feed`.
fn measure(reader: &mut Reader, rate: f64, now_ms: u64) -> Loader {
    let over: Vec<f64> =
        reader.steps.iter().rev().filter(|(at_ms, _)| *at_ms <= now_ms).map(|(_, step)| *step).take(64).collect();
    reader.steps.drain(..reader.steps.len().saturating_sub(80));
    let median = |steps: &[f64]| {
        let mut steps = steps.to_vec();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied()
    };
    let demand = median(&over[..over.len().min(15)]).zip(median(&over)).map_or(0.0, |(lately, long)| {
        let step = if (lately - long).abs() <= 0.08 * long { long } else { lately };
        reader.batch / step * 1000.0
    });
    // A head may forget a loader that nobody reads from; the decision must not.
    let demand = if reader.reads { demand } else { 0.0 };
    Loader { name: reader.name.to_owned(), demand, rate: if demand > 0.0 { rate } else { 0.0 } }
}
