//! How much of its CPU a worker's process uses.
//!
//! What leases take on the clock does not tell what a worker can do: sending and decrypting take CPU beside them, and a
//! container at its limit is stopped by the kernel between leases as well as in them. CPU time by the cores that may be used
//! counts all of it, and is the same however much there is to do.

use std::fs::read_to_string;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where the container's own limit stands: quota and period in microseconds, in one file with version 2 of control groups.
const LIMIT: &str = "/sys/fs/cgroup/cpu.max";
/// With version 1.
const QUOTA_AND_PERIOD: [&str; 2] = ["/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"];

/// Of one process.
#[derive(Debug)]
pub struct Meter {
    /// The cores that the process may use, in parts too.
    cores: f64,
    /// CPU time that was told.
    told: Mutex<Duration>,
}

impl Meter {
    /// Of this process, which may use so many cores, inside its container's limit.
    pub fn of_process(cores: usize) -> Self {
        let limit = read_limit().ok().and_then(|text| parse_limit(&text));
        let cores = cores as f64;
        Self { cores: limit.map_or(cores, |limit| limit.min(cores)), told: Mutex::new(used()) }
    }

    /// For how long all cores were used, altogether, since this was asked last.
    pub(super) fn lap(&self) -> Duration {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used();
        let lap = used.saturating_sub(*told);
        *told = used;
        lap.div_f64(self.cores)
    }
}

/// CPU time of this process.
fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Quota and period.
fn read_limit() -> io::Result<String> {
    read_to_string(LIMIT).or_else(|_| {
        let [quota, period] = QUOTA_AND_PERIOD.map(read_to_string);
        Ok(quota? + &period?)
    })
}

/// Cores; nothing where there is no limit.
fn parse_limit(text: &str) -> Option<f64> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let (quota, period) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let cores = quota / period;
    (cores.is_finite() && cores > 0.0).then_some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_quota_by_period() {
        let said = [
            "10000 100000\n",
            "250000 100000\n",
            "max 100000\n",
            "0 100000",
            "5 0",
            "-1\n100000\n",
            "10000",
            "",
            "a b",
        ];
        let expected = [Some(0.1), Some(2.5), None, None, None, None, None, None, None];
        assert_eq!(said.map(parse_limit), expected);
    }

    #[test]
    fn a_lap_is_the_cpu_time_that_was_used_by_the_cores() {
        let work = |meter: &Meter| {
            let (from, mut sum) = (used(), Duration::ZERO);
            while used() - from < Duration::from_millis(20) {
                sum += meter.lap();
            }
            sum + meter.lap()
        };
        let meter = |cores| Meter { cores, told: Mutex::new(used()) };
        // Other tests use CPU of this process, too: at least what was used here.
        assert!(work(&meter(1.0)) >= Duration::from_millis(20));
        assert!(work(&meter(0.1)) >= Duration::from_millis(200));
        assert!(Meter::of_process(1).cores > 0.0);
    }
}
