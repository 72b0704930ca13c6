//! Resolving: finds out which slides a dataset is made of.

use microtome_plan::dataset::Dataset;

use super::Worker;
use super::lease::Refusal;
use crate::source::Source;
use crate::wire::feed::{ResolveSlides, Resolved};

/// Does one lease.
pub(super) async fn resolve(
    worker: &Worker,
    (lease, attempt): (u64, u32),
    work: &ResolveSlides,
) -> Result<Resolved, Refusal> {
    let dataset: Dataset = serde_json::from_slice(&work.dataset).map_err(|error| Refusal::new("Protocol", &error))?;
    let recipe = dataset.recipe().map_err(|error| Refusal::new(error.category(), &error))?;
    let source = Source::of(&dataset, &recipe, worker.slides.stores()).await;
    let source = source.map_err(|error| Refusal::new(error.category(), &error))?;
    Ok(Resolved { lease, attempt, ..source.to_wire() })
}
