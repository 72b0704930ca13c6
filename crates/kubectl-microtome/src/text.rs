//! Numbers, times and states in words: pure.

use std::borrow::Cow;

use jiff::{Timestamp, Zoned};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use microtome_api::PatchJob;
use microtome_api::condition::READY;

/// Stands where there is nothing to say.
pub(crate) const NOTHING: &str = "–";

/// The state of something: the reason of its condition `Ready`.
pub(crate) fn reason(conditions: &[Condition]) -> &str {
    ready(conditions).map_or("Pending", |condition| &condition.reason)
}

/// The condition `Ready`.
pub(crate) fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == READY)
}

/// What a job's status says of it.
pub(crate) fn conditions(job: &PatchJob) -> &[Condition] {
    job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// The job's state: the reason of its condition `Ready`.
pub(crate) fn state(job: &PatchJob) -> &str {
    reason(conditions(job))
}

/// What a program wrote may hold what a terminal obeys: such characters are left out, but not the line breaks.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmless = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|&character| is_harmless(character)).collect())
}

/// One line of it, for a table's cell.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).split_whitespace().collect::<Vec<_>>().join(" ")
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

/// `1st`, `2nd`, `3rd`, `11th`.
pub(crate) fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
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

/// `7 d`, `36 h`: a time that was set, in whole units.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        seconds if seconds >= 86_400 && seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        seconds => duration(seconds),
    }
}

/// The time of day where `now` is, with the date where it is another day.
pub(crate) fn clock(time: Timestamp, now: &Zoned) -> String {
    let time = time.to_zoned(now.time_zone().clone());
    let format = if time.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    time.strftime(format).to_string()
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
        assert_eq!([604_800, 86_400, 129_600, 90].map(span), ["7 d", "1 d", "36 h", "1 m"]);
        assert_eq!([5, 300, 7200, 172_800].map(|s| age(at(0), at(s))), ["5s", "5m", "2h", "2d"]);
        assert_eq!(age(at(9), at(0)), "0s", "clocks differ");
        assert_eq!(permille(3), "0.3 %");
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 21, 113].map(ordinal),
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "113th"]
        );
        let now: Zoned = "2026-03-02T14:20:00+01:00[+01:00]".parse().unwrap();
        let clocks = ["2026-03-02T13:05:00Z", "2026-03-03T13:05:00Z"].map(|time| clock(time.parse().unwrap(), &now));
        assert_eq!(clocks, ["14:05", "2026-03-03 14:05"]);
    }

    #[test]
    fn a_terminal_obeys_nothing_that_a_program_wrote() {
        assert_eq!(harmless("a\tb\n"), "a\tb\n");
        assert_eq!(harmless("\u{1b}[2Jgone\r\u{9b}31m"), "[2Jgone31m");
        assert_eq!(one_line("a\n  b\u{7}"), "a b");
    }
}
