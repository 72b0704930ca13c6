//! First fit: which pods of a gang go where.

use crate::node::Slots;
use crate::room::Room;
use crate::shape::{Group, Shape};

/// So many pods of a group in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) slot: usize,
    pub(crate) group: usize,
    pub(crate) count: u64,
}

/// Where the pods of a gang go.
pub(crate) type Placement = Vec<Put>;

/// Whether a pod fits on a node that is up. Where more is held than there is, who wants none of it still fits.
pub(crate) fn fits(free: &[i128], needs: &[(usize, i128)]) -> bool {
    needs.iter().all(|&(column, wanted)| wanted <= free[column]) && free[0] >= 0
}

/// Places a whole gang into the room, or leaves the room as it was: in the order of its groups, and where that fails once more
/// with the largest pods first.
pub(crate) fn place(shape: &Shape, room: &mut Room, slots: &Slots) -> Option<Placement> {
    let in_order = put_all(shape, 0..shape.groups.len(), room, slots);
    if in_order.is_some() || shape.largest_first.is_empty() {
        return in_order;
    }
    put_all(shape, shape.largest_first.iter().copied(), room, slots)
}

fn put_all(shape: &Shape, order: impl Iterator<Item = usize>, room: &mut Room, slots: &Slots) -> Option<Placement> {
    let mut placement = Placement::new();
    for group in order {
        if put(group, &shape.groups[group], room, slots, &mut placement) > 0 {
            take_back(shape, &placement, room);
            return None;
        }
    }
    Some(placement)
}

/// Places one group; how many of its pods find no place.
fn put(index: usize, group: &Group, room: &mut Room, slots: &Slots, placement: &mut Placement) -> u64 {
    let mut left = group.count;
    for mut among in group.pools.iter().map(|&pool| slots.range(pool)) {
        while left > 0
            && let Some(slot) = room.first(among.clone(), &group.needs)
        {
            let count = if left == 1 { 1 } else { most(room.row(slot), &group.needs).min(left) };
            room.take(slot, &group.needs, count);
            placement.push(Put { slot, group: index, count });
            left -= count;
            among.start = slot + 1;
        }
    }
    left
}

/// How many pods fit beside each other.
fn most(free: &[i128], needs: &[(usize, i128)]) -> u64 {
    let counts = needs.iter().map(|&(column, wanted)| free[column] / wanted);
    counts.min().map_or(u64::MAX, |count| u64::try_from(count).unwrap_or(u64::MAX))
}

/// Undoes a placement.
pub(crate) fn take_back(shape: &Shape, placement: &Placement, room: &mut Room) {
    for put in placement {
        room.give(put.slot, &shape.groups[put.group].needs, put.count);
    }
}

/// What a placement holds, slot by slot.
pub(crate) fn rows(shape: &Shape, placement: &Placement) -> Vec<(usize, Vec<i128>)> {
    let row =
        |put: &Put| shape.groups[put.group].requests.iter().map(|wanted| wanted * i128::from(put.count)).collect();
    placement.iter().map(|put| (put.slot, row(put))).collect()
}

/// Where a gang would go; the room stays as it is.
pub(crate) fn try_place(shape: &Shape, room: &mut Room, slots: &Slots) -> Option<Placement> {
    let placement = place(shape, room, slots)?;
    take_back(shape, &placement, room);
    Some(placement)
}

/// The first group of which some pods find no place, and how many; none where all do.
pub(crate) fn unplaced(shape: &Shape, mut room: Room, slots: &Slots) -> Option<(usize, u64)> {
    if try_place(shape, &mut room, slots).is_some() {
        return None;
    }
    let mut placement = Placement::new();
    let left = |(index, group)| {
        Some((index, put(index, group, &mut room, slots, &mut placement))).filter(|(_, left)| *left > 0)
    };
    shape.groups.iter().enumerate().find_map(left)
}
