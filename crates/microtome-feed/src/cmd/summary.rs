//! What a run was: for people in four lines, for programs as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use microtome_plan::dataset::SlideEntry;
use microtome_plan::selection::Quarantined;
use microtome_slide::SlideInfo;
use serde::Serialize;

use super::format::{bytes, count, thousands};
use super::local::Local;
use super::store::Stored;
use crate::digest::hex;
use crate::head::{Ledger, Snapshot};
use crate::memory::peak_resident_bytes;

/// More quarantined slides than these are only counted.
const NAMED: usize = 10;

/// A run that ended well.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    dataset: String,
    slides_ok: u64,
    slides_quarantined: u64,
    quarantined: Vec<LeftOut>,
    patches: u64,
    bad_patches: u64,
    epochs: u32,
    batches: u64,
    workers: usize,
    seconds: f64,
    first_batch_seconds: f64,
    patches_per_second: f64,
    starvation: f64,
    stall: Shares,
    work: Shares,
    requests: u64,
    bytes_fetched: u64,
    slide_bytes: u64,
    tiles_decoded: u64,
    peak_held_bytes: u64,
    peak_rss_bytes: u64,
    requeued_leases: u64,
    selection_digest: String,
    stream_digest: String,
    contact_sheet: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Stored>,
}

/// Percent; they sum to 100.
#[derive(Clone, Copy, Debug, Serialize)]
struct Shares {
    storage: f64,
    decode: f64,
    queue: f64,
    network: f64,
    copy: f64,
}

impl From<&Ledger> for Shares {
    fn from(ledger: &Ledger) -> Self {
        let [storage, decode, queue, network, copy] = ledger.shares();
        Self { storage, decode, queue, network, copy }
    }
}

/// A slide that was left out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LeftOut {
    index: u32,
    category: String,
    reason: String,
}

impl Summary {
    /// `digest`: of the whole stream; `output`: what was stored of it.
    pub(super) fn new(
        local: &Local,
        (digest, output): (&str, Option<Stored>),
        contact_sheet: Option<PathBuf>,
        elapsed: Duration,
    ) -> Self {
        let stats = local.head.stats();
        Self {
            dataset: local.source.recipe.name.clone(),
            slides_ok: stats.slides,
            slides_quarantined: stats.quarantined.len() as u64,
            quarantined: left_out(&stats.quarantined),
            patches: stats.patches,
            bad_patches: stats.bad_patches,
            epochs: local.source.recipe.epochs.get(),
            batches: stats.batches,
            workers: local.workers,
            seconds: elapsed.as_secs_f64(),
            first_batch_seconds: stats.first_batch.as_secs_f64(),
            patches_per_second: stats.patches as f64 / elapsed.as_secs_f64(),
            starvation: stats.waiting.total().as_secs_f64() / elapsed.as_secs_f64(),
            stall: Shares::from(&stats.waiting),
            work: Shares::from(&stats.leases),
            requests: stats.requests,
            bytes_fetched: stats.bytes,
            slide_bytes: stats.slide_bytes,
            tiles_decoded: stats.tiles,
            peak_held_bytes: stats.peak_bytes,
            peak_rss_bytes: peak_resident_bytes(),
            requeued_leases: stats.requeued,
            selection_digest: stats.selection_digest.map(|digest| hex(&digest)).unwrap_or_default(),
            stream_digest: digest.to_owned(),
            contact_sheet,
            output,
        }
    }
}

pub(super) fn left_out(quarantined: &[Quarantined]) -> Vec<LeftOut> {
    let row = |slide: &Quarantined| LeftOut {
        index: slide.index,
        category: slide.category.clone(),
        reason: slide.reason.clone(),
    };
    quarantined.iter().map(row).collect()
}

/// The slides and what was selected of them.
pub(super) fn introduction(local: &Local, info: Option<SlideInfo>, memory: u64) -> String {
    let stats = local.head.stats();
    let recipe = &local.source.recipe;
    let mut text = slide_line(local, &stats, info);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "selected {} of {} px on {} ({} quarantined) · {} of {} · workers {} · budget {}",
        count(stats.patches_total / u64::from(recipe.epochs.get()), "patch"),
        recipe.first_view().size,
        count(stats.slides, "slide"),
        stats.quarantined.len(),
        count(stats.steps * u64::from(recipe.epochs.get()), "batch"),
        recipe.batch_size,
        local.workers,
        format_args!("{} MiB", memory >> 20),
    );
    text.push_str(&quarantine_lines(&stats.quarantined));
    text
}

