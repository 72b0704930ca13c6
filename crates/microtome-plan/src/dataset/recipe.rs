//! The checked form of a dataset: what selection and plan work with.

use std::num::{NonZeroU32, NonZeroU64};

use super::{Dataset, Edge, OnError, Order};

/// The most pixels on an edge of a patch: 8192² RGB is 192 MiB, beyond which no batch fits a sane budget.
const MAX_SIZE: u32 = 8192;

/// A dataset whose fields were all checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The dataset's name.
    pub name: String,
    /// The slides' URLs, as written, in order.
    pub slides: Vec<String>,
    /// The view's name, the batch's key.
    pub view: String,
    /// Width and height of a patch in pixels of `level`.
    pub size: NonZeroU32,
    /// The slide's level to read.
    pub level: u32,
    /// How coordinates are chosen.
    pub sampling: SamplingRule,
    /// Patches a batch.
    pub batch_size: NonZeroU32,
    /// Fixes order and random coordinates.
    pub seed: u64,
    /// Epochs.
    pub epochs: NonZeroU32,
    /// The order of the patches.
    pub order: Order,
    /// What an unreadable slide does.
    pub on_error: OnError,
}

/// How coordinates are chosen on a slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplingRule {
    /// A regular grid.
    Grid(Grid),
    /// This many uniformly random places a slide.
    Random(NonZeroU32),
}

/// A regular grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Distance of neighbours in pixels of the view's level.
    pub stride: NonZeroU32,
    /// What happens at the slide's edge.
    pub edge: Edge,
}

/// A field of a dataset is wrong; the text names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct DatasetError {
    /// The field's path inside the dataset, say `views[0].size`.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub problem: &'static str,
}

impl DatasetError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "InvalidDataset"
    }
}

impl Recipe {
    /// Bytes of one patch: RGB, one byte each.
    pub fn patch_bytes(&self) -> NonZeroU64 {
        let edge = NonZeroU64::from(self.size);
        edge.saturating_mul(edge).saturating_mul(NonZeroU64::MIN.saturating_add(2))
    }
}

impl Dataset {
    /// Checks every field. The CRD's rules say the same; a laptop's file meets only this.
    pub fn recipe(&self) -> Result<Recipe, DatasetError> {
        let [view] = self.views.as_slice() else {
            return Err(wrong("views", "give exactly one view"));
        };
        if view.name.is_empty() {
            return Err(wrong("views[0].name", "must not be empty"));
        }
        if view.size > MAX_SIZE {
            return Err(wrong("views[0].size", "at most 8192 pixels"));
        }
        if self.slides.list.is_empty() {
            return Err(wrong("slides.list", "give at least one slide"));
        }
        if self.slides.list.iter().any(|slide| slide.url.contains('?')) {
            return Err(wrong("slides.list[].url", "a slide's URL must not hold a query or a key"));
        }
        Ok(Recipe {
            name: self.name.clone(),
            slides: self.slides.list.iter().map(|slide| slide.url.clone()).collect(),
            view: view.name.clone(),
            size: positive("views[0].size", view.size)?,
            level: view.level,
            sampling: self.sampling_rule()?,
            batch_size: positive("batchSize", self.batch_size)?,
            seed: self.seed,
            epochs: positive("epochs", self.epochs)?,
            order: self.order,
            on_error: self.on_error,
        })
    }

    fn sampling_rule(&self) -> Result<SamplingRule, DatasetError> {
        match (&self.sampling.grid, &self.sampling.random) {
            (Some(grid), None) => {
                let stride = positive("sampling.grid.stride", grid.stride)?;
                Ok(SamplingRule::Grid(Grid { stride, edge: grid.edge }))
            }
            (None, Some(random)) => Ok(SamplingRule::Random(positive("sampling.random.perSlide", random.per_slide)?)),
            _ => Err(wrong("sampling", "give exactly one of grid and random")),
        }
    }
}

fn positive(field: &'static str, value: u32) -> Result<NonZeroU32, DatasetError> {
    NonZeroU32::new(value).ok_or(wrong(field, "must be at least 1"))
}

fn wrong(field: &'static str, problem: &'static str) -> DatasetError {
    DatasetError { field, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(change: impl FnOnce(&mut serde_json::Value)) -> Dataset {
        let mut value = serde_json::json!({
            "name": "train", "slides": {"list": [{"url": "a.svs"}]},
            "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}},
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn defaults_make_a_complete_recipe() {
        let recipe = dataset(|_| ()).recipe().unwrap();
        assert_eq!(recipe.patch_bytes().get(), 256 * 256 * 3);
        assert_eq!((recipe.batch_size.get(), recipe.epochs.get(), recipe.order), (32, 1, Order::Shuffled));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let cases: [(&str, serde_json::Value, &str); 6] = [
            ("/views/0/size", 0.into(), "views[0].size: must be at least 1"),
            ("/views/0/size", 9000.into(), "views[0].size: at most 8192 pixels"),
            ("/slides/list", serde_json::json!([]), "slides.list: give at least one slide"),
            (
                "/slides/list/0/url",
                "az://a/b?sig=x".into(),
                "slides.list[].url: a slide's URL must not hold a query or a key",
            ),
            ("/sampling", serde_json::json!({}), "sampling: give exactly one of grid and random"),
            ("/sampling/grid/stride", 0.into(), "sampling.grid.stride: must be at least 1"),
        ];
        for (path, value, message) in cases {
            let error = dataset(|d| *d.pointer_mut(path).unwrap() = value).recipe().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
