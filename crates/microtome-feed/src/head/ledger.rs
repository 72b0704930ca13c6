//! The stall ledger: to what each millisecond is owed that the program waited for a batch. The parts sum to the whole.
//!
//! A batch is complete when the last of its leases arrives; that lease is what was waited for. Going back from its arrival,
//! the wait falls first on the copy out of the received frames, then on the network, on decoding, on the queue for a
//! decoder, on storage; what is older than the lease itself is queue as well: nobody was free to take it, or the memory
//! budget was full.

use std::ops::AddAssign;
use std::time::Duration;

use crate::wire::feed::Spent;

/// Time, by what it was spent on: of a lease, or of waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Requests to storage.
    pub storage: Duration,
    /// Decoding pixels.
    pub decode: Duration,
    /// Waiting for a decoder, a worker, or room in the memory budget.
    pub queue: Duration,
    /// Messages between head and worker.
    pub network: Duration,
    /// Checking and copying pixels in the head.
    pub copy: Duration,
}

impl Ledger {
    /// A lease from its grant to its last patch. What neither worker nor head claims was the network's.
    pub(super) fn of_lease(whole: Duration, spent: &Spent, copy: Duration) -> Self {
        let micros = Duration::from_micros;
        let (storage, queue, decode) = (micros(spent.storage_us), micros(spent.queue_us), micros(spent.decode_us));
        let network = whole.saturating_sub(storage).saturating_sub(queue).saturating_sub(decode).saturating_sub(copy);
        Self { storage, decode, queue, network, copy }
    }

    /// Owes `waited` to the lease that ended the wait.
    pub(super) fn owe(&mut self, waited: Duration, last: &Self) {
        let mut left = waited;
        let mut owe = |entry: &mut Duration, phase: Duration| {
            let part = left.min(phase);
            *entry += part;
            left -= part;
        };
        owe(&mut self.copy, last.copy);
        owe(&mut self.network, last.network);
        owe(&mut self.decode, last.decode);
        owe(&mut self.queue, last.queue);
        owe(&mut self.storage, last.storage);
        owe(&mut self.queue, Duration::MAX);
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.storage + self.decode + self.queue + self.network + self.copy
    }

    /// Storage, decode, queue, network and copy in percent; they sum to 100, or are all 0.
    pub fn shares(&self) -> [f64; 5] {
        let total = self.total().as_secs_f64();
        let share = |part: Duration| if total == 0.0 { 0.0 } else { part.as_secs_f64() / total * 100.0 };
        [self.storage, self.decode, self.queue, self.network, self.copy].map(share)
    }
}

impl AddAssign for Ledger {
    fn add_assign(&mut self, other: Self) {
        self.storage += other.storage;
        self.decode += other.decode;
        self.queue += other.queue;
        self.network += other.network;
        self.copy += other.copy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
    const LAST: Ledger = Ledger { storage: ms(30), queue: ms(5), decode: ms(20), network: ms(3), copy: ms(1) };

    #[test]
    fn a_wait_is_owed_to_the_end_of_the_lease_first() {
        let owed = |waited| {
            let mut ledger = Ledger::default();
            ledger.owe(waited, &LAST);
            assert_eq!(ledger.total(), waited, "every millisecond is owed to something");
            ledger
        };
        assert_eq!(owed(ms(2)), Ledger { copy: ms(1), network: ms(1), ..Ledger::default() });
        assert_eq!(owed(ms(10)), Ledger { copy: ms(1), network: ms(3), decode: ms(6), ..Ledger::default() });
        let before_the_lease = owed(ms(100));
        assert_eq!((before_the_lease.storage, before_the_lease.queue), (ms(30), ms(46)));
    }

    #[test]
    fn a_leases_time_is_its_parties_and_the_networks() {
        let spent = Spent { storage_us: 30_000, queue_us: 5_000, decode_us: 20_000, ..Spent::default() };
        assert_eq!(Ledger::of_lease(ms(59), &spent, ms(1)), LAST);
        assert_eq!(Ledger::of_lease(ms(10), &spent, ms(1)).network, ms(0), "clocks differ");
    }

    #[test]
    fn shares_sum_to_a_hundred() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.shares(), [0.0; 5]);
        ledger.owe(ms(59), &LAST);
        ledger.owe(ms(7), &LAST);
        assert!((ledger.shares().iter().sum::<f64>() - 100.0).abs() < 1e-9);
    }
}
