//! The memory budget of a head: bytes of patches that were granted, are arriving, or wait for the program.

/// Bytes that may be held, and are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    budget: u64,
    held: u64,
    peak: u64,
}

impl Credit {
    /// Nothing held yet.
    pub fn new(budget: u64) -> Self {
        Self { budget, held: 0, peak: 0 }
    }

    /// Takes `bytes`, or nothing where they do not fit.
    pub fn take(&mut self, bytes: u64) -> bool {
        let held = self.held.saturating_add(bytes);
        if held > self.budget {
            return false;
        }
        self.held = held;
        self.peak = self.peak.max(held);
        true
    }

    /// Gives back bytes that were taken.
    pub fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.held, "gave back more than was taken");
        self.held = self.held.saturating_sub(bytes);
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The most bytes that were ever held.
    pub fn peak(&self) -> u64 {
        self.peak
    }
}
