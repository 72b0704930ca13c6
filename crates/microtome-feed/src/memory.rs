//! What this process has held of the machine's memory.

/// The most memory that was resident so far, in bytes; 0 where the system does not say.
pub fn peak_resident_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status").map_or(0, |status| peak(&status))
}

/// `VmHWM:    12345 kB`, where kB are KiB (proc_pid_status(5)).
fn peak(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_in_bytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t 3 kB\n"), 12 << 10);
        assert_eq!(peak("Name:\tx\n"), 0);
        assert!(peak_resident_bytes() > 1 << 20);
    }
}
