//! Selecting: opens a slide, checks that the view can be read, and chooses its coordinates.

use std::time::Instant;

use microtome_plan::dataset::{Dataset, Recipe};
use microtome_plan::select::{SlideFacts, coordinates};
use microtome_slide::{SlideInfo, SlideUrl};

use super::Worker;
use super::lease::Refusal;
use crate::wire::feed::{SelectSlide, Selected, Spent};

/// Does one lease.
pub(super) async fn select(worker: &Worker, lease: (u64, u32), work: SelectSlide) -> Result<Selected, Refusal> {
    let recipe = recipe(&work.dataset)?;
    let url = SlideUrl::parse(&work.url).map_err(|error| Refusal::new("InvalidUrl", &error))?;
    let began = Instant::now();
    let slide = worker.slides.open(&url, &worker.limits).await?;
    let usage = slide.usage();
    let spent = Spent {
        storage_us: began.elapsed().as_micros() as u64,
        requests: usage.requests,
        bytes: usage.bytes,
        ..Spent::default()
    };
    let info = slide.info();
    let facts = facts(&recipe, &work, info)?;
    let chosen = coordinates(&recipe, &facts).map_err(|error| Refusal::new(error.category(), &error))?;
    Ok(Selected {
        lease: lease.0,
        attempt: lease.1,
        etag: slide.etag().unwrap_or_default().to_owned(),
        size_bytes: slide.size(),
        info: serde_json::to_vec(info).expect("slide facts are plain data").into(),
        x: chosen.iter().map(|coordinate| coordinate.x).collect(),
        y: chosen.iter().map(|coordinate| coordinate.y).collect(),
        spent: Some(spent),
    })
}

fn recipe(dataset: &[u8]) -> Result<Recipe, Refusal> {
    let dataset: Dataset = serde_json::from_slice(dataset).map_err(|error| Refusal::new("Protocol", &error))?;
    dataset.recipe().map_err(|error| Refusal::new(error.category(), &error))
}

fn facts(recipe: &Recipe, work: &SelectSlide, info: &SlideInfo) -> Result<SlideFacts, Refusal> {
    let level = info.levels.get(recipe.level as usize).ok_or_else(|| Refusal {
        category: "NoSuchLevel".to_owned(),
        reason: format!("{}: the view asks for level {}, the slide has {}", work.url, recipe.level, info.levels.len()),
    })?;
    Ok(SlideFacts {
        index: work.index,
        width: info.width.into(),
        height: info.height.into(),
        level_width: level.width.into(),
        level_height: level.height.into(),
        downsample: level.downsample,
    })
}
