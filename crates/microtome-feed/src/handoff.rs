//! The hand-off to the program: a Unix socket on which batches come in order.
//!
//! The program connects to the path in `MICROTOME_FEED` and reads frames: one line of JSON, then as many bytes as its
//! `bytes` says. One connection reads the whole stream.
//!
//! | frame | JSON | bytes |
//! |---|---|---|
//! | batch | `dataset`, `epoch`, `step`, `steps`, `shape` [n, height, width, 3], `slide` [n], `x` [n], `y` [n] (level-0 pixels), `bytes` | the patches, uint8 RGB |
//! | end | `end`: true | – |
//! | error | `error`: one line, `category` | – |

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::{UnixListener, UnixStream};

use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::{Batch, Feed};

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
        let mut program = BufWriter::new(stream);
        match hand_off(&mut program, &mut feed, dataset).await {
            Ok(handed) => Ok(handed),
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Ok(HandedOff::Partly)
            }
            Err(error) => Err(error),
        }
    }
}

async fn hand_off(program: &mut BufWriter<UnixStream>, feed: &mut Feed, dataset: &str) -> io::Result<HandedOff> {
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
            Err(error) => {
                let category = error.category().to_owned();
                write(program, &Frame::Error { error: error.to_string(), category }).await?;
                break HandedOff::Failed(error);
            }
        }
    };
    program.shutdown().await?;
    Ok(handed)
}

async fn write(program: &mut BufWriter<UnixStream>, frame: &Frame<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    program.write_all(&line).await
}

fn frame<'a>(batch: &Batch, dataset: &'a str) -> Frame<'a> {
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
        bytes: patches.iter().map(|patch| patch.pixels.len() as u64).sum(),
    }
}
