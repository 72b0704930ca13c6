//! How fast the program would read a dataset if it never waited: what the number of workers is decided by.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Steps that say how fast the program is now: the median of fifteen is off by some 2 % where steps differ by 10 %, and a new
/// pace is seen after eight.
const LATELY: usize = 15;
/// Steps that say it more exactly, as long as the pace stays the same.
const LONG: usize = 64;
/// The pace is the same if the two differ by no more.
const SAME: f64 = 0.08;
/// What the hand-off takes when the batch is there: no worker could shorten it.
const HANDING: Duration = Duration::from_millis(1);
/// Nothing takes less; keeps a step of nothing from being an endless demand.
const LEAST_STEP: Duration = Duration::from_micros(10);

/// The steps of a dataset's readers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    readers: BTreeMap<u64, Reader>,
    waited: Duration,
    /// Since when the first batch of all has been waited for.
    first: Option<Instant>,
}

#[derive(Debug, Default)]
struct Reader {
    /// When its last step began; waiting that is told later included.
    began: Option<Instant>,
    /// It has asked, and got nothing yet.
    is_new: bool,
    steps: VecDeque<Duration>,
}

impl Pace {
    /// A reader asks for as many batches as it has used up since it asked last, and says how long it waited for them.
    pub(super) fn asks(&mut self, reader: u64, batches: u64, waited: Duration, now: Instant) {
        self.wait(waited, batches);
        let reader = self.readers.entry(reader).or_insert_with(|| Reader { is_new: true, ..Reader::default() });
        if let (Some(began), Ok(batches @ 1..)) = (reader.began.replace(now), u32::try_from(batches)) {
            reader.step((now - began).saturating_sub(waited) / batches);
        }
    }

    /// A reader's batch is handed to it. How long it waited for the first one it never says.
    pub(super) fn handed(&mut self, reader: u64, now: Instant) {
        if let Some(reader) = self.readers.get_mut(&reader).filter(|reader| reader.is_new) {
            (reader.began, reader.is_new) = (Some(now), false);
        }
    }

    /// A reader that says nothing of its waiting took a batch: it was `busy` with the one before until the head began to wait
    /// for this one, for `waited`. It may have been busy in half of that as well, or nobody would ever know that it is slow.
    pub(super) fn takes(&mut self, reader: u64, busy: Duration, waited: Duration) {
        self.wait(waited, 1);
        self.readers.entry(reader).or_default().step(busy.max((busy + waited) / 2));
    }

    /// A reader is at the start of another reading: what lies between is no step.
    pub(super) fn turns(&mut self, reader: u64) {
        if let Some(reader) = self.readers.get_mut(&reader) {
            reader.began = None;
        }
    }

    /// A reader is gone. If another one takes its place, its steps are held until that has made some.
    pub(super) fn leaves(&mut self, reader: u64, is_replaced: bool) {
        match self.readers.get_mut(&reader) {
            Some(reader) if is_replaced => (reader.began, reader.is_new) = (None, true),
            _ => drop(self.readers.remove(&reader)),
        }
    }

    /// The first batch is being waited for, or is there.
    pub(super) fn waits_for_first(&mut self, since: Option<Instant>, now: Instant) {
        if let (Some(began), None) = (self.first, since) {
            self.waited += now - began;
        }
        self.first = since;
    }

    /// How long the readers have waited so far.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        self.waited + self.first.map_or(Duration::ZERO, |since| now - since)
    }

    /// Patches a second that the readers would take, of batches of `batch` patches; `None` before there was a step.
    pub(super) fn demand(&self, batch: u32) -> Option<f64> {
        let steps = self.readers.values().filter_map(Reader::pace);
        let demand: f64 = steps.map(|step| f64::from(batch) / step.as_secs_f64()).sum();
        (demand > 0.0).then_some(demand)
    }

    fn wait(&mut self, waited: Duration, batches: u64) {
        let handing = HANDING.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX));
        self.waited += waited.saturating_sub(handing);
    }
}

