//! What a decision is made from: one report of a head, and what bounds the number of workers.

/// What was seen since the decision before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observation {
    pub(crate) limits: Limits,
    /// Whether a job runs on the cluster: without one nobody reads.
    pub(crate) active: bool,
    /// Workers that are asked for now.
    pub(crate) asked_for: u32,
    /// Workers that are connected to the head.
    pub(crate) attached: u32,
    /// The time that this covers, in milliseconds.
    pub(crate) interval_ms: u64,
    /// Patches that came from the workers in it: what the program gets, without the grain of its batches.
    pub(crate) delivered: u64,
    /// How long the program waited in it, in microseconds.
    pub(crate) waited_us: u64,
    /// What it waited for.
    pub(crate) stall: Stall,
    pub(crate) loaders: Vec<Loader>,
}

/// What bounds the number of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `minReplicas`: what was admitted with the head.
    pub(crate) least: u32,
    /// `maxReplicas`.
    pub(crate) most: u32,
    /// What the team's quota allows, these workers included.
    pub(crate) quota: u32,
}

/// Waiting by what it was for, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) storage_us: u64,
    pub(crate) decode_us: u64,
    pub(crate) queue_us: u64,
    pub(crate) network_us: u64,
    pub(crate) copy_us: u64,
}

/// A dataset that the program reads, or has read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loader {
    pub(crate) name: String,
    /// Patches a second that the program would take if it never waited; 0 where that is not known yet.
    pub(crate) demand: f64,
    /// Patches a second of a worker that is busy all the time; 0 where that is not known yet.
    pub(crate) rate: f64,
}

impl Limits {
    /// The most workers there may be.
    pub(super) fn ceiling(self) -> u32 {
        self.most.min(self.quota.max(self.least))
    }
}

impl std::ops::AddAssign for Stall {
    fn add_assign(&mut self, other: Self) {
        self.storage_us += other.storage_us;
        self.decode_us += other.decode_us;
        self.queue_us += other.queue_us;
        self.network_us += other.network_us;
        self.copy_us += other.copy_us;
    }
}

impl Observation {
    /// Adds a later report that came before a decision was made: times and amounts sum, what is a state is the later one's.
    pub(super) fn follow(&mut self, later: Self) {
        let (interval_ms, delivered, waited_us) = (self.interval_ms, self.delivered, self.waited_us);
        let mut stall = self.stall;
        stall += later.stall;
        *self = Self {
            interval_ms: interval_ms.saturating_add(later.interval_ms),
            delivered: delivered.saturating_add(later.delivered),
            waited_us: waited_us.saturating_add(later.waited_us),
            stall,
            ..later
        };
    }
}
