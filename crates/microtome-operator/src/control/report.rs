//! From what heads say to what the operator works with: total, and no more is believed than can be.

use microtome_api::Progress;

use super::wire;
use crate::scale::observation::{Loader, Observation, Stall};

/// What a head names of slides that were left out; more, or longer, is not written down.
const NAMED: usize = 16;
const REASON_CHARS: usize = 512;

/// A tenant's text goes into the status only if it is what it should be.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn to_progress(progress: &wire::Progress) -> Progress {
    let large = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let small = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    // Rounded down: 100 % is said only when nothing is left.
    let percent = progress.patches.saturating_mul(100).checked_div(progress.patches_total);
    Progress {
        summary: percent.map_or_else(|| "–".to_owned(), |percent| format!("{}%", percent.min(100))),
        patches: large(progress.patches),
        patches_total: large(progress.patches_total),
        patches_per_second: large(progress.patches_per_second),
        waiting_permille: small(progress.waiting_permille),
        workers: small(progress.workers),
        batches: large(progress.batches),
        batches_an_epoch: large(progress.batches_an_epoch),
        waiting_for: progress.stalled.as_ref().and_then(waiting_for),
        slides: small(progress.slides),
        slides_quarantined: small(progress.slides_quarantined),
        quarantined: progress.quarantined.iter().take(NAMED).map(quarantined).collect(),
        // Not the head's to say.
        scaling: None,
    }
}

fn quarantined(slide: &wire::Quarantined) -> String {
    let text = format!("{}: {}", slide.category, slide.reason);
    text.chars().filter(|character| !character.is_control()).take(REASON_CHARS).collect()
}

/// The parts of a wait, the most first; nothing where there was none.
fn waiting_for(stall: &wire::Stall) -> Option<String> {
    let mut parts = [
        (stall.storage_us, "storage"),
        (stall.decode_us, "decode"),
        (stall.queue_us, "queue"),
        (stall.network_us, "network"),
        (stall.copy_us, "copy"),
    ];
    let total: u128 = parts.iter().map(|&(micros, _)| u128::from(micros)).sum();
    if total == 0 {
        return None;
    }
    parts.sort_by_key(|&(micros, _)| std::cmp::Reverse(micros));
    let percent = |micros: u64| (u128::from(micros) * 200 / total).div_ceil(2);
    let said = parts.iter().map(|&(micros, part)| (percent(micros), part)).filter(|&(percent, _)| percent > 0);
    Some(said.map(|(percent, part)| format!("{part} {percent} %")).collect::<Vec<_>>().join(", "))
}

/// What the number of workers is decided by; nothing where the head does not say.
pub(super) fn to_observation(progress: &wire::Progress) -> Option<Observation> {
    let supply = progress.supply.as_ref()?;
    let stall = supply.stall.unwrap_or_default();
    let loader = |loader: &wire::Loader| Loader {
        name: if loader.asked { format!("{} (asked)", loader.dataset) } else { loader.dataset.clone() },
        demand: loader.demand_milli as f64 / 1000.0,
        rate: loader.rate_milli as f64 / 1000.0,
    };
    Some(Observation {
        active: true,
        attached: progress.workers,
        interval_ms: supply.interval_ms.into(),
        delivered: supply.arrived,
        // Loaders that are read side by side may wait at once: nobody waits for longer than there was time.
        waited_us: supply.waited_us.min(u64::from(supply.interval_ms) * 1000),
        stall: Stall {
            storage_us: stall.storage_us,
            decode_us: stall.decode_us,
            queue_us: stall.queue_us,
            network_us: stall.network_us,
            copy_us: stall.copy_us,
        },
        loaders: supply.loaders.iter().map(loader).collect(),
        // What the head cannot know.
        ..Observation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_and_rates_are_read_as_they_were_sent() {
        assert_eq!(to_observation(&wire::Progress::default()), None);
        let loader = |asked| wire::Loader { dataset: "train".into(), asked, demand_milli: 1500, rate_milli: 0 };
        let stall = Some(wire::Stall { network_us: 7, ..wire::Stall::default() });
        let loaders = vec![loader(false), loader(true)];
        let supply = wire::Supply { interval_ms: 1000, arrived: 5, waited_us: 2_000_000, stall, loaders };
        let seen = to_observation(&wire::Progress { workers: 3, supply: Some(supply), ..wire::Progress::default() });
        let seen = seen.unwrap();
        assert_eq!((seen.active, seen.attached, seen.interval_ms, seen.delivered), (true, 3, 1000, 5));
        assert_eq!((seen.waited_us, seen.stall.network_us), (1_000_000, 7));
        let loader = |name: &str| Loader { name: name.into(), demand: 1.5, rate: 0.0 };
        assert_eq!(seen.loaders, [loader("train"), loader("train (asked)")]);
    }

    #[test]
    fn progress_is_a_percentage_that_never_overstates() {
        let summary = |patches, patches_total| {
            to_progress(&wire::Progress { patches, patches_total, ..wire::Progress::default() }).summary
        };
        assert_eq!((summary(0, 0), summary(41, 100), summary(999, 1000)), ("–".into(), "41%".into(), "99%".into()));
        assert_eq!((summary(88, 88), summary(9, 8)), ("100%".into(), "100%".into()));
    }

    #[test]
    fn what_was_waited_for_is_said_the_most_first() {
        let stall = wire::Stall { storage_us: 710, decode_us: 220, network_us: 70, ..wire::Stall::default() };
        assert_eq!(waiting_for(&stall).as_deref(), Some("storage 71 %, decode 22 %, network 7 %"));
        assert_eq!(waiting_for(&wire::Stall::default()), None);
        let huge = wire::Stall { copy_us: u64::MAX, queue_us: u64::MAX, ..wire::Stall::default() };
        assert_eq!(waiting_for(&huge).as_deref(), Some("queue 50 %, copy 50 %"));
    }

    #[test]
    fn of_slides_that_were_left_out_a_few_are_named_in_one_line_each() {
        let slide = |reason: &str| wire::Quarantined { category: "NotASlide".into(), reason: reason.into() };
        let mut quarantined = vec![slide("az://a/b.svs: no TIFF\n at byte 0"), slide(&"x".repeat(9000))];
        quarantined.resize(99, slide(""));
        let said = to_progress(&wire::Progress { quarantined, ..wire::Progress::default() }).quarantined;
        assert_eq!(said[0], "NotASlide: az://a/b.svs: no TIFF at byte 0");
        assert_eq!((said.len(), said[1].chars().count()), (16, 512));
    }

    #[test]
    fn a_digest_is_hexadecimal_or_nothing() {
        assert!(is_digest(&"6d".repeat(32)));
        assert!(!is_digest("") && !is_digest("<script>") && !is_digest(&"g".repeat(64)));
    }
}
