//! A dataset's stream, and the processes that read it together: one, or the ranks of a distributed training.
//!
//! One task owns the feed. It takes a batch when every rank wants one, and gives each its rows; so ranks that fall behind
//! hold the others up by no more than what they have asked for ahead. A reading starts when all ranks have asked for it.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use microtome_plan::checkpoint::Start;
use microtome_plan::dataset::Recipe;
use microtome_plan::rank::Ranks;
use microtome_plan::selection::Selection;
use tokio::sync::mpsc;

use super::HandedOff;
use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::{Batch, Feed, PatchSpec, Snapshot};

/// What a connection tells the group of its dataset.
#[derive(Debug)]
pub(super) enum Message {
    Joined {
        member: Member,
        world: NonZeroU64,
    },
    /// It wants more batches, and has waited for the last ones.
    Wanted {
        rank: u64,
        batches: u64,
        waited: Option<Duration>,
    },
    /// It wants another reading.
    Started {
        rank: u64,
        start: Start,
    },
    /// It asks for a round of patches.
    Asked {
        rank: u64,
        round: Vec<PatchSpec>,
    },
    /// It wants to know what has happened so far.
    Stats {
        rank: u64,
    },
    Left {
        rank: u64,
    },
}

/// What a group tells a connection.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Stream(Arc<About>),
    Batch(Handed),
    Stats(Box<Snapshot>),
    End { reading: u64 },
    Failed(FeedError),
}

/// A member's rows of a batch.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    pub(super) batch: Arc<Batch>,
    pub(super) rows: Range<usize>,
    /// Which of the readings that the member has asked for: what was handed out for one may be on its way when the next begins.
    pub(super) reading: u64,
}

/// What a stream is.
#[derive(Debug)]
pub(super) struct About {
    pub(super) recipe: Recipe,
    pub(super) selection: Arc<Selection>,
    /// Where the job's program may write.
    pub(super) output: Option<String>,
}

/// A process that reads.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) rank: u64,
    pub(super) answers: mpsc::UnboundedSender<Answer>,
    /// The reading that it waits for, if it does; `None` in it is the stream's start.
    pub(super) waits_for: Option<Option<Start>>,
    pub(super) wants: u64,
    /// Counts the readings that it has asked for behind the first one.
    pub(super) reading: u64,
}

#[derive(Debug)]
pub(super) struct Group {
    feed: Feed,
    output: Option<String>,
    /// Known once somebody has joined.
    about: Option<Arc<About>>,
    members: BTreeMap<u64, Member>,
    /// How those who joined last share a batch.
    ranks: Option<Ranks>,
    /// A reading has begun, at some time.
    touched: bool,
    /// A reading is under way.
    streaming: bool,
    digest: StreamDigest,
    outcome: HandedOff,
}

impl Group {
    pub(super) fn new(feed: Feed, output: Option<String>) -> Self {
        Self {
            feed,
            output,
            about: None,
            members: BTreeMap::new(),
            ranks: None,
            touched: false,
            streaming: false,
            digest: StreamDigest::default(),
            outcome: HandedOff::Partly,
        }
    }

