//! Numbers, times and states in words: pure.

use jiff::Timestamp;
use microtome_api::PatchJob;
use microtome_api::condition::READY;

/// Stands where there is nothing to say.
pub(crate) const NOTHING: &str = "–";

/// The job's state: the reason of its condition `Ready`.
pub(crate) fn state(job: &PatchJob) -> &str {
    let conditions = job.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().find(|condition| condition.type_ == READY).map_or("Pending", |condition| &condition.reason)
}

/// `38 600`.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `9.6k`.
pub(crate) fn short(number: i64) -> String {
    match number {
        10_000_000.. => format!("{}M", number / 1_000_000),
        1_000_000.. => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
        10_000.. => format!("{}k", number / 1_000),
        1_000.. => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        _ => number.to_string(),
    }
}

/// Thousandths as `0.3 %`.
pub(crate) fn permille(permille: i32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `5m`, `2h`, `3d`: as kubectl writes ages.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    match now.as_second().saturating_sub(since.as_second()).max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// `45 s`, `14 m`, `2 h 14 m`, `12 h`.
pub(crate) fn duration(seconds: i64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    match (hours, minutes) {
        (0, 0) => format!("{} s", seconds.max(0)),
        (0, minutes) => format!("{minutes} m"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        let grouped: Vec<_> = [0, 999, 1000, 38_600, 1_234_567].map(grouped).into();
        assert_eq!(grouped, ["0", "999", "1 000", "38 600", "1 234 567"]);
        assert_eq!([12, 9_600, 12_345, 2_500_000].map(short), ["12", "9.6k", "12k", "2.5M"]);
        assert_eq!([45, 840, 8040, 43_200].map(duration), ["45 s", "14 m", "2 h 14 m", "12 h"]);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!([5, 300, 7200, 172_800].map(|s| age(at(0), at(s))), ["5s", "5m", "2h", "2d"]);
        assert_eq!(age(at(9), at(0)), "0s", "clocks differ");
        assert_eq!(permille(3), "0.3 %");
    }
}
