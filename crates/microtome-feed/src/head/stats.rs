//! What a head counts: progress, where the time went, what was read.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use microtome_plan::selection::Quarantined;

use crate::wire::feed::Spent;

/// Counters shared by actor, program and reporters.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<Snapshot>);

/// All counters at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Slides of the dataset that were opened.
    pub slides: u64,
    /// Facts of the first slide that was opened, as the reader gives them.
    pub first_slide: Option<serde_json::Value>,
    /// Slides that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Size of all opened slides in bytes.
    pub slide_bytes: u64,
    /// SHA-256 of the selection, once it is there.
    pub selection_digest: Option<[u8; 32]>,
    /// Patches of all epochs, once known.
    pub patches_total: u64,
    /// Batches an epoch, once known.
    pub steps: u64,
    /// Patches that the program got.
    pub patches: u64,
    /// Batches that the program got.
    pub batches: u64,
    /// Patches whose tiles could not be decoded; white.
    pub bad_patches: u64,
    /// Workers connected now.
    pub workers: u64,
    /// Leases that went out again after a worker was lost.
    pub requeued: u64,
    /// Deliveries that came late or twice and were dropped.
    pub stale: u64,
    /// How long the program waited for its first batch.
    pub first_batch: Duration,
    /// How long the program waited for all later ones.
    pub waiting: Duration,
    /// What leases took.
    pub spending: Spending,
    /// The most bytes of patches that were held.
    pub peak_bytes: u64,
}

/// Where the leases' time went, and what they read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spending {
    /// From grant to the last patch.
    pub lease: Duration,
    /// Of that, in storage.
    pub storage: Duration,
    /// Of that, in decoding.
    pub decode: Duration,
    /// Requests to storage.
    pub requests: u64,
    /// Bytes from storage.
    pub bytes: u64,
}

impl Spending {
    /// One lease more, as the head and its worker saw it.
    pub(super) fn add(&mut self, lease: Duration, spent: &Spent) {
        self.lease += lease;
        self.storage += Duration::from_micros(spent.storage_us);
        self.decode += Duration::from_micros(spent.decode_us);
        self.requests += spent.requests;
        self.bytes += spent.bytes;
    }

    /// Shares of storage, decode and network (all the rest of a lease's time) in percent; they sum to 100.
    pub fn shares(&self) -> [f64; 3] {
        let lease = self.lease.max(self.storage + self.decode).as_secs_f64();
        if lease == 0.0 {
            return [0.0; 3];
        }
        let (storage, decode) = (self.storage.as_secs_f64() / lease, self.decode.as_secs_f64() / lease);
        [storage * 100.0, decode * 100.0, (1.0 - storage - decode) * 100.0]
    }
}

impl Stats {
    pub(super) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
