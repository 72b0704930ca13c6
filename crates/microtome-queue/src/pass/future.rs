//! What will be free when, if everybody who runs is over at the declared deadline.

use crate::fit::{self, Placement};
use crate::pass::Pass;
use crate::room::Room;
use crate::shape::Shape;

/// Up to so many instants are tried one after the other; of more, the first is searched by halves.
const TRIED_ONE_BY_ONE: usize = 48;

/// What is given back at a time.
pub(super) struct Leaver<'p> {
    pub(super) at: i64,
    pub(super) rows: &'p [(usize, Vec<i128>)],
    pub(super) team: Option<usize>,
    pub(super) charge: &'p [i128],
}

/// When a gang first fits, and how it looks then.
pub(super) struct Opening {
    pub(super) at: i64,
    /// What is free then, the gang not counted.
    pub(super) room: Room,
    pub(super) placement: Placement,
}

impl Pass<'_> {
    /// Everybody who holds something now, in no order. Who is overdue is expected to end any moment, but not now.
    pub(super) fn leavers(&self) -> impl Iterator<Item = Leaver<'_>> {
        let snapshot = self.snapshot;
        let soon = snapshot.now.saturating_add(1);
        let running = snapshot.ends.iter().filter(|(_, job)| !self.evicted.contains(job));
        let running = running.filter_map(move |&(ends, job)| {
            let entry = snapshot.entry(job)?;
            let running = entry.running.as_ref()?;
            Some(Leaver { at: ends.max(soon), rows: &running.rows, team: entry.team, charge: &running.charge })
        });
        let started = self.started.iter().map(move |started| {
            let (at, team) = (started.ends.max(soon), Some(started.team));
            Leaver { at, rows: &started.rows, team, charge: &started.charge }
        });
        running.chain(started)
    }

    /// What is free at a time.
    pub(super) fn room_at(&self, at: i64) -> Room {
        let mut room = self.room.clone();
        if at > self.snapshot.now {
            for leaver in self.leavers().filter(|leaver| leaver.at <= at) {
                give_back(&mut room, &leaver);
            }
        }
        room
    }

    /// The first time at which a gang fits; none if not even once everybody has ended.
    pub(super) fn earliest(&mut self, shape: &Shape) -> Option<Opening> {
        let slots = &self.snapshot.slots;
        let mut room = self.room.clone();
        if let Some(placement) = fit::try_place(shape, &mut room, slots) {
            return Some(Opening { at: self.snapshot.now, room, placement });
        }
        let mut leavers: Vec<Leaver<'_>> = self.leavers().collect();
        leavers.sort_by_key(|leaver| leaver.at);
        let instants: Vec<&[Leaver<'_>]> = leavers.chunk_by(|one, other| one.at == other.at).collect();

        let mut first = enough(shape, &room.total(), &instants)?;
        let mut last = instants.len() - 1;
        let at_index = |index: usize| {
            let mut then = room.clone();
            instants[..=index].iter().copied().flatten().for_each(|leaver| give_back(&mut then, leaver));
            let placement = fit::try_place(shape, &mut then, slots)?;
            Some(Opening { at: instants[index][0].at, room: then, placement })
        };
        while last - first > TRIED_ONE_BY_ONE {
            let middle = first + (last - first) / 2;
            if at_index(middle).is_some() { last = middle } else { first = middle + 1 }
        }
        for instant in &instants[..first] {
            instant.iter().for_each(|leaver| give_back(&mut room, leaver));
        }
        for instant in &instants[first..] {
            instant.iter().for_each(|leaver| give_back(&mut room, leaver));
            if let Some(placement) = fit::try_place(shape, &mut room, slots) {
                return Some(Opening { at: instant[0].at, room, placement });
            }
        }
        None
    }
}

fn give_back(room: &mut Room, leaver: &Leaver<'_>) {
    for (slot, row) in leaver.rows {
        room.add(*slot, row);
    }
}

/// The first instant at which all nodes together have enough.
fn enough(shape: &Shape, free: &[i128], instants: &[&[Leaver<'_>]]) -> Option<usize> {
    let mut free = free.to_vec();
    instants.iter().position(|instant| {
        for row in instant.iter().flat_map(|leaver| leaver.rows).map(|(_, row)| row) {
            free.iter_mut().zip(row).for_each(|(free, held)| *free += held);
        }
        shape.total.iter().zip(&free).all(|(wanted, free)| *wanted == 0 || wanted <= free)
    })
}
