//! Whether more workers bring more patches: each rise is a trial, and one that brought nothing is gone back on.

use microtome_api::condition::Reason;

use super::history::{History, Seen};
use super::observation::Stall;

/// A rise of less is not judged: what it brings is lost in the noise.
const JUDGED_FROM: f64 = 1.20;
/// What a judged rise has to bring.
const LEAST_GAIN: f64 = 1.07;
/// Waiting of less than this is none.
pub(super) const STARVED: f64 = 0.01;
/// Workers may come and go, and needs change, for so long; then what was seen last has to do.
const PATIENCE_MS: u64 = 120_000;
/// After this it is tried again: storage may have become faster.
const RETRY_AFTER_MS: u64 = 900_000;
/// Demand that rose by this much since the last rise is a reason of its own for the next one.
const DEMAND_ROSE: f64 = 1.20;
/// A rise without more demand: workers were found to be slower than they were. Storage that is at its limit looks the same.
const LARGEST_STEP: f64 = 1.5;

/// What limits the patches that reach the program, if not the number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IngestBound {
    /// Storage gives no more.
    Storage,
    /// The head's network takes no more.
    HeadNetwork,
    /// The head itself takes no more: copying, or its memory for patches.
    HeadCPU,
    /// The team's quota allows no more workers.
    Quota,
}

impl IngestBound {
    /// As it stands in a condition, and what that means.
    pub(crate) fn said(self) -> (Reason, &'static str) {
        match self {
            Self::Storage => (Reason::Storage, "more workers brought no more patches: the storage gives no more"),
            Self::HeadNetwork => {
                (Reason::HeadNetwork, "more workers brought no more patches: the head's network takes no more")
            }
            Self::HeadCPU => {
                (Reason::HeadCPU, "more workers brought no more patches: give the head more CPU or memory")
            }
            Self::Quota => (Reason::Quota, "more workers are needed than the team's max or the nodes allow"),
        }
    }

    /// What most of the waiting was for.
    fn of(stall: &Stall) -> Self {
        let head = stall.copy_us.saturating_add(stall.queue_us).saturating_add(stall.decode_us);
        let most = stall.storage_us.max(stall.network_us).max(head);
        match most {
            _ if most == stall.storage_us => Self::Storage,
            _ if most == stall.network_us => Self::HeadNetwork,
            _ => Self::HeadCPU,
        }
    }
}

/// What is known of the use of more workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ingest {
    trial: Option<Trial>,
    bound: Option<Bound>,
    /// The demand that the last rise was for; falls with demand.
    met: f64,
}

/// Workers were added, and whether it was of use is not known yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trial {
    from: u32,
    to: u32,
    /// Patches a second before.
    delivery: f64,
    /// Whether more can be expected of more workers: there was more demand, or it had been the same workers and needs for some
    /// time. Else they may be slower than they were when delivery was noted, and the next trial has to tell.
    trusted: bool,
    since_ms: u64,
}

/// More workers than these brought nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound {
    enough: u32,
    what: IngestBound,
    since_ms: u64,
}

impl Ingest {
    /// Judges the trial that is under way, if enough was seen. A judged trial is over. `attached`: connected workers.
    pub(super) fn judge(&mut self, history: &History, attached: u32, now_ms: u64) {
        let Some(trial) = self.trial else { return };
        let over = now_ms.saturating_sub(trial.since_ms) >= PATIENCE_MS;
        let came = trial.is_judged() && f64::from(attached) >= JUDGED_FROM * f64::from(trial.from);
        let is_clear = came && history.is_settled(now_ms);
        if !over && !is_clear {
            return;
        }
        self.trial = None;
        let Seen { delivery, stall, .. } = history.lately();
        if came && trial.trusted && delivery < LEAST_GAIN * trial.delivery {
            let what = IngestBound::of(&stall);
            self.bound = Some(Bound { enough: trial.from, what, since_ms: now_ms });
        }
    }

    /// Lets go of what was found out, where it is old or no longer matters.
    pub(super) fn review(&mut self, (needed, demand): (f64, f64), history: &History, now_ms: u64) {
        self.met = self.met.min(demand);
        let stands = |bound: &Bound| {
            let is_new = now_ms.saturating_sub(bound.since_ms) < RETRY_AFTER_MS;
            is_new && needed > f64::from(bound.enough) && history.lately().starvation > STARVED
        };
        self.bound = self.bound.filter(stands);
    }

    /// What limits delivery, if it is known to.
    pub(super) fn bound(&self) -> Option<IngestBound> {
        self.bound.map(|bound| bound.what)
    }

    /// The workers beyond which none are of use.
    pub(super) fn enough(&self) -> Option<u32> {
        self.bound.map(|bound| bound.enough)
    }

    /// How far a rise may go now; while the last one is not judged, no further than from where that began.
    pub(super) fn allowed(&self, wanted: u32, demand: f64) -> u32 {
        if self.rose(demand) {
            return u32::MAX;
        }
        let from = self.trial.filter(|trial| trial.is_judged()).map_or(wanted, |trial| trial.from);
        (f64::from(from) * LARGEST_STEP).ceil() as u32
    }

    /// Workers are added. A trial that was not judged yet goes on, with what there was before it.
    pub(super) fn rise(&mut self, (from, to): (u32, u32), demand: f64, history: &History, now_ms: u64) {
        let trusted = self.rose(demand) || history.is_settled(now_ms);
        let begun = Trial { from: from.max(1), to, delivery: history.lately().delivery, trusted, since_ms: now_ms };
        let trial = self.trial.get_or_insert(begun);
        (trial.to, trial.since_ms, trial.trusted) = (to, now_ms, trial.trusted && trusted);
        self.met = self.met.max(demand);
    }

    /// Whether there is clearly more demand than the workers were meant for.
    fn rose(&self, demand: f64) -> bool {
        demand > DEMAND_ROSE * self.met
    }

    /// Workers are taken away: what they were worth will not be known.
    pub(super) fn fall(&mut self) {
        self.trial = None;
    }
}

impl Trial {
    fn is_judged(&self) -> bool {
        f64::from(self.to) >= JUDGED_FROM * f64::from(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_of_the_stall_names_the_limit() {
        let stall = Stall { storage_us: 50, decode_us: 10, queue_us: 20, network_us: 40, copy_us: 5 };
        assert_eq!(IngestBound::of(&stall), IngestBound::Storage);
        assert_eq!(IngestBound::of(&Stall { network_us: 60, ..stall }), IngestBound::HeadNetwork);
        assert_eq!(IngestBound::of(&Stall { copy_us: 60, ..stall }), IngestBound::HeadCPU);
    }
}
