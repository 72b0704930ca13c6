//! What must hold of a dataset's fields, each refused by its path.

use std::num::NonZeroU32;

use super::{DatasetError, Grid, Recipe, Resolution, SamplingRule, SlideSource, ViewRule};
use crate::dataset::{Dataset, Label, Manifest, SlideEntry, View};

/// The most pixels on an edge of a patch: 8192² RGB is 192 MiB, beyond which no batch fits a sane budget.
const MAX_SIZE: u32 = 8192;
/// A batch's own keys, which neither a view nor a label may take.
const KEYS: [&str; 9] = ["slide", "x", "y", "index", "epoch", "step", "url", "group", "dataset"];

pub(super) fn recipe(dataset: &Dataset) -> Result<Recipe, DatasetError> {
    let views = views(&dataset.views)?;
    let slides = slides(dataset, &views)?;
    let tissue = dataset.filter.as_ref().and_then(|filter| filter.tissue.as_ref());
    if tissue.is_some_and(|tissue| !(1..=100).contains(&tissue.min_percent)) {
        return Err(wrong("filter.tissue.minPercent", "must be 1 to 100"));
    }
    Ok(Recipe {
        name: dataset.name.clone(),
        slides,
        views,
        sampling: sampling(dataset)?,
        tissue_percent: tissue.map_or(0, |tissue| tissue.min_percent),
        batch_size: positive("batchSize", dataset.batch_size)?,
        seed: dataset.seed,
        epochs: positive("epochs", dataset.epochs)?,
        order: dataset.order,
        on_error: dataset.on_error,
    })
}

fn views(views: &[View]) -> Result<Vec<ViewRule>, DatasetError> {
    if views.is_empty() {
        return Err(wrong("views", "give at least one view"));
    }
    let checked: Vec<ViewRule> =
        views.iter().enumerate().map(|(index, view)| self::view(index, view)).collect::<Result<_, _>>()?;
    for (index, view) in checked.iter().enumerate() {
        if checked[..index].iter().any(|before| before.name == view.name) {
            return Err(wrong(format!("views[{index}].name"), format!("{:?} is taken by another view", view.name)));
        }
    }
    Ok(checked)
}

fn view(index: usize, view: &View) -> Result<ViewRule, DatasetError> {
    let path = format!("views[{index}]");
    if view.name.is_empty() {
        return Err(wrong(format!("{path}.name"), "must not be empty"));
    }
    if KEYS.contains(&view.name.as_str()) {
        return Err(wrong(format!("{path}.name"), format!("{:?} is a key of every batch", view.name)));
    }
    if view.size > MAX_SIZE {
        return Err(wrong(format!("{path}.size"), format!("at most {MAX_SIZE} pixels")));
    }
    let resolution = match (view.level, view.mpp) {
        (Some(level), None) => Resolution::Level(level),
        (None, Some(mpp)) if mpp.is_finite() && mpp > 0.0 => Resolution::Mpp(mpp),
        (None, Some(_)) => return Err(wrong(format!("{path}.mpp"), "must be a positive number")),
        (Some(_), Some(_)) => return Err(wrong(path, "give level or mpp, not both")),
        (None, None) => return Err(wrong(path, "give level or mpp")),
    };
    let size = positive(&format!("{path}.size"), view.size)?;
    Ok(ViewRule { name: view.name.clone(), size, resolution })
}

fn slides(dataset: &Dataset, views: &[ViewRule]) -> Result<SlideSource, DatasetError> {
    let slides = &dataset.slides;
    match (&slides.list, &slides.prefix, &slides.manifest) {
        (Some(list), None, None) if list.is_empty() => Err(wrong("slides.list", "give at least one slide")),
        (Some(list), None, None) => {
            for (index, entry) in list.iter().enumerate() {
                self::entry(&format!("slides.list[{index}]"), entry, views)?;
            }
            Ok(SlideSource::List(list.clone()))
        }
        (None, Some(prefix), None) => {
            no_key("slides.prefix", prefix)?;
            Ok(SlideSource::Prefix(prefix.clone()))
        }
        (None, None, Some(manifest)) => self::manifest(manifest, views).map(SlideSource::Manifest),
        _ => Err(wrong("slides", "give exactly one of list, prefix and manifest")),
    }
}

fn entry(path: &str, entry: &SlideEntry, views: &[ViewRule]) -> Result<(), DatasetError> {
    no_key(&format!("{path}.url"), &entry.url)?;
    for (name, label) in &entry.labels {
        let path = format!("{path}.labels.{name}");
        free(&path, name, views)?;
        if matches!(label, Label::Number(number) if !number.is_finite()) {
            return Err(wrong(path, "must be a finite number or a text"));
        }
    }
    if entry.mpp.is_some_and(|mpp| !(mpp.is_finite() && mpp > 0.0)) {
        return Err(wrong(format!("{path}.mpp"), "must be a positive number"));
    }
    if entry.weight.is_some_and(|weight| !(weight.is_finite() && weight >= 0.0)) {
        return Err(wrong(format!("{path}.weight"), "must be a number from 0"));
    }
    Ok(())
}

