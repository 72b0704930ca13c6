//! Random worlds for the queue, and a model of its own to judge it by.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "shared by tests"
)]

pub mod judge;
pub mod model;
pub mod oracle;
pub mod random;
pub mod worlds;

/// How many histories: `MICROTOME_QUEUE_HISTORIES`, or so many.
pub fn histories(usual: u64) -> u64 {
    number("MICROTOME_QUEUE_HISTORIES").unwrap_or(usual)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Runs a test for every seed from `MICROTOME_QUEUE_FIRST` on, or 0; a failure says which. `MICROTOME_QUEUE_SEED` runs that one
/// alone.
pub fn for_each_seed(usual: u64, test: impl Fn(u64) + std::panic::RefUnwindSafe + Sync) {
    if let Some(seed) = number("MICROTOME_QUEUE_SEED") {
        return test(seed);
    }
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let start = number("MICROTOME_QUEUE_FIRST").unwrap_or(0);
    let end = start + histories(usual);
    let some = |first: u64| {
        for seed in (start + first..end).step_by(threads as usize) {
            if let Err(panic) = std::panic::catch_unwind(|| test(seed)) {
                eprintln!("failed with MICROTOME_QUEUE_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
            if seed > 10_000 && seed % 20_000 == 0 {
                eprintln!("{seed} of {end}");
            }
        }
    };
    std::thread::scope(|scope| {
        for first in 0..threads {
            let some = &some;
            scope.spawn(move || some(first));
        }
    });
}
