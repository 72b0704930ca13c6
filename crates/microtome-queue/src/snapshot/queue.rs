//! What waits in one team: by class, and who is the first of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;

use crate::job::Turn;
use crate::snapshot::Class;

/// The waiting jobs of a team.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    classes: BTreeMap<Class, BTreeMap<Turn, usize>>,
    /// The first of each class, in their order: a pass that needs few of them looks at no more.
    firsts: BTreeMap<Turn, (Class, usize)>,
}

impl Queue {
    /// A job waits; true if it is the only one of its class.
    pub(crate) fn insert(&mut self, class: Class, turn: Turn, job: usize) -> bool {
        let waiting = self.classes.entry(class).or_default();
        let first = waiting.first_key_value().map(|(turn, _)| turn);
        if first.is_none_or(|first| turn < *first) {
            first.map(|first| self.firsts.remove(first));
            self.firsts.insert(turn.clone(), (class, job));
        }
        waiting.insert(turn, job);
        waiting.len() == 1
    }

    /// A job waits no more; true if it was the last of its class.
    pub(crate) fn remove(&mut self, class: Class, turn: &Turn) -> bool {
        let Some(waiting) = self.classes.get_mut(&class) else { return false };
        waiting.remove(turn);
        if self.firsts.remove(turn).is_some() {
            self.firsts.extend(waiting.first_key_value().map(|(turn, &job)| (turn.clone(), (class, job))));
        }
        let is_last = waiting.is_empty();
        if is_last {
            self.classes.remove(&class);
        }
        is_last
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// How many classes there are.
    pub(crate) fn len(&self) -> usize {
        self.classes.len()
    }

    pub(crate) fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.keys()
    }

    /// The jobs of each class, in their order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &BTreeMap<Turn, usize>> {
        self.classes.values()
    }

    /// The jobs of one class, in their order.
    pub(crate) fn of(&self, class: Class) -> Option<Iter<'_, Turn, usize>> {
        self.classes.get(&class).map(BTreeMap::iter)
    }

    /// The first job of each class, in their order.
    pub(crate) fn firsts(&self) -> Iter<'_, Turn, (Class, usize)> {
        self.firsts.iter()
    }
}
