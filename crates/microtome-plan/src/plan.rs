//! The order of one epoch: a pure function of selection, seed, epoch and shape.
//!
//! ```text
//! coordinates → blocks of k neighbours → blocks shuffled, end to end → cut into C lanes of equal length
//!             → patches shuffled inside windows of w blocks a lane → position p is lane p mod C
//! ```
//! The first windows of the lanes have different lengths (staggered phases), so that at no moment all lanes start a new
//! window at once. Work leaves the plan window by window, in the order in which windows are first needed; inside a window
//! it is cut by block, so that a lease stays on one place of one slide.

mod work;

use std::sync::Arc;

use crate::dataset::Order;
use crate::random::Random;
use crate::selection::{SelectedSlide, Selection};
use crate::shape::Shape;

pub use work::{Place, Work, Works};

/// What fixes an epoch's order besides the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The dataset's seed.
    pub seed: u64,
    /// The epoch; counts from 0.
    pub epoch: u64,
    /// The order that was asked for.
    pub order: Order,
    /// Lanes, blocks and windows.
    pub shape: Shape,
}

/// The order of one epoch.
#[derive(Clone, Debug)]
pub struct Plan {
    selection: Arc<Selection>,
    /// The number of each slide's first patch.
    numbers: Vec<u64>,
    seat: Seat,
    patches: u64,
    /// Blocks in their order.
    blocks: Vec<Block>,
    /// Where each block starts in the blocks laid end to end.
    starts: Vec<u64>,
}

/// Neighbouring patches of one slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// Index into `Selection::slides`.
    slide: u32,
    /// Its first coordinate.
    first: u32,
    /// How many.
    patches: u32,
}

impl Plan {
    /// Lays out an epoch.
    pub fn new(selection: &Arc<Selection>, seat: Seat) -> Self {
        let mut slides = slides_of(selection, seat.shape.block);
        if seat.order == Order::BySlide {
            Random::new("slides", &[seat.seed, seat.epoch]).shuffle(&mut slides);
        }
        let mut blocks = slides.concat();
        if seat.order == Order::Shuffled {
            Random::new("order", &[seat.seed, seat.epoch]).shuffle(&mut blocks);
        }
        let mut patches = 0;
        let starts = blocks
            .iter()
            .map(|block| {
                let start = patches;
                patches += u64::from(block.patches);
                start
            })
            .collect();
        Self { selection: Arc::clone(selection), numbers: selection.starts(), seat, patches, blocks, starts }
    }

    /// Patches of the epoch.
    pub fn patches(&self) -> u64 {
        self.patches
    }

    /// The work of the epoch, in the order in which it must be granted.
    pub fn works(self) -> Works {
        Works::new(self)
    }

    /// First and last-but-one place of a lane in the blocks laid end to end; lengths differ by at most one.
    fn lane(&self, lane: u64) -> (u64, u64) {
        let (short, longer) = (self.patches / self.seat.shape.lanes, self.patches % self.seat.shape.lanes);
        let start = |lane: u64| lane * short + lane.min(longer);
        (start(lane), start(lane + 1))
    }
}

