//! What the verbs without a cluster share: a job's file, a head, and workers in this process.

use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use clap::Args;
use microtome_slide::{Limits, Slide, SlideInfo, SlideUrl, Stores};

use crate::engine::{self, Engine};
use crate::head::{self, Feed, Head, Mode, Order, Origin};
use crate::job::Job;
use crate::selection_cache::{Key, SelectionCache};
use crate::source::Source;

/// Enough for batches of 256 patches of 256 px with room to work ahead.
pub(super) const DEFAULT_MEMORY: &str = "256Mi";

/// A job to do in this process.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// The job's file: a PatchJob as YAML or JSON.
    pub(super) file: PathBuf,
    /// Which of the job's datasets [default: the first].
    #[arg(long, value_name = "NAME")]
    pub(super) dataset: Option<String>,
    /// Workers in this process, one thread each [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Where selections are kept, so that the next run need not choose again [default: microtome/selections in the user's
    /// cache directory].
    #[arg(long, env = "MICROTOME_SELECTIONS", value_name = "DIRECTORY")]
    selections: Option<PathBuf>,
    /// Patches held in memory at most, say 512Mi or 4Gi.
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_MEMORY, value_parser = parse_memory)]
    pub(super) memory: u64,
}

/// A head and its workers in this process.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) source: Source,
    pub(super) head: Head,
    pub(super) feed: Feed,
    pub(super) workers: usize,
    pub(super) stores: Stores,
    /// Where the selection is to be kept, if it is a new one.
    keep: Option<(SelectionCache, Key)>,
    _engine: Engine,
}

impl LocalArgs {
    /// Starts head and workers on what `mode` says; must be called on a runtime.
    pub(super) async fn start(&self, (job, stores): (&Job, Stores), mut mode: Mode) -> Result<Local> {
        let index = job.find(self.dataset.as_deref())?;
        if self.dataset.is_none() && job.recipes.len() > 1 {
            let (count, first) = (job.recipes.len(), &job.recipes[0].name);
            eprintln!("microtome: the job has {count} datasets; this is {first:?}, --dataset NAME takes another");
        }
        let source = job.source(index, &stores).await?;
        let mut keep = None;
        if let Some(cache) =
            self.selections.clone().or_else(default_selections).map(|directory| SelectionCache::new(&directory))
            && let Some(key) = SelectionCache::key(&source, &stores).await
        {
            match (cache.find(&key).await, &mut mode) {
                (Some(found), Mode::Stream { selection, .. } | Mode::Select { selection }) => *selection = Some(found),
                _ => keep = Some((cache, key)),
            }
        }
        let workers = self.workers.map_or_else(cores, usize::from);
        let (head, feeds) =
            head::start(vec![Order { origin: Origin::Known(Box::new(source.clone())), mode }], self.memory)?;
        let feed = feeds.into_iter().next().context("a head of one dataset has one feed")?;
        let engine = engine::embed(&head, &stores, workers)?;
        Ok(Local { source, head, feed, workers, stores, keep, _engine: engine })
    }
}

impl Local {
    /// Facts of the dataset's slide, if it has only one.
    pub(super) async fn only_slide(&self) -> Result<Option<SlideInfo>> {
        if let Some(info) = self.head.stats().first_slide {
            return Ok(serde_json::from_value(info).ok());
        }
        // The selection is of an earlier run, and nobody has opened the slide for it.
        let [slide] = self.source.slides.as_slice() else { return Ok(None) };
        let slide = Slide::open(&self.stores, &SlideUrl::parse(&slide.url)?, &Limits::default()).await?;
        Ok(Some(slide.info().clone()))
    }

    /// Keeps the selection for the next run. To be called once it is frozen.
    pub(super) async fn keep_selection(&mut self) -> Result<()> {
        if let Some((cache, key)) = self.keep.take() {
            cache.keep(&key, &*self.feed.selection().await?);
        }
        Ok(())
    }
}

/// Where the user's programs keep what can be had again.
fn default_selections() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("microtome/selections"))
}

/// The cores that this process may use; a container's limit counts.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A size as Kubernetes writes it.
pub(super) fn parse_memory(text: &str) -> Result<u64, String> {
    let milli = microtome_api::quantity::Quantity(text.to_owned()).milli().map_err(|error| error.to_string())?;
    u64::try_from(milli / 1000).map_err(|_| format!("{text:?} is too large"))
}
