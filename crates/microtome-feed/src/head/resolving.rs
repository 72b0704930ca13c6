//! The stage before selecting: some worker lists the slides of a prefix, or reads a manifest or a table of coordinates.
//! Workers may read storage; a head, in which the program runs, need not.

use std::sync::Arc;

use microtome_plan::checkpoint::Start;
use microtome_plan::dataset::{Dataset, Recipe};
use microtome_plan::lease::{Failed as Outcome, LeaseId, Leases, Workforce};

use super::event::{Answer, Granted};
use super::selecting::After;
use super::stage::Stage;
use super::stats::Stats;
use crate::error::FeedError;
use crate::source::Source;
use crate::wire::feed::lease::Work;
use crate::wire::feed::{Failed, Lease, ResolveSlides};

/// Classes of errors that another worker, or another moment, may not meet.
const PASSING: [&str; 3] = ["Storage", "Decoder", "Closed"];

/// A dataset whose slides are not known by name yet.
#[derive(Debug)]
pub(super) struct Resolving {
    dataset: Dataset,
    recipe: Recipe,
    leases: Leases<()>,
    resolved: Option<Source>,
    after: After,
    start: Option<Start>,
    stats: Arc<Stats>,
}

impl Resolving {
    pub(super) fn new((dataset, recipe): (Dataset, Recipe), after: After, stats: Arc<Stats>) -> Self {
        let mut leases = Leases::new();
        leases.offer(0, ());
        Self { dataset, recipe, leases, resolved: None, after, start: None, stats }
    }

    fn failed(&mut self, failed: Failed) -> Result<(), FeedError> {
        let Failed { lease, attempt, category, reason } = failed;
        let outcome = self.leases.fail(LeaseId(lease), attempt);
        let again = outcome == Outcome::Retried && PASSING.contains(&category.as_str());
        if again || outcome == Outcome::Stale { Ok(()) } else { Err(FeedError::Slide { category, reason }) }
    }
}

impl Stage for Resolving {
    fn workforce(&mut self) -> &mut dyn Workforce {
        &mut self.leases
    }

    fn grant(&mut self, now_ms: u64) -> Option<Granted> {
        let grant = self.leases.grant(now_ms)?;
        let dataset = serde_json::to_vec(&self.dataset).expect("a dataset is plain data").into();
        let work = Some(Work::Resolve(ResolveSlides { dataset }));
        Some((grant.worker, Lease { lease: grant.lease.0, attempt: grant.attempt, work }))
    }

    fn hear(&mut self, answer: Answer, now_ms: u64) -> Result<(), FeedError> {
        match answer {
            Answer::Resolved(resolved) => {
                if self.leases.settle(LeaseId(resolved.lease), resolved.attempt).is_some() {
                    let source = Source::from_wire(&self.dataset, &self.recipe, &resolved);
                    self.resolved = Some(source.ok_or_else(|| FeedError::Slide {
                        category: "Protocol".to_owned(),
                        reason: "a worker sent no list of slides".to_owned(),
                    })?);
                }
            }
            Answer::Failed(failed) => return self.failed(failed),
            Answer::Part { lease, attempt, .. } => {
                self.leases.touch(LeaseId(lease), attempt, now_ms);
            }
            Answer::Done(_) | Answer::Selected(_) => {}
        }
        Ok(())
    }

    fn waits_for_program(&self) -> bool {
        matches!(self.after, After::Ask { .. })
    }

    fn is_over(&self) -> bool {
        self.resolved.is_some()
    }

    fn resume(&mut self, start: Start) -> Result<(), FeedError> {
        self.start = Some(start);
        Ok(())
    }

    fn follow(self: Box<Self>) -> Result<Option<Box<dyn Stage>>, FeedError> {
        let Some(source) = self.resolved else { return Ok(None) };
        self.after.resolved(source, self.start, self.stats).map(Some)
    }
}
