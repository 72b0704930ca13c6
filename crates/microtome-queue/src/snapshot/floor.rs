//! The least that any waiting job of a team asks for: where not even that has room, nobody of the team needs to be looked at.

use crate::pass::fits_under;
use crate::room::Room;
use crate::shape::{Shape, Shapes};
use crate::snapshot::Queue;

/// A lower bound for all classes of a queue. What has left it may still be in it: the bound is then lower than it could be.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    /// By column: of the largest pod of each class the smallest.
    pod: Vec<i128>,
    /// By column: of the sum over all pods of each class the smallest.
    total: Vec<i128>,
    /// By column: of each class's pod that takes the greatest part of the cluster the smallest; none: a class has no pods.
    scarce: Option<Vec<i128>>,
    /// The pools that every class could use.
    pub(crate) mask: u128,
    /// How many classes there were when it was last made.
    classes: usize,
}

impl Floor {
    fn of(shape: &Shape) -> Self {
        Self {
            pod: shape.largest.clone(),
            total: shape.total.clone(),
            mask: shape.mask,
            classes: 1,
            scarce: shape.scarce(),
        }
    }

    fn lower(&mut self, shape: &Shape) {
        for (floor, amounts) in [(&mut self.pod, &shape.largest), (&mut self.total, &shape.total)] {
            floor.iter_mut().zip(amounts).for_each(|(least, amount)| *least = (*least).min(*amount));
        }
        self.scarce = self.scarce.take().zip(shape.scarce()).map(|(mut floor, amounts)| {
            floor.iter_mut().zip(&amounts).for_each(|(least, amount)| *least = (*least).min(*amount));
            floor
        });
        self.mask &= shape.mask;
        self.classes += 1;
    }

    /// A class has come.
    pub(crate) fn add(floor: &mut Option<Self>, shape: &Shape) {
        match floor {
            Some(floor) => floor.lower(shape),
            None => *floor = Some(Self::of(shape)),
        }
    }

    /// A class has gone. Made anew once half of them have: so it stays near, and costs no more than they did when they came.
    pub(crate) fn leave(floor: &mut Option<Self>, queue: &Queue, shapes: &Shapes) {
        if floor.as_ref().is_some_and(|floor| queue.len() * 2 > floor.classes) {
            return;
        }
        *floor = None;
        for (shape, _) in queue.classes() {
            Self::add(floor, shapes.get(*shape));
        }
    }

    /// Whether each class has a pod that is larger than this.
    pub(crate) fn is_above(&self, peak: &[i128]) -> bool {
        self.pod.iter().zip(peak).any(|(least, most)| *least > 0 && least > most)
    }

    /// Whether no slot has room for any class: each has a pod that asks for at least this.
    pub(crate) fn is_above_all(&self, room: &mut Room) -> bool {
        let Some(scarce) = &self.scarce else { return false };
        let needs: Vec<_> = scarce.iter().copied().enumerate().filter(|(_, least)| *least > 0).collect();
        room.first(0..room.rows(), &needs).is_none()
    }

    /// Whether some class may fit beside what is held, under a bound.
    pub(crate) fn may_fit_under(&self, held: &[i128], bound: &[i128]) -> bool {
        fits_under(held, &self.total, bound)
    }
}
