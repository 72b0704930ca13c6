//! From what heads say to what the operator works with: total, and no more is believed than can be.

use microtome_api::{DatasetProgress, Progress};

use super::wire;
use crate::scale::observation::{Loader, Observation, Stall};

/// What a head names of slides that were left out; more, or longer, is not written down.
const NAMED: usize = 16;
const REASON_CHARS: usize = 512;
/// A job has no more datasets, and no longer names.
const DATASETS: usize = 8;
const NAME_CHARS: usize = 63;

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
        rate: Some(format!("{}/s", short(progress.patches_per_second))),
        waiting: Some(format!("{}.{}%", progress.waiting_permille / 10, progress.waiting_permille % 10)),
        patches_per_second: large(progress.patches_per_second),
        waiting_permille: small(progress.waiting_permille),
        workers: small(progress.workers),
        batches: large(progress.batches),
        batches_an_epoch: large(progress.batches_an_epoch),
        datasets: positions(&progress.positions),
        waiting_for: progress.stalled.as_ref().and_then(waiting_for),
        slides: small(progress.slides),
        slides_quarantined: small(progress.slides_quarantined),
        quarantined: progress.quarantined.iter().take(NAMED).map(quarantined).collect(),
        // Not the head's to say.
        scaling: None,
    }
}

/// `9.6k`.
fn short(number: u64) -> String {
    match number {
        10_000_000.. => format!("{}M", number / 1_000_000),
        1_000_000.. => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
        10_000.. => format!("{}k", number / 1_000),
        1_000.. => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        _ => number.to_string(),
    }
}

/// One a name: the apiserver takes no two.
fn positions(positions: &[wire::Position]) -> Vec<DatasetProgress> {
    let large = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut said: Vec<DatasetProgress> = Vec::new();
    for position in positions {
        let name: String = position.dataset.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
        if said.len() < DATASETS && said.iter().all(|other| other.name != name) {
            let (epoch, batch, of) = (large(position.epoch), large(position.batch), large(position.of));
            said.push(DatasetProgress { name, epoch, batch, of });
        }
    }
    said
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
    fn each_dataset_is_told_once_and_no_more_than_a_job_has() {
        let position = |dataset: &str, batch| wire::Position { dataset: dataset.into(), epoch: 2, batch, of: 90 };
        let mut positions = vec![position("train", 12), position("val\n", u64::MAX), position("train", 13)];
        positions.extend((0..20).map(|number| position(&format!("{number}-{}", "x".repeat(99)), 0)));
        let said = to_progress(&wire::Progress { positions, ..wire::Progress::default() }).datasets;
        assert_eq!(said[0], DatasetProgress { name: "train".into(), epoch: 2, batch: 12, of: 90 });
        assert_eq!((said[1].name.as_str(), said[1].batch), ("val", i64::MAX));
        assert_eq!((said.len(), said[2].name.chars().count()), (8, 63));
    }

    #[test]
    fn rates_and_waits_read_well() {
        let said = |patches_per_second, waiting_permille| {
            let progress = wire::Progress { patches_per_second, waiting_permille, ..wire::Progress::default() };
            let Progress { rate, waiting, .. } = to_progress(&progress);
            (rate.unwrap(), waiting.unwrap())
        };
        assert_eq!(said(9_600, 3), ("9.6k/s".into(), "0.3%".into()));
        assert_eq!(said(0, 1000), ("0/s".into(), "100.0%".into()));
        let rates = [12, 12_345, 2_500_000, u64::MAX].map(|number| said(number, 0).0);
        assert_eq!(rates, ["12/s", "12k/s", "2.5M/s", "18446744073709M/s"]);
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
