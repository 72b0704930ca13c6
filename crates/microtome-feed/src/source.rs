//! From a dataset as it is written to the slides it names: lists what lies below a prefix, reads manifests and tables of
//! coordinates.
//!
//! Runs once on a worker, or in the process that has them, before anything else is leased. Reads storage, by the same
//! clients as slides are read; opens no slide.

mod coordinates;
mod manifest;
mod prefix;
pub mod table;

use microtome_plan::dataset::{Dataset, Recipe, SamplingRule, SlideEntry, SlideSource};
use microtome_plan::select::Coordinate;
use microtome_slide::{SlideUrl, Stores, UrlError};

use table::TableError;

use crate::wire::feed::Resolved;

/// A table of ten million coordinates is some 100 MB as Parquet.
const TABLE_BYTES: u64 = 1 << 30;

/// A dataset whose slides are known by name.
#[derive(Clone, Debug)]
pub struct Source {
    /// The dataset as written.
    pub dataset: Dataset,
    /// The dataset, checked.
    pub recipe: Recipe,
    /// Its slides, in their order.
    pub slides: Vec<SlideEntry>,
    /// The places that a table names for each of the slides; empty without such a table.
    pub places: Vec<Vec<Coordinate>>,
}

/// The slides of a dataset cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What the dataset names is no URL that can be read.
    #[error("{field}")]
    Url {
        /// The field of the dataset.
        field: &'static str,
        /// Why.
        source: UrlError,
    },
    /// It cannot be read.
    #[error("{field}: {source}")]
    Storage {
        /// The field of the dataset.
        field: &'static str,
        /// What storage says.
        source: microtome_slide::Error,
    },
    /// It is no such table.
    #[error("{field}: {url}: {source}")]
    Table {
        /// The field of the dataset.
        field: &'static str,
        /// The table.
        url: String,
        /// What is wrong, and where.
        source: TableError,
    },
    /// A row says something that cannot be.
    #[error("{field}: {url}: row {row}: {problem}")]
    Row {
        /// The field of the dataset.
        field: &'static str,
        /// The table.
        url: String,
        /// Counts from 1, without the header.
        row: usize,
        /// What is wrong.
        problem: String,
    },
    /// There are no slides.
    #[error("{field}: {problem}")]
    Empty {
        /// The field of the dataset.
        field: &'static str,
        /// Where nothing is.
        problem: String,
    },
}

impl SourceError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Url { .. } => "InvalidUrl",
            Self::Storage { source, .. } => source.category(),
            Self::Table { .. } | Self::Row { .. } => "InvalidTable",
            Self::Empty { .. } => "NoSlides",
        }
    }
}

impl Source {
    /// The source of a dataset that lists its slides itself and needs no table: nothing is to be found out.
    pub fn listed(dataset: &Dataset, recipe: &Recipe) -> Option<Self> {
        match (&recipe.slides, &recipe.sampling) {
            (SlideSource::List(list), SamplingRule::Grid(_) | SamplingRule::Random(_)) => Some(Self {
                dataset: dataset.clone(),
                recipe: recipe.clone(),
                slides: list.clone(),
                places: Vec::new(),
            }),
            _ => None,
        }
    }

    /// What a worker found out, as it goes over the wire.
    pub(crate) fn to_wire(&self) -> Resolved {
        let places = || self.places.iter().flatten();
        Resolved {
            slides: serde_json::to_vec(&self.slides).expect("entries are plain data").into(),
            places: self.places.iter().map(|places| places.len() as u32).collect(),
            x: places().map(|place| place.x).collect(),
            y: places().map(|place| place.y).collect(),
            ..Resolved::default()
        }
    }

    /// As a worker sent it; `None` if that is no such thing.
    pub(crate) fn from_wire(dataset: &Dataset, recipe: &Recipe, resolved: &Resolved) -> Option<Self> {
        let slides: Vec<SlideEntry> = serde_json::from_slice(&resolved.slides).ok()?;
        let mut all = resolved.x.iter().zip(&resolved.y).map(|(x, y)| Coordinate { x: *x, y: *y });
        let places: Vec<Vec<Coordinate>> =
            resolved.places.iter().map(|count| all.by_ref().take(*count as usize).collect()).collect();
        let whole = places.is_empty() || places.len() == slides.len();
        whole.then(|| Self { dataset: dataset.clone(), recipe: recipe.clone(), slides, places })
    }

    /// Finds out which slides a dataset is made of.
    pub async fn of(dataset: &Dataset, recipe: &Recipe, stores: &Stores) -> Result<Self, SourceError> {
        let slides = match &recipe.slides {
            SlideSource::List(list) => list.clone(),
            SlideSource::Prefix(prefix) => prefix::slides(prefix, stores).await?,
            SlideSource::Manifest(manifest) => manifest::slides(manifest, stores).await?,
        };
        let places = match &recipe.sampling {
            SamplingRule::Coordinates(table) => coordinates::places(table, &slides, stores).await?,
            SamplingRule::Grid(_) | SamplingRule::Random(_) => Vec::new(),
        };
        Ok(Self { dataset: dataset.clone(), recipe: recipe.clone(), slides, places })
    }
}

/// A table that a field names, with the columns that are wanted of it.
struct Wanted<'a> {
    field: &'static str,
    url: &'a str,
    columns: Vec<&'a str>,
}

impl Wanted<'_> {
    async fn read(&self, stores: &Stores) -> Result<table::Table, SourceError> {
        let url = SlideUrl::parse(self.url).map_err(|source| SourceError::Url { field: self.field, source })?;
        let storage = |source| SourceError::Storage { field: self.field, source };
        let object = stores.read_object(&url, TABLE_BYTES).await.map_err(storage)?;
        let failed = |source| SourceError::Table { field: self.field, url: self.url.to_owned(), source };
        table::read(self.url, object.bytes, &self.columns).await.map_err(failed)
    }

    fn wrong_row(&self, index: usize, problem: impl Into<String>) -> SourceError {
        SourceError::Row { field: self.field, url: self.url.to_owned(), row: index + 1, problem: problem.into() }
    }
}

/// A URL as a table beside `base` writes it: whole, or a path beside the table.
fn beside(base: &str, written: &str) -> String {
    if written.contains("://") || written.starts_with('/') {
        return written.to_owned();
    }
    let folder = base.rfind('/').map_or("", |end| &base[..=end]);
    format!("{folder}{}", written.strip_prefix("./").unwrap_or(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_beside_their_table() {
        let cases = [
            ("az://slides/train.csv", "a/b.svs", "az://slides/a/b.svs"),
            ("az://slides/x/train.csv", "./b.svs", "az://slides/x/b.svs"),
            ("/data/train.csv", "b.svs", "/data/b.svs"),
            ("train.csv", "b.svs", "b.svs"),
            ("az://slides/train.csv", "s3://other/b.svs", "s3://other/b.svs"),
            ("az://slides/train.csv", "/data/b.svs", "/data/b.svs"),
        ];
        for (base, written, whole) in cases {
            assert_eq!(beside(base, written), whole);
        }
    }
}