/// The blocks of each slide.
fn slides_of(selection: &Selection, block: u64) -> Vec<Vec<Block>> {
    let blocks = |(slide, selected): (u32, &SelectedSlide)| {
        let total = selected.coordinates.len() as u64;
        let cut = |first: u64| Block { slide, first: first as u32, patches: block.min(total - first) as u32 };
        (0..total).step_by(block as usize).map(cut).collect()
    };
    (0..).zip(&selection.slides).map(blocks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::SlideEntry;
    use crate::select::Coordinate;
    use proptest::prelude::*;

    fn selection(counts: &[u32]) -> Arc<Selection> {
        let slide = |(index, count): (u32, &u32)| SelectedSlide {
            index,
            entry: Arc::new(SlideEntry { url: format!("{index}.svs"), ..SlideEntry::default() }),
            etag: None,
            size_bytes: 0,
            coordinates: (0..*count).map(|x| Coordinate { x: x as i32, y: index as i32 }).collect(),
        };
        Arc::new(Selection { slides: (0..).zip(counts).map(slide).collect(), quarantined: Vec::new() })
    }

    /// Which patch it is: its slide, and its number on it.
    fn which(place: &Place) -> (u32, u32) {
        (place.slide, place.at.x as u32)
    }

    fn seat(order: Order, shape: Shape) -> Seat {
        Seat { seed: 7, epoch: 0, order, shape }
    }

    fn stream(selection: &Arc<Selection>, seat: Seat) -> Vec<Place> {
        let mut stream: Vec<Option<Place>> = vec![None; selection.patches() as usize];
        for work in Plan::new(selection, seat).works() {
            for place in work.places {
                assert!(stream[place.position as usize].replace(place).is_none(), "position given twice");
            }
        }
        stream.into_iter().map(|place| place.expect("position never given")).collect()
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        (1_u64..40, 1_u64..9, 1_u64..9, 1_u64..4).prop_map(|(batch, lanes, block, window)| Shape {
            batch,
            lanes: lanes.min(batch),
            block,
            window,
            patch_bytes: 1,
        })
    }

    proptest! {
        #[test]
        fn every_patch_has_one_position(counts in prop::collection::vec(0_u32..50, 0..8), shape in shapes()) {
            let selection = selection(&counts);
            let mut seen: Vec<(u32, u32)> =
                stream(&selection, seat(Order::Shuffled, shape)).iter().map(which).collect();
            seen.sort_unstable();
            let all: Vec<(u32, u32)> = (0..).zip(&counts).flat_map(|(s, n)| (0..*n).map(move |c| (s, c))).collect();
            prop_assert_eq!(seen, all);
        }

        /// What makes credit in the order of the works free of deadlocks: when a position is due, only open windows and the
        /// batch being filled can have been granted before it.
        #[test]
        fn what_is_granted_before_a_position_fits_the_stated_need(
            counts in prop::collection::vec(0_u32..50, 1..6), shape in shapes(),
        ) {
            let selection = selection(&counts);
            let works: Vec<Work> = Plan::new(&selection, seat(Order::Shuffled, shape)).works().collect();
            let order_of = |position: u64| works.iter().position(|w| w.places.iter().any(|p| p.position == position));
            for due in 0..selection.patches() {
                let batch_start = due - due % shape.batch;
                let granted = &works[..=order_of(due).unwrap()];
                let held = granted.iter().flat_map(|w| &w.places).filter(|p| p.position >= batch_start).count() as u64;
                prop_assert!(held * shape.patch_bytes <= shape.needed_bytes());
            }
        }

        #[test]
        fn a_lease_stays_in_one_block(counts in prop::collection::vec(1_u32..50, 1..6), shape in shapes()) {
            for work in Plan::new(&selection(&counts), seat(Order::Shuffled, shape)).works() {
                let block = |p: &Place| (p.slide, u64::from(which(p).1) / shape.block);
                prop_assert!(!work.places.is_empty());
                prop_assert!(work.places.iter().all(|p| p.slide == work.slide && block(p) == block(&work.places[0])));
            }
        }
    }

    #[test]
    fn sequential_keeps_slides_and_coordinates_in_order() {
        let selection = selection(&[5, 0, 3]);
        let shape = Shape { batch: 4, lanes: 1, block: 2, window: 1, patch_bytes: 1 };
        let order: Vec<_> = stream(&selection, seat(Order::Sequential, shape)).iter().map(which).collect();
        assert_eq!(order, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (2, 0), (2, 1), (2, 2)]);
    }

    #[test]
    fn by_slide_keeps_each_slides_patches_together_and_in_order() {
        let selection = selection(&[5, 0, 3, 4]);
        let shape = Shape { batch: 4, lanes: 1, block: 2, window: 1, patch_bytes: 1 };
        let slides = |epoch| {
            let stream = stream(&selection, Seat { epoch, ..seat(Order::BySlide, shape) });
            let mut slides: Vec<u32> = stream.iter().map(|place| place.slide).collect();
            let in_order = stream.windows(2).all(|pair| pair[0].slide != pair[1].slide || pair[0].at.x < pair[1].at.x);
            assert!(in_order && stream.len() == 12);
            slides.dedup();
            slides
        };
        let orders: Vec<Vec<u32>> = (0..20).map(slides).collect();
        assert!(orders.iter().all(|order| order.len() == 3), "a slide comes once: {orders:?}");
        assert!(orders.iter().any(|order| *order != orders[0]), "epochs differ");
    }

    #[test]
    fn patches_are_numbered_over_all_slides() {
        let selection = selection(&[5, 0, 3]);
        let shape = Shape { batch: 4, lanes: 3, block: 2, window: 1, patch_bytes: 1 };
        for place in stream(&selection, seat(Order::Shuffled, shape)) {
            let (slide, patch) = which(&place);
            assert_eq!(place.number, u64::from(patch) + if slide == 0 { 0 } else { 5 });
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat() {
        let selection = selection(&[40, 40]);
        let shape = Shape { batch: 8, lanes: 4, block: 4, window: 2, patch_bytes: 1 };
        let base = seat(Order::Shuffled, shape);
        assert_eq!(stream(&selection, base), stream(&selection, base));
        assert_ne!(stream(&selection, base), stream(&selection, Seat { epoch: 1, ..base }));
        assert_ne!(stream(&selection, base), stream(&selection, Seat { seed: 8, ..base }));
    }

    #[test]
    fn a_batch_mixes_many_places() {
        let selection = selection(&[640; 4]);
        let shape = Shape { batch: 32, lanes: 16, block: 16, window: 2, patch_bytes: 1 };
        let stream = stream(&selection, seat(Order::Shuffled, shape));
        let mut blocks: Vec<_> = stream[320..352].iter().map(|p| (p.slide, p.at.x / 16)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        assert!(blocks.len() >= 16, "{} blocks in a batch", blocks.len());
    }
}
