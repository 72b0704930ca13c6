//! Selecting: opens a slide, checks that every view can be read, and chooses its coordinates.

use std::time::{Duration, Instant};

use microtome_plan::dataset::{Dataset, Recipe, Resolution, SlideEntry};
use microtome_plan::select::{Coordinate, Given, SlideFacts, coordinates};
use microtome_slide::{Slide, SlideUrl};

use super::Worker;
use super::lease::{Outbox, Refusal};
use super::tissue;
use crate::view;
use crate::wire::feed::{SelectSlide, Selected, Spent};

/// Does one lease.
pub(super) async fn select(
    worker: &Worker,
    lease: (u64, u32),
    work: SelectSlide,
    outbox: &Outbox,
) -> Result<Selected, Refusal> {
    let (recipe, entry) = recipe(&work.dataset)?;
    let url = SlideUrl::parse(&work.url).map_err(|error| Refusal::new("InvalidUrl", &error))?;
    let began = Instant::now();
    let slide = worker.slides.open(&url, &worker.limits).await?;
    let storage = began.elapsed();
    let mut usage = slide.usage();
    let facts = facts(&recipe, &entry, work.index, &slide)?;
    let mut decode = Duration::ZERO;
    let mut mask = None;
    if recipe.tissue_percent > 0 {
        let began = Instant::now();
        let patch = f64::from(recipe.first_view().size.get()) * facts.downsample.0.min(facts.downsample.1);
        let (tissue, spent) = tissue::mask(worker, &slide, patch, (lease, outbox)).await?;
        (mask, usage, decode) = (Some(tissue), usage + spent, began.elapsed());
    }
    let table: Vec<Coordinate> = work.x.iter().zip(&work.y).map(|(x, y)| Coordinate { x: *x, y: *y }).collect();
    let given = Given { tissue: mask.as_ref(), table: &table };
    let refused = |error: microtome_plan::select::SelectError| Refusal {
        category: error.category().to_owned(),
        reason: format!("{url}: {error}"),
    };
    let chosen = coordinates(&recipe, &facts, given).map_err(refused)?;
    Ok(Selected {
        lease: lease.0,
        attempt: lease.1,
        etag: slide.etag().unwrap_or_default().to_owned(),
        size_bytes: slide.size(),
        info: serde_json::to_vec(slide.info()).expect("slide facts are plain data").into(),
        x: chosen.iter().map(|coordinate| coordinate.x).collect(),
        y: chosen.iter().map(|coordinate| coordinate.y).collect(),
        spent: Some(Spent {
            storage_us: storage.as_micros() as u64,
            decode_us: decode.as_micros() as u64,
            requests: usage.requests,
            bytes: usage.bytes,
            cpu_us: worker.lap_us(),
            ..Spent::default()
        }),
    })
}

/// What to do, and with which slide.
fn recipe(dataset: &[u8]) -> Result<(Recipe, SlideEntry), Refusal> {
    let mut dataset: Dataset = serde_json::from_slice(dataset).map_err(|error| Refusal::new("Protocol", &error))?;
    let recipe = dataset.recipe().map_err(|error| Refusal::new(error.category(), &error))?;
    let slide = dataset.slides.list.as_mut().and_then(Vec::pop);
    let none = || Refusal {
        category: "Protocol".to_owned(),
        reason: "a slide is to be selected, but none is named".to_owned(),
    };
    Ok((recipe, slide.ok_or_else(none)?))
}

fn facts(recipe: &Recipe, entry: &SlideEntry, index: u32, slide: &Slide) -> Result<SlideFacts, Refusal> {
    for rule in &recipe.views {
        slide.downsample(view::scale(rule.resolution, entry.mpp))?;
    }
    let info = slide.info();
    let first = recipe.first_view().resolution;
    let downsample = slide.downsample(view::scale(first, entry.mpp))?;
    // The whole slide in pixels of the first view; a remainder is none.
    let pixels = |length: u32, downsample: f64| (f64::from(length) / downsample + 1e-6).floor() as u64;
    let whole = (pixels(info.width, downsample.x), pixels(info.height, downsample.y));
    let (view_width, view_height) = match first {
        Resolution::Level(level) => {
            info.levels.get(level as usize).map_or(whole, |level| (level.width.into(), level.height.into()))
        }
        Resolution::Mpp(_) => whole,
    };
    Ok(SlideFacts {
        index,
        width: info.width.into(),
        height: info.height.into(),
        view_width,
        view_height,
        downsample: (downsample.x, downsample.y),
        weight: entry.weight.unwrap_or(1.0),
    })
}
