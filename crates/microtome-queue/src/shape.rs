//! Shapes: what a gang asks for, once for all jobs that ask for the same.

use std::collections::HashMap;

use crate::amounts::{Columns, LARGEST_SUM, times};
use crate::fit;
use crate::job::PodGroup;
use crate::node::Slots;
use crate::room::Room;

/// What a gang asks for, in columns.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) groups: Vec<Group>,
    /// The groups in the order of a second attempt, the largest pods first; empty where that is the same.
    pub(crate) largest_first: Vec<usize>,
    /// What all pods ask for together.
    pub(crate) total: Vec<i128>,
    /// By column: what its largest pod asks for.
    pub(crate) largest: Vec<i128>,
    /// The pools in which any of its pods could be, were they empty.
    pub(crate) mask: u128,
    /// Whether it fits into an empty cluster.
    pub(crate) is_possible: bool,
}

/// Equal pods of a gang, in columns.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) count: u64,
    pub(crate) requests: Vec<i128>,
    /// What is asked for of each column of which anything is, the scarcest first: most nodes are ruled out by one look.
    pub(crate) needs: Vec<(usize, i128)>,
    /// Pools in the order in which they are tried.
    pub(crate) pools: Vec<usize>,
}

/// All shapes that any job ever had here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shapes {
    known: HashMap<Vec<PodGroup>, usize>,
    written: Vec<Vec<PodGroup>>,
    shapes: Vec<Shape>,
}

impl Shapes {
    /// The shape's index; its resources have columns already.
    pub(crate) fn intern(&mut self, pods: &[PodGroup], columns: &Columns, slots: &Slots) -> usize {
        if let Some(&shape) = self.known.get(pods) {
            return shape;
        }
        self.shapes.push(Shape::new(pods, columns, slots));
        self.written.push(pods.to_vec());
        self.known.insert(pods.to_vec(), self.shapes.len() - 1);
        self.shapes.len() - 1
    }

    /// After nodes, pools or resources became others.
    pub(crate) fn rebuild(&mut self, columns: &Columns, slots: &Slots) {
        self.shapes = self.written.iter().map(|pods| Shape::new(pods, columns, slots)).collect();
    }

    pub(crate) fn get(&self, shape: usize) -> &Shape {
        &self.shapes[shape]
    }

    pub(crate) fn len(&self) -> usize {
        self.shapes.len()
    }
}

impl Shape {
    pub(crate) fn new(pods: &[PodGroup], columns: &Columns, slots: &Slots) -> Self {
        let capacity = slots.capacity();
        let mut groups: Vec<Group> = pods.iter().map(|group| Group::new(group, columns, slots)).collect();
        for group in &mut groups {
            group.needs.sort_by_key(|&(column, wanted)| std::cmp::Reverse(part(wanted, capacity[column])));
        }
        let mut total = vec![0; columns.len()];
        for group in &groups {
            for (sum, &amount) in total.iter_mut().zip(&group.requests) {
                *sum = (*sum + times(amount, group.count)).min(LARGEST_SUM);
            }
        }
        let mut largest = vec![0; columns.len()];
        for group in groups.iter().filter(|group| group.count > 0) {
            largest.iter_mut().zip(&group.requests).for_each(|(most, &amount)| *most = amount.max(*most));
        }
        let largest_first = largest_first(&groups, &capacity);
        let mask = groups
            .iter()
            .filter(|group| group.count > 0)
            .map(|group| group.mask(slots))
            .fold(0, |all, mask| all | mask);
        let mut shape = Self { groups, largest_first, total, largest, mask, is_possible: false };
        shape.is_possible = fit::place(&shape, &mut Room::new(slots.offers.clone()), slots).is_some();
        shape
    }

    /// What the pod asks for that is the first to be placed in the second attempt: of no other is there likely to be less room.
    pub(crate) fn scarce(&self) -> Option<Vec<i128>> {
        let all = 0..self.groups.len();
        let order = self.largest_first.iter().copied().chain(all.filter(|_| self.largest_first.is_empty()));
        let group = order.map(|group| &self.groups[group]).find(|group| group.count > 0)?;
        Some(group.requests.clone())
    }
}

impl Group {
    fn new(group: &PodGroup, columns: &Columns, slots: &Slots) -> Self {
        let bound = group.pools.iter().filter_map(|pool| slots.pool(pool)).collect();
        let pools = if group.pools.is_empty() { (0..slots.pools()).collect() } else { bound };
        let requests = columns.row(&group.requests, 0);
        let needs = requests.iter().copied().enumerate().filter(|(_, wanted)| *wanted > 0).collect();
        Self { count: group.count, requests, needs, pools }
    }

    fn mask(&self, slots: &Slots) -> u128 {
        let holds = |pool: usize| slots.range(pool).any(|slot| fit::fits(slots.offers.row(slot), &self.needs));
        self.pools.iter().filter(|&&pool| holds(pool)).fold(0, |mask, &pool| mask | Slots::bit(pool))
    }
}

/// The part of all that there is, with 30 binary places: 2^96 · 2^30 fits an i128.
fn part(wanted: i128, all: i128) -> i128 {
    (wanted << 30) / all.max(1)
}

/// Groups by the greatest part that one pod takes of any resource of the cluster; equal ones stay in their order.
fn largest_first(groups: &[Group], capacity: &[i128]) -> Vec<usize> {
    let most = |group: &Group| group.needs.iter().map(|&(column, wanted)| part(wanted, capacity[column])).max();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&group| std::cmp::Reverse(most(&groups[group])));
    if order.is_sorted() { Vec::new() } else { order }
}
