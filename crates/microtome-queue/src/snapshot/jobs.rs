//! What happens to jobs.

use crate::amounts::LARGEST_SUM;
use crate::decay;
use crate::decision::{Action, Decisions};
use crate::fit;
use crate::job::{Hold, Job, Run, Turn};
use crate::snapshot::{Entry, Floor, Running, Snapshot};

impl Snapshot {
    /// A job waits from now on, or again. One whose id is known already replaces that.
    pub fn submit(&mut self, job: Job) {
        self.add(job, None);
    }

    /// A job that runs, as found: its holds are charged whatever the limits say.
    pub fn run(&mut self, job: Job, run: Run) {
        self.add(job, Some(run));
    }

    /// Takes note of an accepted job's deadline: once for each job, not for each attempt.
    pub fn accept(&mut self, deadline_seconds: u64) {
        self.ledger.accept(deadline_seconds);
    }

    fn add(&mut self, job: Job, run: Option<Run>) {
        self.remove(&job.id);
        let resources = job.pods.iter().flat_map(|group| group.requests.keys());
        let held = run.iter().flat_map(|run| run.holds.iter().flat_map(|hold| hold.amounts.keys()));
        if self.columns.learn(resources.chain(held)) {
            self.settle();
            self.rebuild_nodes();
        }
        let shape = self.shapes.intern(&job.pods, &self.columns, &self.slots);
        let running = run.map(|run| {
            let (charge, rows) = self.charge(&run.holds);
            let Run { started, ends, within, is_leaving, checkpoint, holds } = run;
            let (started, ends) = (decay::clamp(started), decay::clamp(ends));
            Running { started, ends, within, is_leaving, checkpoint, charge, rows, holds }
        });
        let entry = Entry { team: self.tree.find(&job.team), shape, running, job };
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.jobs.push(None);
            self.jobs.len() - 1
        });
        self.ids.insert(entry.job.id.clone(), index);
        for (slot, row) in entry.running.iter().flat_map(|running| &running.rows) {
            self.slots.free.subtract(*slot, row);
        }
        self.count(index, &entry, 1);
        self.jobs[index] = Some(entry);
    }

    /// A job is over, its pods are gone, or it does not wait any more.
    pub fn remove(&mut self, id: &str) -> Option<Job> {
        let index = self.ids.remove(id)?;
        let entry = self.jobs[index].take()?;
        for (slot, row) in entry.running.iter().flat_map(|running| &running.rows) {
            self.slots.free.row_mut(*slot).iter_mut().zip(row).for_each(|(free, held)| *free += held);
        }
        self.count(index, &entry, -1);
        self.vacant.push(index);
        Some(entry.job)
    }

    /// Carries decisions out as if everything happened at once: starts hold their places, evicted jobs wait again, rejected
    /// ones are gone.
    pub fn apply(&mut self, decisions: &Decisions) {
        for id in &decisions.promoted {
            self.promote(id);
        }
        for action in &decisions.actions {
            match action {
                Action::Reject { job, .. } => drop(self.remove(job)),
                Action::Evict { job, .. } => {
                    if let Some(job) = self.remove(job) {
                        self.submit(job);
                    }
                }
                Action::Start(start) => {
                    let Some(job) = self.remove(&start.job) else { continue };
                    let hold = |placed: &crate::Placed| Hold {
                        node: Some(placed.node.clone()),
                        amounts: (job.pods[placed.group].requests.iter())
                            .map(|(resource, &amount)| (resource.clone(), crate::amounts::times(amount, placed.count)))
                            .collect(),
                    };
                    let holds = start.pods.iter().map(hold).collect();
                    let run =
                        Run { started: self.now, ends: start.ends, within: start.within, holds, ..Run::default() };
                    self.run(job, run);
                }
                Action::Reserve { .. } => {}
            }
        }
    }

    /// The next time at which a running job is over by its deadline.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.ends.first().map(|&(ends, _)| ends)
    }

    /// Takes all jobs off whose deadline has come.
    pub(crate) fn end_due(&mut self) {
        while let Some(&(_, index)) = self.ends.first().filter(|(ends, _)| *ends <= self.now) {
            let Some(id) = self.entry(index).map(|entry| entry.job.id.clone()) else { return };
            self.remove(&id);
        }
    }

    fn promote(&mut self, id: &str) {
        let Some(&index) = self.ids.get(id) else { return };
        let Some(mut entry) = self.jobs[index].take() else { return };
        self.count(index, &entry, -1);
        if let Some(running) = &mut entry.running {
            running.within = true;
        }
        self.count(index, &entry, 1);
        self.jobs[index] = Some(entry);
    }

    /// What holds come to: in all, and slot by slot. Where a node is not known, first fit finds one, or nothing but the team is
    /// charged.
    pub(super) fn charge(&self, holds: &[Hold]) -> (Vec<i128>, Vec<(usize, Vec<i128>)>) {
        let mut charge = vec![0; self.columns.len()];
        let mut rows: Vec<(usize, Vec<i128>)> = Vec::new();
        for hold in holds {
            let row = self.columns.sums(&hold.amounts);
            for (sum, amount) in charge.iter_mut().zip(&row) {
                *sum = (*sum + amount).min(LARGEST_SUM);
            }
            let named = hold.node.as_ref().map(|name| self.slots.find(name));
            // A node that was named and is gone: its pods are going too.
            let slot = named.unwrap_or_else(|| {
                let needs: Vec<_> = row.iter().copied().enumerate().filter(|(_, wanted)| *wanted > 0).collect();
                (0..self.slots.len()).find(|&slot| fit::fits(self.slots.free.row(slot), &needs))
            });
            if let Some(slot) = slot {
                match rows.iter_mut().find(|(on, _)| *on == slot) {
                    Some((_, held)) => held.iter_mut().zip(&row).for_each(|(sum, amount)| *sum += amount),
                    None => rows.push((slot, row)),
                }
            }
        }
        (charge, rows)
    }

    /// Adds a job to all sums, or takes it out of them.
    pub(super) fn count(&mut self, index: usize, entry: &Entry, sign: i128) {
        if let Some(running) = &entry.running {
            if sign > 0 {
                self.ends.insert((running.ends, index))
            } else {
                self.ends.remove(&(running.ends, index))
            };
        }
        let Some(team) = entry.team else {
            if sign > 0 && entry.running.is_none() {
                self.strays.insert(index)
            } else {
                self.strays.remove(&index)
            };
            return;
        };
        let one = |count: &mut u64| *count = if sign > 0 { *count + 1 } else { count.saturating_sub(1) };
        let class = (entry.shape, entry.job.deadline_seconds);
        match &entry.running {
            None if sign > 0 => {
                if self.queues[team].insert(class, Turn::of(&entry.job), index) {
                    Floor::add(&mut self.floors[team], self.shapes.get(entry.shape));
                }
            }
            None => {
                if self.queues[team].remove(class, &Turn::of(&entry.job)) {
                    Floor::leave(&mut self.floors[team], &self.queues[team], &self.shapes);
                }
            }
            Some(running) => {
                add(self.own.row_mut(team), &running.charge, sign);
                self.stale.insert(team);
            }
        }
        for team in self.tree.path(team) {
            match &entry.running {
                None => one(&mut self.waiting[team]),
                Some(running) => {
                    one(&mut self.running[team]);
                    add(self.held.row_mut(team), &running.charge, sign);
                    if running.within {
                        add(self.within.row_mut(team), &running.charge, sign);
                    }
                }
            }
        }
    }
}

fn add(row: &mut [i128], amounts: &[i128], sign: i128) {
    for (sum, amount) in row.iter_mut().zip(amounts) {
        *sum += sign * amount;
    }
}