    /// Serves until nobody can join any more, or the stream fails.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) -> HandedOff {
        loop {
            let outcome = tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => return self.outcome,
                },
                next = self.feed.next(), if self.is_due() => next.and_then(|batch| self.hand_out(batch)),
            };
            if let Err(error) = outcome {
                self.members.values().for_each(|member| member.tell(Answer::Failed(error.clone())));
                return HandedOff::Failed(error);
            }
        }
    }

    fn is_due(&self) -> bool {
        self.streaming && self.members.values().all(|member| member.wants > 0)
    }

    async fn hear(&mut self, message: Message) -> Result<(), FeedError> {
        match message {
            Message::Joined { member, world } => return self.join(member, world).await,
            Message::Wanted { rank, batches, waited } => {
                if let Some(member) = self.members.get_mut(&rank) {
                    member.wants = member.wants.saturating_add(batches);
                }
                // All ranks get the same batches, so the first one's pace is everybody's.
                if let (0, Some(waited)) = (rank, waited) {
                    self.feed.wanted(rank, batches, waited);
                }
            }
            Message::Started { rank, start } => {
                self.streaming = false;
                self.feed.turned(rank);
                if let Some(member) = self.members.get_mut(&rank) {
                    (member.waits_for, member.wants) = (Some(Some(start)), 0);
                    member.reading += 1;
                }
                self.start();
            }
            Message::Asked { rank, .. } => {
                let problem = "patches are asked for on a connection that says `asks`".to_owned();
                if let Some(member) = self.members.get(&rank) {
                    member.tell(Answer::Failed(FeedError::Request { problem }));
                }
            }
            Message::Stats { rank } => {
                if let Some(member) = self.members.get(&rank) {
                    member.tell_stats(&self.feed);
                }
            }
            Message::Left { rank } => self.leave(rank),
        }
        Ok(())
    }

    async fn join(&mut self, member: Member, world: NonZeroU64) -> Result<(), FeedError> {
        let (rank, taken) = (member.rank, self.members.contains_key(&member.rank));
        let ranks = Ranks::new(self.feed.recipe().batch_size.get().into(), world);
        let others = self.ranks.filter(|ranks| !self.members.is_empty() && ranks.world() != world);
        let problem = if taken {
            Some(format!("dataset {:?} is being read by another process of rank {rank}", self.feed.recipe().name))
        } else if let Some(others) = others {
            Some(format!("rank {rank} says that there are {world} ranks, others say {}", others.world()))
        } else if rank >= world.get() {
            Some(format!("rank {rank} is none of {world}"))
        } else {
            ranks.as_ref().err().map(ToString::to_string)
        };
        if let Some(problem) = problem {
            member.tell(Answer::Failed(FeedError::Request { problem }));
            return Ok(());
        }
        if self.about.is_none() {
            let selection = self.feed.selection().await;
            let selection = selection.inspect_err(|error| member.tell(Answer::Failed(error.clone())))?;
            self.about =
                Some(Arc::new(About { recipe: self.feed.recipe().clone(), selection, output: self.output.clone() }));
        }
        self.about.iter().for_each(|about| member.tell(Answer::Stream(Arc::clone(about))));
        self.ranks = ranks.ok();
        self.members.insert(rank, member);
        self.start();
        Ok(())
    }

    /// The others cannot go on without a rank; a new world may come.
    fn leave(&mut self, rank: u64) {
        if self.members.remove(&rank).is_none() {
            return;
        }
        self.feed.left(rank);
        self.streaming = false;
        let world = self.ranks.map_or(NonZeroU64::MIN, Ranks::world);
        self.dismiss(&format!("rank {rank} of {world} has left the stream"));
    }

    /// Tells all who are there why they cannot go on.
    fn dismiss(&mut self, problem: &str) {
        for member in std::mem::take(&mut self.members).into_values() {
            member.tell(Answer::Failed(FeedError::Request { problem: problem.to_owned() }));
        }
    }

    /// Starts a reading if all have asked for it.
    fn start(&mut self) {
        let all = self.ranks.is_some_and(|ranks| self.members.len() as u64 == ranks.world().get());
        if !all || self.members.values().any(|member| member.waits_for.is_none()) {
            return;
        }
        let mut starts = self.members.values_mut().filter_map(|member| member.waits_for.take());
        let first = starts.next().flatten();
        if starts.any(|start| start != first) {
            self.dismiss("the ranks ask for different starts: load the same checkpoint in all");
            return;
        }
        // The first reading begins where the job says, others where they say.
        match first {
            Some(start) => self.feed.start(start),
            None if self.touched => self.feed.start(Start::Epoch(0)),
            None => {}
        }
        (self.touched, self.streaming, self.digest) = (true, true, StreamDigest::default());
    }

    fn hand_out(&mut self, batch: Option<Batch>) -> Result<(), FeedError> {
        let Some(batch) = batch else {
            self.streaming = false;
            self.outcome = HandedOff::Whole { digest: self.digest.hex() };
            self.members.values().for_each(|member| member.tell(Answer::End { reading: member.reading }));
            return Ok(());
        };
        self.digest.update(&batch);
        let rows = batch.patches().len() as u64;
        let Some(ranks) = self.ranks else { return Ok(()) };
        let batch = Arc::new(batch);
        for member in self.members.values_mut() {
            member.wants -= 1;
            let Range { start, end } = ranks.rows(member.rank, rows);
            let (rows, reading) = (start as usize..end as usize, member.reading);
            self.feed.handed(member.rank);
            member.tell(Answer::Batch(Handed { batch: Arc::clone(&batch), rows, reading }));
        }
        Ok(())
    }
}

impl Member {
    /// What has happened so far.
    pub(super) fn tell_stats(&self, feed: &Feed) {
        self.tell(Answer::Stats(Box::new(feed.stats())));
    }

    /// A connection that is gone says so with `Left`.
    pub(super) fn tell(&self, answer: Answer) {
        let _ = self.answers.send(answer);
    }
}
