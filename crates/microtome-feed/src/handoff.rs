//! The hand-off to the program: a Unix socket on which batches come in order.
//!
//! The program connects to the path in `MICROTOME_FEED` and asks with one line of JSON, an object of which every field may
//! be left out: `dataset`, the name of the dataset that it wants (the job's first unless given), and `checkpoint`, what it
//! kept of an earlier batch frame to go on after that batch, in this attempt or another. `{}` reads the first dataset from
//! its start. Then it reads frames: one line of JSON, then as many bytes as its `bytes` says. One connection reads the whole
//! stream of one dataset; each dataset has its own.
//!
//! | frame | JSON | bytes |
//! |---|---|---|
//! | batch | `dataset`, `epoch`, `step`, `steps`; `views`, each with `name` and `shape` [n, height, width, 3]; by patch `slide`, `x`, `y` (level-0 pixels), `index`, and `labels` {name: [n]}; `urls` {slide: URL}; `checkpoint` (object, < 1 KiB); `bytes` | view after view, all patches of it: uint8 RGB |
//! | end | `end`: true | – |
//! | error | `error`: one line, `category` | – |

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_plan::dataset::{Label, ViewRule};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::{Batch, Feed, Patch};

/// A request is a checkpoint (< 1 KiB) and a name.
const REQUEST_BYTES: u64 = 64 << 10;

/// A program that has connected knows what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket's end on the head's side.
#[derive(Debug)]
pub struct Handoff {
    listener: UnixListener,
    path: PathBuf,
}

/// How the hand-off ended.
#[derive(Clone, Debug)]
pub enum HandedOff {
    /// The program got everything.
    Whole {
        /// The stream's digest in hexadecimal.
        digest: String,
    },
    /// The program closed the socket before the end.
    Partly,
    /// The feed failed; the program was told.
    Failed(FeedError),
}

/// What a program asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    dataset: Option<String>,
    checkpoint: Option<Checkpoint>,
}

/// The first dataset's outcome is the job's, unless another one failed.
struct Outcomes {
    first: HandedOff,
    failed: Option<FeedError>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Frame<'a> {
    Batch(Box<BatchFrame<'a>>),
    End { end: bool },
    Error { error: String, category: String },
}

#[derive(Serialize)]
struct BatchFrame<'a> {
    dataset: &'a str,
    epoch: u64,
    step: u64,
    steps: u64,
    views: Vec<ViewFrame<'a>>,
    slide: Vec<u32>,
    x: Vec<i32>,
    y: Vec<i32>,
    index: Vec<u64>,
    labels: BTreeMap<&'a str, Vec<Option<&'a Label>>>,
    urls: BTreeMap<u32, &'a str>,
    checkpoint: Option<&'a Checkpoint>,
    bytes: u64,
}

#[derive(Serialize)]
struct ViewFrame<'a> {
    name: &'a str,
    shape: [u64; 4],
}

impl Handoff {
    /// Listens in `directory`.
    pub fn listen(directory: &Path) -> io::Result<Self> {
        let path = directory.join("feed");
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }

    /// Where the program connects.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands each dataset's stream to the first connection that asks for it, until all were handed over, one failed, or
    /// `closing` is dropped because the program has ended.
    pub async fn serve(self, feeds: Vec<(String, Feed)>, mut closing: oneshot::Receiver<()>) -> io::Result<HandedOff> {
        let first = feeds.first().map(|(name, _)| name.clone()).unwrap_or_default();
        let mut outcomes = Outcomes { first: HandedOff::Partly, failed: None };
        let waiting = Arc::new(Mutex::new(feeds));
        let mut connections = JoinSet::new();
        let mut closed = false;
        while outcomes.failed.is_none() {
            let left = !closed && !lock(&waiting).is_empty();
            if !left && connections.is_empty() {
                break;
            }
            tokio::select! {
                accepted = self.listener.accept(), if left => {
                    let (stream, _) = accepted?;
                    connections.spawn(connection(stream, Arc::clone(&waiting)));
                }
                Some(ended) = connections.join_next() => {
                    let (dataset, handed) = ended.map_err(io::Error::other)??;
                    match handed {
                        HandedOff::Failed(error) => outcomes.failed = Some(error),
                        handed if dataset.as_ref() == Some(&first) => outcomes.first = handed,
                        _ => {}
                    }
                }
                _ = &mut closing, if !closed => closed = true,
            }
        }
        Ok(outcomes.failed.map_or(outcomes.first, HandedOff::Failed))
    }
}

type Waiting = Mutex<Vec<(String, Feed)>>;

