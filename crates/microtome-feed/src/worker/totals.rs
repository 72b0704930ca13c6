//! What a worker has done so far.

use std::sync::{Mutex, PoisonError};

use crate::wire::feed::Spent;
use crate::wire::feed::worker_message::Message;

/// Counters shared by the leases of all streams.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Totals>);

/// All counters at one moment.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Leases that were done.
    pub done: u64,
    /// Leases that could not be done.
    pub failed: u64,
    /// Leases that went back to the head undone.
    pub returned: u64,
    /// Patches that were cut.
    pub patches: u64,
    /// Patches among them whose tiles cannot be decoded.
    pub bad_patches: u64,
    /// What the leases that were done have cost.
    pub spent: Spent,
}

impl Counters {
    /// A lease of so many patches ended with this message.
    pub(super) fn count(&self, patches: usize, message: &Message) {
        self.change(|totals| match message {
            Message::Done(done) => {
                totals.done += 1;
                totals.patches += patches as u64;
                totals.bad_patches += done.bad.len() as u64;
                totals.spend(done.spent.as_ref());
            }
            Message::Selected(selected) => {
                totals.done += 1;
                totals.spend(selected.spent.as_ref());
            }
            Message::Resolved(_) => totals.done += 1,
            Message::Failed(_) => totals.failed += 1,
            Message::Returned(_) => totals.returned += 1,
            Message::Ready(_) | Message::Part(_) | Message::Draining(_) => {}
        });
    }

    pub(super) fn totals(&self) -> Totals {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Totals {
    fn spend(&mut self, spent: Option<&Spent>) {
        let Some(spent) = spent else { return };
        self.spent.storage_us += spent.storage_us;
        self.spent.queue_us += spent.queue_us;
        self.spent.decode_us += spent.decode_us;
        self.spent.requests += spent.requests;
        self.spent.bytes += spent.bytes;
        self.spent.tiles += spent.tiles;
    }
}
