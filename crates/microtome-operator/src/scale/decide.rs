//! How many workers there should be: pure and total. `README.md` beside this file has objective and properties.

use std::fmt;

use super::demand::{Demand, HEADROOM, Loaders};
use super::history::{History, WINDOW_MS};
use super::ingest::{Ingest, IngestBound, STARVED};
use super::observation::Observation;

/// Up as soon as this many times the workers are needed.
const UP_FROM: f64 = 1.05;
/// Down once this part of the workers was enough all the time.
const DOWN_FROM: f64 = 0.90;
/// What stays of the workers in one step down, and the time between two such steps.
const DOWN_STEP: f64 = 0.75;
const DOWN_EVERY_MS: u64 = 30_000;
/// A program that waits for more than this part of the time does nothing else.
const WAITS: f64 = 0.9;
/// Without a job nobody reads; the next job of a queue comes sooner than this.
const IDLE_MS: u64 = 60_000;
/// If the program starves though there should be enough, workers supply less than they seem to: by a tenth more each time, up
/// to twice. Half of what was found is forgotten in half an hour, or a passing trouble would be paid for until the end.
const DOUBT_STEP: f64 = 1.10;
const DOUBT_MOST: f64 = 2.0;
const DOUBT_HALVES_MS: f64 = 1_800_000.0;

/// What the decisions of a cluster remember.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// The workers that are wanted; nothing before the first decision.
    wanted: Option<u32>,
    loaders: Loaders,
    history: History,
    ingest: Ingest,
    /// Since when nobody has been reading.
    idle_since_ms: Option<u64>,
    fell_ms: Option<u64>,
    doubt: Doubt,
}

/// By how much a worker supplies less than it seems to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Doubt {
    /// Above 1.
    excess: f64,
    at_ms: u64,
}

/// How many workers, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) wanted: u32,
    pub(crate) why: Why,
    /// What the number was made from, where it is known.
    pub(crate) demand: Option<Demand>,
    /// The workers that demand asks for, before anything bounds them; 0 where demand is not known.
    pub(crate) needed: u32,
    /// What keeps the program from getting more, where more workers are not the answer.
    pub(crate) ingest_bound: Option<IngestBound>,
}

/// Why it is that many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing is known yet: as many as there were.
    Unknown,
    /// As many as demand asks for, or nearly.
    Steady,
    /// Demand asks for more.
    Demand,
    /// The program starves though there should be enough.
    Starvation,
    /// Fewer have been enough for some time.
    Less,
    /// Fewer would be enough, but not for long enough yet.
    Held,
    /// No job runs.
    Idle,
}

impl Memory {
    /// Begins with as many workers as the last run ended with.
    pub(crate) fn warm(workers: u32) -> Self {
        Self { wanted: Some(workers), ..Self::default() }
    }
}

/// Decides. `now_ms`: milliseconds of any clock that does not go back.
pub(crate) fn decide(before: &Memory, seen: &Observation, now_ms: u64) -> (Memory, Decision) {
    let mut memory = before.clone();
    let (least, ceiling) = (seen.limits.least, seen.limits.ceiling());
    let clamp = |workers: u32| workers.max(least).min(ceiling);
    let wanted = clamp(memory.wanted.unwrap_or(seen.asked_for));
    memory.loaders.note(&seen.loaders);
    let demand = memory.loaders.demand().filter(|_| seen.active);
    let needed = demand.map_or(0.0, Demand::workers);
    memory.history.note(seen, (wanted, needed), now_ms);
    memory.ingest.judge(&memory.history, seen.attached, now_ms);

    let (target, why) = match demand {
        _ if !seen.active => memory.idle(wanted, least, now_ms),
        None => memory.grope((wanted, &clamp), now_ms),
        Some(demand) => memory.follow((wanted, &clamp), demand, now_ms),
    };
    if seen.active {
        memory.idle_since_ms = None;
    }
    // A job that runs has something to select, and somebody must do it.
    let wanted = clamp(target.max(u32::from(seen.active)));
    memory.wanted = Some(wanted);
    let short = ceiling < seen.limits.most && needed > UP_FROM * f64::from(ceiling);
    let ingest_bound = memory.ingest.bound().or(short.then_some(IngestBound::Quota)).filter(|_| seen.active);
    (memory, Decision { wanted, why, demand, needed: to_workers(needed), ingest_bound })
}

impl Memory {
    /// Nobody reads: after a while the least number of workers.
    fn idle(&mut self, wanted: u32, least: u32, now_ms: u64) -> (u32, Why) {
        let since_ms = *self.idle_since_ms.get_or_insert(now_ms);
        // What was asked for is asked for by the next job, or not.
        self.loaders = Loaders::default();
        self.ingest = Ingest::default();
        self.history.forget_needed();
        let over = now_ms.saturating_sub(since_ms) >= IDLE_MS;
        (if over { least } else { wanted }, Why::Idle)
    }

