//! What is read and stored, in a job that is being written. Pure.

use anyhow::bail;
use serde_json::{Value, json};

use super::value::{list, remove, set};
use crate::job::flags::DataFlags;

/// Writes what the flags say of patches.
pub(super) fn data(spec: &mut Value, flags: &DataFlags) -> anyhow::Result<()> {
    if let Some(url) = &flags.store {
        spec["output"] = json!({"url": url, "format": "WebDataset"});
    }
    let Some(dataset) = dataset(spec, flags)?.filter(|dataset| dataset.is_object()) else { return Ok(()) };
    if !flags.slides.is_empty() {
        dataset["slides"] = slides(&flags.slides)?;
    }
    let is_new = dataset.get("views").is_none();
    if is_new {
        dataset["views"] = json!([{"name": "image", "size": 256}]);
    }
    // What is no dataset, or has no views, is refused with its place when the whole is read.
    let Some(view) = dataset.get_mut("views").and_then(|views| views.get_mut(0)).filter(|view| view.is_object()) else {
        return Ok(());
    };
    set(view, &["size"], flags.size);
    if let Some(level) = flags.level {
        view["level"] = json!(level);
        remove(view, "mpp");
    } else if let Some(mpp) = flags.mpp.or(is_new.then_some(0.5)) {
        view["mpp"] = json!(mpp);
        remove(view, "level");
    }
    let size = view["size"].clone();
    let sampling = match (flags.per_slide, flags.stride, &flags.coordinates) {
        (Some(count), ..) => Some(json!({"random": {"perSlide": count}})),
        (None, Some(stride), _) => Some(json!({"grid": {"stride": stride}})),
        (None, None, Some(url)) => Some(json!({"coordinates": {"url": url}})),
        (None, None, None) => dataset.get("sampling").is_none().then(|| json!({"grid": {"stride": size}})),
    };
    set(dataset, &["sampling"], sampling);
    set(dataset, &["filter", "tissue", "minPercent"], flags.min_tissue);
    set(dataset, &["batchSize"], flags.batch_size);
    set(dataset, &["epochs"], flags.epochs);
    set(dataset, &["seed"], flags.seed);
    Ok(())
}

/// The dataset that the flags are about; a new one only where there is none. Nothing if they are about none.
fn dataset<'a>(spec: &'a mut Value, flags: &DataFlags) -> anyhow::Result<Option<&'a mut Value>> {
    let datasets = list(spec, "datasets");
    if !says_anything(flags) {
        return match &flags.dataset {
            Some(name) => bail!("nothing is said of --dataset {name}: give --slides or another flag of it"),
            None => Ok(None),
        };
    }
    let name = &flags.dataset;
    let found = match name {
        Some(name) => datasets.iter().position(|dataset| dataset["name"] == json!(name)),
        None => (!datasets.is_empty()).then_some(0),
    };
    let index = found.unwrap_or_else(|| {
        datasets.push(json!({"name": name.as_deref().unwrap_or("train")}));
        datasets.len() - 1
    });
    Ok(datasets.get_mut(index))
}

fn says_anything(flags: &DataFlags) -> bool {
    let DataFlags {
        slides,
        size,
        mpp,
        level,
        per_slide,
        stride,
        coordinates,
        min_tissue,
        batch_size,
        epochs,
        seed,
        ..
    } = flags;
    let numbers = [per_slide, stride, size, level, batch_size, epochs].iter().any(|flag| flag.is_some());
    let others = mpp.is_some() || coordinates.is_some() || min_tissue.is_some() || seed.is_some();
    !slides.is_empty() || numbers || others
}

/// Slides by what their URL ends in.
pub(crate) fn slides(urls: &[String]) -> anyhow::Result<Value> {
    let is_table = |url: &str| [".csv", ".parquet"].iter().any(|ending| url.to_ascii_lowercase().ends_with(ending));
    match urls {
        [url] if url.ends_with('/') => Ok(json!({"prefix": url})),
        [url] if is_table(url) => Ok(json!({"manifest": {"url": url}})),
        urls if urls.iter().any(|url| url.ends_with('/') || is_table(url)) => {
            bail!("give several slides, or one folder, or one table in --slides")
        }
        urls => Ok(json!({"list": urls.iter().map(|url| json!({"url": url})).collect::<Vec<_>>()})),
    }
}
