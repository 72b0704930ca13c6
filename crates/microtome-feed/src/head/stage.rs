//! What a dataset's actor is at: selecting, then streaming. The actor tells a stage what happens; the stage says what to do.

use std::fmt::Debug;

use microtome_plan::checkpoint::Start;
use microtome_plan::desk::asked::Spec;
use microtome_plan::lease::Workforce;
use tokio::sync::mpsc;

use super::batch::Next;
use super::event::{Answer, Event, Granted};
use crate::error::FeedError;

/// A stage of a dataset.
pub(super) trait Stage: Debug + Send {
    /// The workers that take the stage's leases.
    fn workforce(&mut self) -> &mut dyn Workforce;
    /// The next lease, if there is one and somebody is free.
    fn grant(&mut self, now_ms: u64) -> Option<Granted>;
    /// A worker answered.
    fn hear(&mut self, answer: Answer, now_ms: u64) -> Result<(), FeedError>;
    /// Whether it does nothing ahead of the program: slide by slide, what the program has done already is known only when it
    /// asks.
    fn waits_for_program(&self) -> bool {
        false
    }
    /// Whether nothing is left to do. A stream is never done: the program may read it again.
    fn is_over(&self) -> bool;
    /// What comes after, if anything does.
    fn follow(self: Box<Self>) -> Result<Option<Box<dyn Stage>>, FeedError>;

    /// Starts a reading at this place.
    fn resume(&mut self, start: Start) -> Result<(), FeedError>;

    /// The next batch, if all of it is there, or the end.
    fn batch(&mut self, _: &mpsc::WeakSender<Event>) -> Option<Next> {
        None
    }
    /// The program has taken a batch of this many patches.
    fn release(&mut self, _patches: usize) {}
    /// The program asks for patches.
    fn ask(&mut self, _round: Vec<Spec>) {}
    /// The program will ask for nothing more.
    fn close(&mut self) {}
}
