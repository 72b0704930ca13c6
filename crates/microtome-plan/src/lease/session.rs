//! The workers that are connected, and which of them takes the next lease.

use std::collections::BTreeMap;

use super::WorkerId;

/// All connected workers.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<WorkerId, Session>);

#[derive(Debug)]
struct Session {
    slots: u32,
    busy: u32,
    slide: Option<u32>,
}

impl Sessions {
    pub(super) fn join(&mut self, worker: WorkerId, slots: u32) {
        self.0.insert(worker, Session { slots: slots.max(1), busy: 0, slide: None });
    }

    /// Grants it nothing more.
    pub(super) fn retire(&mut self, worker: WorkerId) {
        if let Some(session) = self.0.get_mut(&worker) {
            session.slots = 0;
        }
    }

    pub(super) fn leave(&mut self, worker: WorkerId) {
        self.0.remove(&worker);
    }

    /// Somebody with a free slot: first who is the least busy, to a quarter of its slots; then who has the slide open, then
    /// who has the most slots free, then the oldest. So neighbours stay together while nobody else is idle.
    pub(super) fn pick(&self, slide: u32) -> Option<WorkerId> {
        self.0
            .iter()
            .filter(|(_, session)| session.busy < session.slots)
            .min_by_key(|(worker, session)| {
                let quarter = session.busy.saturating_mul(4) / session.slots;
                (quarter, session.slide != Some(slide), std::cmp::Reverse(session.slots - session.busy), **worker)
            })
            .map(|(worker, _)| *worker)
    }

    pub(super) fn started(&mut self, worker: WorkerId, slide: u32) {
        if let Some(session) = self.0.get_mut(&worker) {
            session.busy += 1;
            session.slide = Some(slide);
        }
    }

    pub(super) fn ended(&mut self, worker: WorkerId) {
        if let Some(session) = self.0.get_mut(&worker) {
            session.busy = session.busy.saturating_sub(1);
        }
    }
}