fn manifest(manifest: &Manifest, views: &[ViewRule]) -> Result<Manifest, DatasetError> {
    no_key("slides.manifest.url", &manifest.url)?;
    for (index, label) in manifest.columns.labels.iter().enumerate() {
        free(&format!("slides.manifest.columns.labels[{index}]"), label, views)?;
    }
    Ok(manifest.clone())
}

fn sampling(dataset: &Dataset) -> Result<SamplingRule, DatasetError> {
    let sampling = &dataset.sampling;
    match (&sampling.grid, &sampling.random, &sampling.coordinates) {
        (Some(grid), None, None) => {
            let stride = positive("sampling.grid.stride", grid.stride)?;
            Ok(SamplingRule::Grid(Grid { stride, edge: grid.edge }))
        }
        (None, Some(random), None) => Ok(SamplingRule::Random(positive("sampling.random.perSlide", random.per_slide)?)),
        (None, None, Some(table)) => {
            no_key("sampling.coordinates.url", &table.url)?;
            Ok(SamplingRule::Coordinates(table.clone()))
        }
        _ => Err(wrong("sampling", "give exactly one of grid, random and coordinates")),
    }
}

/// A label stands in the batch beside the views and the batch's own keys.
fn free(path: &str, label: &str, views: &[ViewRule]) -> Result<(), DatasetError> {
    if KEYS.contains(&label) || views.iter().any(|view| view.name == label) {
        return Err(wrong(path, format!("{label:?} is a key of the batch already; rename the label or the view")));
    }
    Ok(())
}

fn no_key(path: &str, url: &str) -> Result<(), DatasetError> {
    if url.is_empty() {
        return Err(wrong(path, "must not be empty"));
    }
    if url.contains('?') {
        return Err(wrong(path, "must not hold a query or a key"));
    }
    Ok(())
}

fn positive(field: &str, value: u32) -> Result<NonZeroU32, DatasetError> {
    NonZeroU32::new(value).ok_or_else(|| wrong(field, "must be at least 1"))
}

fn wrong(field: impl Into<String>, problem: impl Into<String>) -> DatasetError {
    DatasetError { field: field.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dataset::Order;

    fn dataset(change: impl FnOnce(&mut Value)) -> Dataset {
        let mut value = json!({
            "name": "train", "slides": {"list": [{"url": "a.svs", "labels": {"grade": 2}}]},
            "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}},
            "filter": {"tissue": {"minPercent": 50}},
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
    fn a_patch_is_all_its_views() {
        let second = json!({"name": "context", "size": 128, "mpp": 4});
        let recipe = dataset(|d| d["views"].as_array_mut().unwrap().push(second)).recipe().unwrap();
        assert_eq!(recipe.patch_bytes().get(), (256 * 256 + 128 * 128) * 3);
        assert_eq!(recipe.views[1].resolution, Resolution::Mpp(4.0));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let cases: [(&str, Value, &str); 15] = [
            ("/views/0/size", 0.into(), "views[0].size: must be at least 1"),
            ("/views/0/size", 9000.into(), "views[0].size: at most 8192 pixels"),
            ("/views", json!([]), "views: give at least one view"),
            (
                "/views/0",
                json!({"name": "i", "size": 1, "level": 0, "mpp": 1}),
                "views[0]: give level or mpp, not both",
            ),
            ("/views/0", json!({"name": "i", "size": 1}), "views[0]: give level or mpp"),
            ("/views/0", json!({"name": "i", "size": 1, "mpp": -1}), "views[0].mpp: must be a positive number"),
            ("/views/0/name", "x".into(), "views[0].name: \"x\" is a key of every batch"),
            ("/slides/list", json!([]), "slides.list: give at least one slide"),
            ("/slides", json!({}), "slides: give exactly one of list, prefix and manifest"),
            ("/slides/list/0/url", "az://a/b?sig=x".into(), "slides.list[0].url: must not hold a query or a key"),
            ("/slides/list/0/mpp", 0.into(), "slides.list[0].mpp: must be a positive number"),
            (
                "/slides/list/0/labels",
                json!({"image": 1}),
                "slides.list[0].labels.image: \"image\" is a key of the batch already; rename the label or the view",
            ),
            ("/sampling", json!({}), "sampling: give exactly one of grid, random and coordinates"),
            ("/sampling/grid/stride", 0.into(), "sampling.grid.stride: must be at least 1"),
            ("/filter/tissue/minPercent", 101.into(), "filter.tissue.minPercent: must be 1 to 100"),
        ];
        for (path, value, message) in cases {
            let (parent, key) = path.rsplit_once('/').unwrap();
            let change = |d: &mut Value| match d.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
                object => object[key] = value.clone(),
            };
            assert_eq!(dataset(change).recipe().unwrap_err().to_string(), message);
        }
    }
}