fn lock(waiting: &Waiting) -> MutexGuard<'_, Vec<(String, Feed)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection: which dataset it got, and how that ended.
async fn connection(stream: UnixStream, waiting: Arc<Waiting>) -> io::Result<(Option<String>, HandedOff)> {
    let (asks, answers) = stream.into_split();
    let mut program = BufWriter::new(answers);
    let claimed = asked(asks).await?.and_then(|request| claim(&waiting, &request).map(|feed| (feed, request)));
    let (dataset, handed) = match claimed {
        Ok(((name, mut feed), request)) => {
            if let Some(checkpoint) = request.checkpoint {
                feed.start(Start::Checkpoint(checkpoint));
            }
            let handed = hand_off(&mut program, &mut feed, &name).await;
            (Some(name), handed)
        }
        Err(error) => (None, refuse(&mut program, error).await),
    };
    match handed {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            Ok((dataset, HandedOff::Partly))
        }
        handed => handed.map(|handed| (dataset, handed)),
    }
}

/// The feed that a program asks for. A second reader would get half of a stream: nobody gets one twice.
fn claim(waiting: &Waiting, request: &Request) -> Result<(String, Feed), FeedError> {
    let mut feeds = lock(waiting);
    let found = match &request.dataset {
        None => (!feeds.is_empty()).then_some(0),
        Some(wanted) => feeds.iter().position(|(name, _)| name == wanted),
    };
    found.map(|index| feeds.remove(index)).ok_or_else(|| {
        let known: Vec<&str> = feeds.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = request.dataset.as_deref().unwrap_or("the first dataset");
        let problem = format!("{wanted:?} is not to be had; there are {known:?} that nobody reads yet");
        FeedError::Request { problem }
    })
}

async fn hand_off(program: &mut BufWriter<OwnedWriteHalf>, feed: &mut Feed, dataset: &str) -> io::Result<HandedOff> {
    let mut digest = StreamDigest::default();
    let handed = loop {
        match feed.next().await {
            Ok(Some(batch)) => {
                write(program, &frame(&batch, dataset)).await?;
                for (_, picture) in batch.pictures() {
                    for patch in batch.patches() {
                        program.write_all(&patch.pixels[picture.clone()]).await?;
                    }
                }
                program.flush().await?;
                digest.update(&batch);
            }
            Ok(None) => {
                write(program, &Frame::End { end: true }).await?;
                break HandedOff::Whole { digest: digest.hex() };
            }
            Err(error) => break refuse(program, error).await?,
        }
    };
    program.shutdown().await?;
    Ok(handed)
}

/// Tells the program what is wrong.
async fn refuse(program: &mut BufWriter<OwnedWriteHalf>, error: FeedError) -> io::Result<HandedOff> {
    let category = error.category().to_owned();
    write(program, &Frame::Error { error: error.to_string(), category }).await?;
    program.flush().await?;
    Ok(HandedOff::Failed(error))
}

/// What the program asks for.
async fn asked(program: OwnedReadHalf) -> io::Result<Result<Request, FeedError>> {
    let mut line = Vec::new();
    let mut program = BufReader::new(program.take(REQUEST_BYTES));
    let mut reading = pin!(program.read_until(b'\n', &mut line));
    let read = match tokio::time::timeout(PATIENCE, &mut reading).await {
        Ok(read) => read,
        Err(_) => {
            tracing::warn!(
                "the program has connected, but not asked for anything: it has to write a line, at least {{}}"
            );
            reading.await
        }
    };
    read?;
    let wrong = |problem: String| FeedError::Request { problem };
    Ok(serde_json::from_slice::<Request>(&line).map_err(|error| wrong(error.to_string())))
}

async fn write(program: &mut BufWriter<OwnedWriteHalf>, frame: &Frame<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    program.write_all(&line).await
}

fn frame<'a>(batch: &'a Batch, dataset: &'a str) -> Frame<'a> {
    let patches = batch.patches();
    let view = |(rule, _): (&'a ViewRule, _)| {
        let size = u64::from(rule.size.get());
        ViewFrame { name: &rule.name, shape: [patches.len() as u64, size, size, 3] }
    };
    Frame::Batch(Box::new(BatchFrame {
        dataset,
        epoch: batch.epoch,
        step: batch.step,
        steps: batch.steps,
        views: batch.pictures().map(view).collect(),
        slide: patches.iter().map(|patch| patch.slide).collect(),
        x: patches.iter().map(|patch| patch.coordinate.x).collect(),
        y: patches.iter().map(|patch| patch.coordinate.y).collect(),
        index: patches.iter().map(|patch| patch.number).collect(),
        labels: labels(patches),
        urls: patches.iter().map(|patch| (patch.slide, patch.entry.url.as_str())).collect(),
        checkpoint: batch.checkpoint.as_ref(),
        bytes: patches.iter().map(|patch| patch.pixels.len() as u64).sum(),
    }))
}

/// Every label that a slide of the batch has; `null` where a slide does not have it.
fn labels(patches: &[Patch]) -> BTreeMap<&str, Vec<Option<&Label>>> {
    let names: BTreeSet<&str> =
        patches.iter().flat_map(|patch| patch.entry.labels.keys()).map(String::as_str).collect();
    let column = |name: &str| patches.iter().map(|patch| patch.entry.labels.get(name)).collect();
    names.into_iter().map(|name| (name, column(name))).collect()
}
