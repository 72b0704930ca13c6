//! The hand-off to the program: a Unix socket on which batches come in order.
//!
//! The program connects to the path in `MICROTOME_FEED` and writes one line of JSON, in which every field may be left out:
//!
//! | field | |
//! |---|---|
//! | `dataset` | the dataset that it wants; the job's first unless given |
//! | `checkpoint`, or `epoch` | where to start: behind the batch frame that held the checkpoint, in this attempt or another; or with an epoch's first batch. Where neither is given, the stream's start |
//! | `rank`, `world` | which rows of each batch it wants, if several processes share the stream: the same batches for all, r-th of W equal runs of rows. The stream starts when all W are there, and all must ask for the same start |
//! | `shared` | `true`: pixels come in shared memory; see below |
//! | `asks` | `true`: it reads no stream, but what it asks for with `ask`, for itself alone; rank, start and world are nothing to it |
//!
//! `{}` reads the first dataset from its start. Then it reads frames: one line of JSON, then as many bytes as its `bytes` says.
//!
//! | frame | JSON | bytes |
//! |---|---|---|
//! | stream | `stream`: `dataset`, `epochs`, `steps`, `patches`, `batch`, `seed`, `order`, `views`, `selection`, `output`: what the stream is, once its selection is frozen | – |
//! | slides | `slides`: of each selected one `slide`, `url`, `patches`, `labels` | – |
//! | batch | `dataset`, `epoch`, `step`, `steps`; `views`, each with `name` and `shape` [n, height, width, 3]; by patch `slide`, `x`, `y` (level-0 pixels), `index`, and `labels` {name: [n]}; `urls` {slide: URL}; `checkpoint` (object, < 1 KiB); `bytes` | view after view, all patches of it: uint8 RGB |
//! | stats | `stats`: what has happened so far: `batches`, `patches`, `bytes_fetched`, `first_batch_seconds`, `stall`, … | – |
//! | end | `end`: true | – |
//! | error | `error`: one line, `category` | – |
//!
//! **Shared memory.** The frame has `segment` instead of bytes behind it: `slot`, and `new`: the size of a memfd that comes with
//! the frame (SCM_RIGHTS), for the program to map; it keeps it for later frames with the same slot. Pixels are at its start, and
//! stay until the program says that it has done with them. Frames come when they are asked for. The program writes lines:
//!
//! | line | |
//! |---|---|
//! | `next`: n, `waited_us` | it wants n batches more, and has waited so long for the last ones; for the first of all is not said |
//! | `release`: [slot] | nobody looks at these slots any more |
//! | `ask`: [[URL, x, y]] | the next patches, where they are not planned: a round, which comes in batches of which the last may be smaller |
//! | `slides`: true, `stats`: true | it wants to know the slides, or what has happened |
//! | `start`: {`epoch`, `checkpoint` or `without`: [URL]} | another reading of the stream. Frames of it have its number as `reading`, counted from 0 |

mod asked;
mod frame;
mod group;
mod program;
mod segments;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::error::FeedError;
use crate::head::Feed;
use asked::Asked;
use group::{Group, Message};

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

/// The streams that programs may ask for.
#[derive(Debug)]
struct Streams {
    first: String,
    /// By dataset, and whether its patches are asked for.
    groups: HashMap<(String, bool), mpsc::UnboundedSender<Message>>,
    connections: AtomicU64,
}

impl Streams {
    /// The stream that a program asks for.
    fn find(&self, wanted: Option<&str>, asks: bool) -> Result<mpsc::UnboundedSender<Message>, FeedError> {
        let wanted = wanted.unwrap_or(&self.first);
        if let Some(group) = self.groups.get(&(wanted.to_owned(), asks)) {
            return Ok(group.clone());
        }
        let mut known: Vec<&str> = self.groups.keys().map(|(name, _)| name.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let problem = match known.contains(&wanted) {
            false => format!("there is no dataset {wanted:?}; there are {known:?}"),
            true if asks => format!(
                "patches of {wanted:?} cannot be asked for: two batches of them do not fit the memory beside the streams; \
                 raise it, or lower batchSize or the view's size"
            ),
            true => format!("{wanted:?} has no stream here: its patches are asked for"),
        };
        Err(FeedError::Request { problem })
    }

    /// A number that no other connection has.
    fn number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }
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

    /// Hands the datasets' streams to whoever asks for them, until one fails, or `closing` is dropped because the program
    /// has ended. `output`: where the job's program may write. The first dataset's outcome is the job's, unless another one failed;
    /// what is asked for beside them is nothing to it.
    pub async fn serve(
        self,
        (feeds, output): (Vec<Feed>, Option<String>),
        mut closing: oneshot::Receiver<()>,
    ) -> io::Result<HandedOff> {
        let first = feeds.first().map(|feed| feed.recipe().name.clone()).unwrap_or_default();
        let (mut groups, mut programs) = (JoinSet::new(), JoinSet::new());
        let mut streams = Streams { first: first.clone(), groups: HashMap::new(), connections: AtomicU64::new(0) };
        for feed in feeds {
            let (name, asked, output) = (feed.recipe().name.clone(), feed.is_asked(), output.clone());
            let (messages, inbox) = mpsc::unbounded_channel();
            streams.groups.insert((name.clone(), asked), messages);
            groups.spawn(async move {
                match asked {
                    true => (None, Asked::new(feed, output).run(inbox).await),
                    false => (Some(name), Group::new(feed, output).run(inbox).await),
                }
            });
        }
        let streams = Arc::new(streams);
        let mut failed = None;
        while failed.is_none() {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted?;
                    programs.spawn(program::attend(stream, Arc::clone(&streams)));
                }
                Some(ended) = programs.join_next() => ended.map_err(io::Error::other)??,
                Some(ended) = groups.join_next() => failed = failure(ended.map_err(io::Error::other)?),
                _ = &mut closing => break,
            }
        }
        drop(streams);
        // Connections of a program that has ended are closed, and one that is told of a failure may still be reading.
        while let Some(ended) = programs.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        let mut outcome = HandedOff::Partly;
        while let Some(ended) = groups.join_next().await {
            let ended = ended.map_err(io::Error::other)?;
            if ended.0.as_ref() == Some(&first) {
                outcome = ended.1.clone();
            }
            failed = failed.or_else(|| failure(ended));
        }
        Ok(failed.map_or(outcome, HandedOff::Failed))
    }
}

fn failure((_, outcome): (Option<String>, HandedOff)) -> Option<FeedError> {
    match outcome {
        HandedOff::Failed(error) => Some(error),
        HandedOff::Whole { .. } | HandedOff::Partly => None,
    }
}