    fn follow(&mut self, (wanted, clamp): (u32, &dyn Fn(u32) -> u32), demand: Demand, now_ms: u64) -> (u32, Why) {
        let needed = demand.workers() * self.doubt.factor(now_ms);
        self.ingest.review((needed, demand.demand), &self.history, now_ms);
        let needed = self.ingest.enough().map_or(needed, |enough| needed.min(f64::from(enough)));
        self.history.note_needed(needed, now_ms);
        if needed > UP_FROM * f64::from(wanted) {
            return match self.rise((wanted, clamp(to_workers(needed))), demand, now_ms) {
                Some(target) => (target, Why::Demand),
                None => (wanted, Why::Steady),
            };
        }
        // With many more than are needed already, one more is no help.
        let are_needed = wanted <= to_workers(needed / DOWN_FROM);
        if are_needed && self.ingest.bound().is_none() && self.starves(STARVED, now_ms) {
            let more = to_workers(f64::from(wanted) * DOUBT_STEP).max(wanted.saturating_add(1));
            if let Some(target) = self.rise((wanted, clamp(more)), demand, now_ms) {
                self.doubt.grow(f64::from(target) / demand.workers(), now_ms);
                return (target, Why::Starvation);
            }
        }
        match self.fall((wanted, clamp), now_ms) {
            Some(target) => (target, Why::Less),
            None if !are_needed && clamp(1) < wanted => (wanted, Why::Held),
            None => (wanted, Why::Steady),
        }
    }

    /// More than this part of the time was waited, and it is nothing that passes.
    fn starves(&self, least: f64, now_ms: u64) -> bool {
        self.history.is_settled(now_ms) && self.history.starved(least, now_ms)
    }

    /// Demand is not known: the program waits for its first batch, for slides that are selected or for patches. It is not left
    /// with a handful of workers.
    fn grope(&mut self, (wanted, clamp): (u32, &dyn Fn(u32) -> u32), now_ms: u64) -> (u32, Why) {
        match self.starves(WAITS, now_ms) {
            true => (clamp(wanted.saturating_mul(2)), Why::Unknown),
            false => (wanted, Why::Unknown),
        }
    }

    fn rise(&mut self, (wanted, target): (u32, u32), demand: Demand, now_ms: u64) -> Option<u32> {
        let target = target.min(self.ingest.allowed(wanted, demand.demand));
        if target <= wanted {
            return None;
        }
        self.ingest.rise((wanted, target), demand.demand, &self.history, now_ms);
        Some(target)
    }

    fn fall(&mut self, (wanted, clamp): (u32, &dyn Fn(u32) -> u32), now_ms: u64) -> Option<u32> {
        let needed = self.history.largest_needed(now_ms)?;
        let enough = clamp(to_workers(needed)).max(1);
        let waits = self.fell_ms.is_some_and(|fell_ms| now_ms.saturating_sub(fell_ms) < DOWN_EVERY_MS);
        if waits || needed >= DOWN_FROM * f64::from(wanted) || enough >= wanted {
            return None;
        }
        self.fell_ms = Some(now_ms);
        self.ingest.fall();
        let step = to_workers(f64::from(wanted) * DOWN_STEP).min(wanted.saturating_sub(1));
        Some(enough.max(step))
    }
}

impl Doubt {
    fn factor(self, now_ms: u64) -> f64 {
        let halves = now_ms.saturating_sub(self.at_ms) as f64 / DOUBT_HALVES_MS;
        1.0 + self.excess * (-halves).exp2()
    }

    fn grow(&mut self, factor: f64, now_ms: u64) {
        let factor = factor.clamp(self.factor(now_ms), DOUBT_MOST);
        *self = Self { excess: factor - 1.0, at_ms: now_ms };
    }
}

/// Rounded up; what is no number of workers is none.
fn to_workers(workers: f64) -> u32 {
    // Sums of floats miss whole numbers by a little. The cast saturates.
    (workers - 1e-9).ceil() as u32
}

const _: () = assert!(WINDOW_MS < IDLE_MS, "what was seen before a pause is not seen after it");

/// As it stands in a status, say `wanted 11 = 1.10 × 9 600 / 960`.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, needed, demand, .. } = self;
        let why = match self.why {
            Why::Unknown => "the program's pace is not known yet",
            Why::Steady => "near enough",
            Why::Demand => "more are needed",
            Why::Starvation => "the program waits all the same",
            Why::Less => "fewer are enough",
            Why::Held => "fewer only if as few are enough for two minutes",
            Why::Idle => "no job runs",
        };
        match demand {
            None => write!(f, "wanted {wanted}: {why}")?,
            Some(Demand { demand, rate }) => {
                let (headroom, demand, rate) = (HEADROOM, grouped(*demand), grouped(*rate));
                write!(f, "wanted {needed} = {headroom:.2} × {demand} / {rate}")?;
                if wanted != needed {
                    write!(f, "; has {wanted}: {why}")?;
                }
            }
        }
        match self.ingest_bound {
            Some(bound) => write!(f, "; bound by {}", bound.said().0.as_str()),
            None => Ok(()),
        }
    }
}

/// Whole, with a space between thousands. The cast saturates.
fn grouped(number: f64) -> String {
    let digits = (number.round() as u64).to_string();
    let group = |(index, digit): (usize, char)| {
        let gap = index > 0 && (digits.len() - index).is_multiple_of(3);
        gap.then_some(' ').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}