impl Reader {
    fn step(&mut self, step: Duration) {
        if self.steps.len() == LONG {
            self.steps.pop_front();
        }
        self.steps.push_back(step.max(LEAST_STEP));
    }

    fn pace(&self) -> Option<Duration> {
        let long = median(self.steps.iter())?;
        let lately = median(self.steps.iter().rev().take(LATELY))?;
        let same = lately.abs_diff(long).as_secs_f64() <= SAME * long.as_secs_f64();
        Some(if same { long } else { lately })
    }
}

fn median<'a>(steps: impl Iterator<Item = &'a Duration>) -> Option<Duration> {
    let mut steps: Vec<Duration> = steps.copied().collect();
    let middle = steps.len() / 2;
    (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A program that asks, waits, and trains; the time goes on.
    fn train(pace: &mut Pace, now: &mut Instant, (steps, wait, step): (u32, Duration, Duration)) {
        for _ in 0..steps {
            *now += wait + step;
            pace.asks(0, 1, wait, *now);
        }
    }

    #[test]
    fn a_step_is_what_lies_between_two_requests_without_the_waiting() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        pace.asks(0, 2, ms(0), now);
        assert_eq!(pace.demand(32), None);
        now += ms(900);
        pace.handed(0, now);
        train(&mut pace, &mut now, (1, ms(0), ms(100)));
        assert_eq!(pace.demand(32), Some(320.0), "how long the first batch took is not told, and no step");
        train(&mut pace, &mut now, (20, ms(50), ms(100)));
        assert_eq!(pace.demand(32), Some(320.0));
        assert_eq!(pace.waited(now), ms(20 * 49), "what the hand-off takes is no worker's");
    }

    #[test]
    fn a_new_pace_is_seen_after_eight_steps_and_one_long_pause_never() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        pace.asks(0, 1, ms(0), now);
        train(&mut pace, &mut now, (100, ms(0), ms(100)));
        train(&mut pace, &mut now, (1, ms(0), ms(60_000)));
        assert_eq!(pace.demand(1), Some(10.0), "validation is no step");
        train(&mut pace, &mut now, (7, ms(5), ms(25)));
        assert_eq!(pace.demand(1), Some(10.0));
        train(&mut pace, &mut now, (1, ms(5), ms(25)));
        assert_eq!(pace.demand(1), Some(40.0));
    }

    #[test]
    fn another_reading_is_no_step_and_a_gone_reader_holds_its_demand() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        pace.asks(0, 1, ms(0), now);
        train(&mut pace, &mut now, (3, ms(0), ms(100)));
        pace.turns(0);
        train(&mut pace, &mut now, (1, ms(0), ms(9_000)));
        pace.leaves(0, true);
        train(&mut pace, &mut now, (1, ms(0), ms(9_000)));
        assert_eq!(pace.demand(1), Some(10.0));
        pace.asks(7, 1, ms(0), now);
        pace.asks(7, 1, ms(0), now + ms(200));
        assert_eq!(pace.demand(1), Some(15.0), "two that ask for themselves");
        pace.leaves(7, false);
        assert_eq!(pace.demand(1), Some(10.0));
    }

    #[test]
    fn who_says_nothing_asks_for_twice_what_it_gets_at_most() {
        let mut pace = Pace::default();
        pace.takes(0, ms(1), ms(99));
        assert_eq!(pace.demand(1), Some(20.0));
        let mut pace = Pace::default();
        pace.takes(0, ms(100), ms(0));
        assert_eq!(pace.demand(1), Some(10.0));
    }

    #[test]
    fn waiting_for_the_first_batch_is_waiting_while_it_lasts() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.waits_for_first(Some(now), now);
        assert_eq!(pace.waited(now + ms(700)), ms(700));
        pace.waits_for_first(None, now + ms(900));
        assert_eq!(pace.waited(now + ms(5000)), ms(900));
    }
}
