//! Head and workers in this process: the same as on a cluster, behind the same socket.

use std::path::PathBuf;

use microtome_feed::handoff::Handoff;
use microtome_feed::head::{self, Head, Mode, Order, Origin};
use microtome_feed::job::Job;
use microtome_feed::{engine, handoff};
use microtome_slide::Stores;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::raise;

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
    /// Whether patches are asked for and nothing else.
    asks: bool,
    /// Where the socket is to be.
    directory: PathBuf,
}

struct Running {
    runtime: Runtime,
    _head: Head,
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

    /// Ends head and workers. What was handed over stays as it is.
    fn close(&mut self, python: Python<'_>) {
        let Some(Running { runtime, _head, _workers, closing, serving }) = self.running.take() else { return };
        python.detach(|| {
            drop((closing, _head, _workers));
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
        let mut orders = vec![Order { origin, mode }];
        if !asks {
            orders.extend(head::to_be_asked(&orders, *memory));
        }
        let (head, feeds) = head::start(orders, *memory).map_err(|error| raise(error.category(), &error))?;
        let workers = engine::embed(&head, &stores, *workers).map_err(|error| raise("Storage", &error))?;
        Ok::<_, PyErr>((head, feeds, workers))
    })?;
    let (closing, closed) = oneshot::channel();
    let serving = {
        let _entered = runtime.enter();
        let handoff = Handoff::listen(directory).map_err(|error| raise("Storage", &error))?;
        let output = job.object.spec.output.as_ref().map(|output| output.url.clone());
        tokio::spawn(handoff.serve((feeds, output), closed))
    };
    Ok(Running { runtime, _head: head, _workers: workers, closing, serving })
}
