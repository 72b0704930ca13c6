//! Head and workers in this process: the same as on a cluster, behind the same socket.

use std::path::PathBuf;

use microtome_feed::handoff::Handoff;
use microtome_feed::head::{self, Head, Mode, Order, Origin};
use microtome_feed::job::Job;
use microtome_feed::{engine, handoff};
use microtome_slide::Stores;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::{raise, said};

/// Serves one dataset of a job to this process, and to others on this machine.
#[pyclass(module = "microtome._native")]
pub(crate) struct Engine {
    running: Option<Running>,
    path: PathBuf,
}

/// What is to be served, and with how much.
#[derive(Deserialize)]
struct Settings {
    /// The job's file.
    job: PathBuf,
    dataset: Option<String>,
    /// Fields of the dataset that take the place of the file's.
    changes: Map<String, Value>,
    workers: usize,
    /// Bytes.
    memory: u64,
    /// Whether patches are asked for at run time.
    asks: bool,
    /// Where the socket is to be.
    directory: PathBuf,
}

struct Running {
    runtime: Runtime,
    head: Head,
    _workers: engine::Engine,
    closing: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<handoff::HandedOff>>,
}

#[pymethods]
impl Engine {
    /// Settings: see [`Settings`], as JSON.
    #[new]
    fn start(python: Python<'_>, settings: &str) -> PyResult<Self> {
        let settings: Settings = serde_json::from_str(settings).map_err(|error| raise("Request", &error))?;
        python.detach(|| Ok(Self { running: Some(run(&settings)?), path: settings.directory.join("feed") }))
    }

    /// The socket.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// What has happened so far, as JSON.
    fn stats(&self) -> PyResult<String> {
        let Some(running) = &self.running else { return Err(said("Closed", "the loader is closed")) };
        let stats = running.head.stats();
        let micros = |ledger: head::Ledger| {
            let head::Ledger { storage, decode, queue, network, copy } = ledger;
            let seconds = [storage, decode, queue, network, copy].map(|part| part.as_secs_f64());
            json!({
                "storage": seconds[0], "decode": seconds[1], "queue": seconds[2], "network": seconds[3], "copy": seconds[4],
            })
        };
        let value = json!({
            "patches": stats.patches, "batches": stats.batches, "slides": stats.slides,
            "quarantined": stats.quarantined.iter().map(|slide| (slide.index, &slide.category, &slide.reason)).collect::<Vec<_>>(),
            "bad_patches": stats.bad_patches, "workers": stats.workers, "requests": stats.requests,
            "bytes_fetched": stats.bytes, "tiles_decoded": stats.tiles, "peak_bytes": stats.peak_bytes,
            "first_batch_seconds": stats.first_batch.as_secs_f64(), "stall": micros(stats.waiting),
            "leases": micros(stats.leases),
        });
        Ok(value.to_string())
    }

    /// Ends head and workers. What was handed over stays as it is.
    fn close(&mut self, python: Python<'_>) {
        let Some(Running { runtime, head, _workers, closing, serving }) = self.running.take() else { return };
        python.detach(|| {
            drop((closing, head, _workers));
            serving.abort();
            runtime.shutdown_background();
        });
    }
}

fn run(settings: &Settings) -> PyResult<Running> {
    let Settings { job, dataset, changes, workers, memory, asks, directory } = settings;
    let dataset = dataset.as_deref();
    let job = Job::read_changed(job, dataset, changes).map_err(|error| raise("InvalidDataset", &error))?;
    let index = job.find(dataset).map_err(|error| raise("InvalidDataset", &error))?;
    let made = Builder::new_multi_thread().worker_threads(2).thread_name("microtome-feed").enable_all().build();
    let runtime = made.map_err(|error| raise("Storage", &error))?;
    let stores = Stores::from_env();
    let (head, feeds, workers) = runtime.block_on(async {
        let origin =
            Origin::Known(Box::new(job.source(index, &stores).await.map_err(|error| raise("InvalidDataset", &error))?));
        let mode = if *asks { Mode::Ask } else { Mode::Stream { selection: None, resume: None } };
        let order = Order { origin, mode };
        let (head, feeds) = head::start(vec![order], *memory).map_err(|error| raise(error.category(), &error))?;
        let workers = engine::embed(&head, &stores, *workers).map_err(|error| raise("Storage", &error))?;
        Ok::<_, PyErr>((head, feeds, workers))
    })?;
    let (closing, closed) = oneshot::channel();
    let recipe = job.recipes[index].clone();
    let serving = {
        let _entered = runtime.enter();
        let handoff = Handoff::listen(directory).map_err(|error| raise("Storage", &error))?;
        let output = job.object.spec.output.as_ref().map(|output| output.url.clone());
        let feeds = feeds.into_iter().map(|feed| (recipe.clone(), feed)).collect();
        tokio::spawn(handoff.serve((feeds, output), closed))
    };
    Ok(Running { runtime, head, _workers: workers, closing, serving })
}
