//! A dataset of which the program asks for patches, and the connections that ask: each gets what it asked for, all of it.
//!
//! Rounds come in the order of the asking, whoever asked; so one that is slow to take its batches holds up the others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::HandedOff;
use super::group::{About, Answer, Handed, Member, Message};
use crate::error::FeedError;
use crate::head::{Batch, Feed, PatchSpec};

#[derive(Debug)]
pub(super) struct Asked {
    feed: Feed,
    about: Arc<About>,
    /// By the number of their connection.
    members: BTreeMap<u64, Member>,
    /// Who asked for each round that is under way, and how many of its patches are to come.
    rounds: VecDeque<(u64, usize)>,
}

impl Asked {
    pub(super) fn new(feed: Feed, output: Option<String>) -> Self {
        let about = Arc::new(About { recipe: feed.recipe().clone(), selection: Arc::default(), output });
        Self { feed, about, members: BTreeMap::new(), rounds: VecDeque::new() }
    }

    /// Serves until nobody can ask any more. A failure ends this dataset's asking and nothing else: those who ask are told.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) -> HandedOff {
        loop {
            let outcome = tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => return HandedOff::Partly,
                },
                next = self.feed.next(), if self.is_due() => next.map(|batch| self.hand_out(batch)),
            };
            if let Err(error) = outcome {
                for member in self.members.values() {
                    member.tell(Answer::Failed(error.clone()));
                }
                return HandedOff::Partly;
            }
        }
    }

    /// Whether whoever asked for the next batch wants it, or has gone.
    fn is_due(&self) -> bool {
        let first = self.rounds.front().map(|(number, _)| self.members.get(number));
        first.is_some_and(|member| member.is_none_or(|member| member.wants > 0))
    }

    async fn hear(&mut self, message: Message) -> Result<(), FeedError> {
        match message {
            Message::Joined { member, .. } => {
                member.tell(Answer::Stream(Arc::clone(&self.about)));
                self.members.insert(member.rank, member);
            }
            Message::Wanted { rank, batches, waited } => {
                self.feed.wanted(rank, batches, waited.unwrap_or_default());
                if let Some(member) = self.members.get_mut(&rank) {
                    member.wants = member.wants.saturating_add(batches);
                }
            }
            Message::Asked { rank, round } => return self.ask(rank, &round).await,
            Message::Started { rank, .. } => {
                let problem = "what is asked for has no place to start at".to_owned();
                self.refuse(rank, FeedError::Request { problem });
            }
            Message::Stats { rank } => {
                if let Some(member) = self.members.get(&rank) {
                    member.tell_stats(&self.feed);
                }
            }
            Message::Left { rank } => {
                self.members.remove(&rank);
                self.feed.left(rank);
            }
        }
        Ok(())
    }

    async fn ask(&mut self, rank: u64, round: &[PatchSpec]) -> Result<(), FeedError> {
        match self.feed.ask(round).await {
            Ok(()) if round.is_empty() => {}
            Ok(()) => self.rounds.push_back((rank, round.len())),
            Err(error @ FeedError::UnknownSlide { .. }) => self.refuse(rank, error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Ends one connection. What it has asked for is cut all the same, and dropped.
    fn refuse(&mut self, rank: u64, error: FeedError) {
        if let Some(member) = self.members.remove(&rank) {
            member.tell(Answer::Failed(error));
        }
    }

    fn hand_out(&mut self, batch: Option<Batch>) {
        let (Some(batch), Some((rank, left))) = (batch, self.rounds.front_mut()) else { return };
        let rows = batch.patches().len();
        if let Some(member) = self.members.get_mut(rank) {
            member.wants = member.wants.saturating_sub(1);
            self.feed.handed(*rank);
            member.tell(Answer::Batch(Handed { batch: Arc::new(batch), rows: 0..rows, reading: member.reading }));
        }
        *left = left.saturating_sub(rows);
        if *left == 0 {
            self.rounds.pop_front();
        }
    }
}
