//! What was seen in the last seconds: delivery, starvation, and the largest number of workers that was needed.

use std::collections::VecDeque;

use super::observation::{Observation, Stall};

/// Starvation and delivery are looked at over this.
pub(super) const WINDOW_MS: u64 = 20_000;
/// After a change of workers: what waited before it is told with the next batch, and new workers open their slides first.
const SETTLE_MS: u64 = 8_000;
/// Needs that differ by more are not the same any more: what was waited meanwhile is owed to the change.
const SAME: f64 = 0.10;
/// Fewer workers are asked for only if as few were enough for this long.
const HOLD_MS: u64 = 120_000;

/// The last seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    /// When how many workers would have been enough.
    peaks: VecDeque<(u64, f64)>,
    /// The workers that are connected and asked for, and since when.
    crew: (u32, u32),
    /// The workers that were needed then, before anything bounds them.
    needed: f64,
    since_ms: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sample {
    at_ms: u64,
    interval_ms: u64,
    delivered: u64,
    waited_us: u64,
    stall: Stall,
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Patches a second.
    pub(super) delivery: f64,
    /// The part of the time that the program waited, 0 to 1.
    pub(super) starvation: f64,
    pub(super) stall: Stall,
}

impl History {
    /// Notes what was seen with so many workers wanted, and so many needed.
    pub(super) fn note(&mut self, seen: &Observation, (wanted, needed): (u32, f64), now_ms: u64) {
        let Observation { interval_ms, delivered, waited_us, stall, .. } = *seen;
        self.samples.push_back(Sample { at_ms: now_ms, interval_ms, delivered, waited_us, stall });
        while self.samples.front().is_some_and(|sample| sample.at_ms + WINDOW_MS <= now_ms) {
            self.samples.pop_front();
        }
        let crew = (seen.attached, wanted);
        if self.crew != crew || (needed - self.needed).abs() > SAME * self.needed {
            (self.crew, self.needed, self.since_ms) = (crew, needed, now_ms);
        }
    }

    /// The last seconds, whatever happened in them.
    pub(super) fn lately(&self) -> Seen {
        seen(self.samples.iter())
    }

    /// Whether there was more starvation than this in each third of the window: a wait that is over, or has just begun, may be
    /// of a change.
    pub(super) fn starved(&self, least: f64, now_ms: u64) -> bool {
        let starved = |third: u64| {
            let ages = (third * WINDOW_MS / 3)..((third + 1) * WINDOW_MS / 3);
            let samples = self.samples.iter().filter(|sample| ages.contains(&now_ms.saturating_sub(sample.at_ms)));
            seen(samples).starvation > least
        };
        (0..3).all(starved)
    }

    /// Whether it was the same workers and needs for a whole window.
    pub(super) fn is_settled(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.since_ms) >= SETTLE_MS + WINDOW_MS
    }

    /// Notes how many workers would be enough now.
    pub(super) fn note_needed(&mut self, needed: f64, now_ms: u64) {
        // The newest that is too old stays: without it nobody could say that the window is full.
        while self.peaks.get(1).is_some_and(|(at_ms, _)| at_ms + HOLD_MS <= now_ms) {
            self.peaks.pop_front();
        }
        self.peaks.push_back((now_ms, needed));
    }

    /// Looks back no further than now.
    pub(super) fn forget_needed(&mut self) {
        self.peaks.clear();
    }

    /// How many workers would have been enough all the time; nothing where the past is too short to say.
    pub(super) fn largest_needed(&self, now_ms: u64) -> Option<f64> {
        let full = self.peaks.front().is_some_and(|(at_ms, _)| at_ms + HOLD_MS <= now_ms);
        full.then(|| self.peaks.iter().map(|(_, needed)| *needed).fold(0.0, f64::max))
    }
}

fn seen<'a>(samples: impl Iterator<Item = &'a Sample>) -> Seen {
    let (mut all, mut seen) = (Sample::default(), Seen::default());
    for sample in samples {
        all.interval_ms = all.interval_ms.saturating_add(sample.interval_ms);
        all.delivered = all.delivered.saturating_add(sample.delivered);
        all.waited_us = all.waited_us.saturating_add(sample.waited_us);
        seen.stall += sample.stall;
    }
    let ms = all.interval_ms.max(1) as f64;
    seen.delivery = all.delivered as f64 * 1000.0 / ms;
    seen.starvation = (all.waited_us as f64 / 1000.0 / ms).clamp(0.0, 1.0);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(attached: u32, delivered: u64, waited_us: u64) -> Observation {
        Observation { attached, interval_ms: 1000, delivered, waited_us, ..Observation::default() }
    }

    #[test]
    fn a_window_is_settled_when_it_had_the_same_workers_all_the_time() {
        let mut history = History::default();
        for second in 0..=40 {
            history.note(&seen(if second < 3 { 1 } else { 2 }, 100, 10_000), (2, 9.0), second * 1000);
            assert_eq!(history.is_settled(second * 1000), second >= 3 + 28, "{second}");
        }
        history.note(&seen(2, 100, 10_000), (2, 9.8), 41_000);
        assert!(history.is_settled(41_000));
        history.note(&seen(2, 100, 10_000), (2, 10.0), 42_000);
        assert!(!history.is_settled(42_000), "more is needed");
        let lately = history.lately();
        assert!((lately.delivery - 100.0).abs() < 1e-9 && (lately.starvation - 0.01).abs() < 1e-9, "{lately:?}");
    }

    #[test]
    fn the_largest_need_is_that_of_all_the_time_that_is_looked_back_at() {
        let mut history = History::default();
        for second in 0..300 {
            history.note_needed(if second == 130 { 9.0 } else { 2.0 }, second * 1000);
            let expected = match second {
                0..120 => None,
                130..=250 => Some(9.0),
                _ => Some(2.0),
            };
            assert_eq!(history.largest_needed(second * 1000), expected, "{second}");
        }
        history.forget_needed();
        assert_eq!(history.largest_needed(300_000), None);
    }
}
