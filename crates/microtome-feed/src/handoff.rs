//! The hand-off to the program: a Unix socket on which batches come in order.
//!
//! The program connects to the path in `MICROTOME_FEED` and asks with one line of JSON, an object of which every field may
//! be left out: `dataset`, the name of the dataset that it wants, and `checkpoint`, what it kept of an earlier batch frame
//! to go on after that batch, in this attempt or another. `{}` reads the stream from its start. Then it reads frames: one
//! line of JSON, then as many bytes as its `bytes` says. One connection reads the whole stream.
//!
//! | frame | JSON | bytes |
//! |---|---|---|
//! | batch | `dataset`, `epoch`, `step`, `steps`, `shape` [n, height, width, 3], `slide` [n], `x` [n], `y` [n] (level-0 pixels), `checkpoint` (object, < 1 KiB), `bytes` | the patches, uint8 RGB |
//! | end | `end`: true | – |
//! | error | `error`: one line, `category` | – |

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use microtome_plan::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixListener;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::{Batch, Feed};

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

#[derive(Serialize)]
#[serde(untagged)]
enum Frame<'a> {
    Batch {
        dataset: &'a str,
        epoch: u64,
        step: u64,
        steps: u64,
        shape: [u64; 4],
        slide: Vec<u32>,
        x: Vec<i32>,
        y: Vec<i32>,
        checkpoint: &'a Checkpoint,
        bytes: u64,
    },
    End {
        end: bool,
    },
    Error {
        error: String,
        category: String,
    },
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

    /// Hands the whole stream to the first program that connects.
    pub async fn serve(self, mut feed: Feed, dataset: &str) -> io::Result<HandedOff> {
        let (stream, _) = self.listener.accept().await?;
        // A second reader would get half of a stream: there is nobody to connect to.
        drop(self.listener);
        let (asks, answers) = stream.into_split();
        let mut program = BufWriter::new(answers);
        let handed = match asked(asks, dataset).await? {
            Ok(request) => {
                if let Some(checkpoint) = request.checkpoint {
                    feed.resume(checkpoint);
                }
                hand_off(&mut program, &mut feed, dataset).await
            }
            Err(error) => refuse(&mut program, error).await,
        };
        match handed {
            Ok(handed) => Ok(handed),
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Ok(HandedOff::Partly)
            }
            Err(error) => Err(error),
        }
    }
}

async fn hand_off(program: &mut BufWriter<OwnedWriteHalf>, feed: &mut Feed, dataset: &str) -> io::Result<HandedOff> {
    let mut digest = StreamDigest::default();
    let handed = loop {
        match feed.next().await {
            Ok(Some(batch)) => {
                write(program, &frame(&batch, dataset)).await?;
                for patch in batch.patches() {
                    program.write_all(&patch.pixels).await?;
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
async fn asked(program: OwnedReadHalf, dataset: &str) -> io::Result<Result<Request, FeedError>> {
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
    let request = serde_json::from_slice::<Request>(&line).map_err(|error| wrong(error.to_string()));
    Ok(request.and_then(|request| match &request.dataset {
        Some(wanted) if wanted != dataset => Err(wrong(format!("the job has no dataset {wanted:?}, only {dataset:?}"))),
        _ => Ok(request),
    }))
}

async fn write(program: &mut BufWriter<OwnedWriteHalf>, frame: &Frame<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    program.write_all(&line).await
}

fn frame<'a>(batch: &'a Batch, dataset: &'a str) -> Frame<'a> {
    let (patches, size) = (batch.patches(), u64::from(batch.size));
    Frame::Batch {
        dataset,
        epoch: batch.epoch,
        step: batch.step,
        steps: batch.steps,
        shape: [patches.len() as u64, size, size, 3],
        slide: patches.iter().map(|patch| patch.slide).collect(),
        x: patches.iter().map(|patch| patch.coordinate.x).collect(),
        y: patches.iter().map(|patch| patch.coordinate.y).collect(),
        checkpoint: &batch.checkpoint,
        bytes: patches.iter().map(|patch| patch.pixels.len() as u64).sum(),
    }
}