/// Name and facts of a single slide; of several, how many.
fn slide_line(local: &Local, stats: &Snapshot, info: Option<SlideInfo>) -> String {
    let (Some(info), [SlideEntry { url, .. }]) = (info, local.source.slides.as_slice()) else {
        return format!("{}, {}\n", count(stats.slides, "slide"), bytes(stats.slide_bytes));
    };
    let name = url.rsplit('/').next().unwrap_or(url);
    let mpp = info.mpp_x.map_or_else(|| "resolution unknown".to_owned(), |mpp| format!("{mpp} µm/px"));
    let compression = info.levels.first().map_or("", |level| level.compression.as_str()).to_uppercase();
    let levels = count(info.levels.len() as u64, "level");
    format!("{name}  {} × {} px  {mpp}  {compression}  {levels}\n", info.width, info.height)
}

pub(super) fn quarantine_lines(quarantined: &[Quarantined]) -> String {
    let mut text = String::new();
    for slide in quarantined.iter().take(NAMED) {
        let _ = writeln!(text, "  quarantined: {}: {}", slide.category, slide.reason);
    }
    if quarantined.len() > NAMED {
        let _ = writeln!(text, "  … and {} more (all with -o json)", quarantined.len() - NAMED);
    }
    text
}

/// The end of a run.
pub(super) fn lines(summary: &Summary) -> String {
    let mut text = format!(
        "{} patches in {:.2} s  {} patches/s  first batch after {:.2} s\n\
         workers' time: storage {:.0} % decode {:.0} % queue {:.0} % network {:.0} %\n",
        thousands(summary.patches),
        summary.seconds,
        thousands(summary.patches_per_second as u64),
        summary.first_batch_seconds,
        summary.work.storage,
        summary.work.decode,
        summary.work.queue,
        summary.work.network + summary.work.copy,
    );
    if summary.bad_patches > 0 {
        let _ = writeln!(text, "{} patches are white: their tiles cannot be decoded", summary.bad_patches);
    }
    if let Some(path) = &summary.contact_sheet {
        let _ = writeln!(text, "wrote {}  (first batch)", path.display());
    }
    let _ = writeln!(
        text,
        "read {} in {} requests ({} {}) · stream digest {}",
        bytes(summary.bytes_fetched),
        thousands(summary.requests),
        if summary.slides_ok == 1 { "file is" } else { "files are" },
        bytes(summary.slide_bytes),
        summary.stream_digest,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_what_it_did() {
        let summary = Summary {
            dataset: "train".to_owned(),
            slides_ok: 1,
            slides_quarantined: 0,
            quarantined: Vec::new(),
            patches: 1888,
            bad_patches: 4,
            epochs: 1,
            batches: 59,
            workers: 2,
            seconds: 2.0,
            first_batch_seconds: 0.25,
            patches_per_second: 944.0,
            starvation: 0.0,
            stall: Shares::from(&Ledger::default()),
            work: Shares { storage: 31.2, decode: 55.6, queue: 10.0, network: 3.0, copy: 0.2 },
            requests: 9,
            bytes_fetched: 1_400_000,
            slide_bytes: 1_938_955,
            tiles_decoded: 0,
            peak_held_bytes: 0,
            peak_rss_bytes: 0,
            requeued_leases: 0,
            selection_digest: String::new(),
            stream_digest: "6d0f".to_owned(),
            contact_sheet: Some("out/contact-sheet.png".into()),
            output: None,
        };
        let wanted = "\
1 888 patches in 2.00 s  944 patches/s  first batch after 0.25 s
workers' time: storage 31 % decode 56 % queue 10 % network 3 %
4 patches are white: their tiles cannot be decoded
wrote out/contact-sheet.png  (first batch)
read 1.4 MB in 9 requests (file is 1.9 MB) · stream digest 6d0f
";
        assert_eq!(lines(&summary), wanted);
    }
}
