//! Which coordinates of one slide a recipe takes. Run on a worker, which has opened the slide; pure all the same.

use crate::dataset::{Edge, Grid, Order, Recipe, SamplingRule};
use crate::random::Random;
use crate::tissue::Mask;

/// The most coordinates of one slide: 10 million are 80 MB, a 0.5 million px² slide at stride 158.
const MAX_COORDINATES: u64 = 10_000_000;

/// Places that are drawn for each random patch until one shows enough tissue: with 2 % of a slide nearly all are found.
const DRAWS_A_PATCH: u64 = 64;

/// A patch's upper left corner in level-0 pixels from the slide's upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coordinate {
    /// To the right.
    pub x: i32,
    /// Down.
    pub y: i32,
}

/// What selection needs to know of a slide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlideFacts {
    /// Where the slide stands in the dataset; part of the seed, so that slides differ.
    pub index: u32,
    /// Level-0 width in pixels.
    pub width: u64,
    /// Level-0 height in pixels.
    pub height: u64,
    /// Width of the whole slide in pixels of the first view.
    pub view_width: u64,
    /// Height of the whole slide in pixels of the first view.
    pub view_height: u64,
    /// Level-0 pixels for one pixel of the first view, across and down.
    pub downsample: (f64, f64),
    /// How many times the number of random patches the slide gives.
    pub weight: f64,
}

/// A slide gives no coordinates for a reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Wider or higher than a coordinate can say.
    #[error("slide is {width} × {height} px, more than 2147483647 on an edge")]
    TooLarge {
        /// Level-0 width in pixels.
        width: u64,
        /// Level-0 height in pixels.
        height: u64,
    },
    /// So many that nothing could hold them.
    #[error("sampling: gives {count} patches on this slide, more than {MAX_COORDINATES}")]
    TooMany {
        /// How many there would be.
        count: u64,
    },
    /// A table names a place of which nothing lies on the slide.
    #[error("sampling.coordinates: ({x}, {y}) lies outside the slide, which is {width} × {height} px")]
    Outside {
        /// Level-0 pixels.
        x: i32,
        /// Level-0 pixels.
        y: i32,
        /// Level-0 width in pixels.
        width: u64,
        /// Level-0 height in pixels.
        height: u64,
    },
}

impl SelectError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => "Limit",
            Self::Outside { .. } => "OutsideSlide",
        }
    }
}

/// What else a recipe may need of a slide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Where it shows tissue, if the recipe asks.
    pub tissue: Option<&'a Mask>,
    /// The places that a table names for it.
    pub table: &'a [Coordinate],
}

/// The coordinates that `recipe` takes of a slide, neighbours next to each other. A slide smaller than a patch may give none.
pub fn coordinates(recipe: &Recipe, facts: &SlideFacts, given: Given<'_>) -> Result<Vec<Coordinate>, SelectError> {
    if facts.width > i32::MAX as u64 || facts.height > i32::MAX as u64 {
        return Err(SelectError::TooLarge { width: facts.width, height: facts.height });
    }
    let patch = Patch::of(recipe, facts);
    let shows_tissue = |at: &Coordinate| patch.shows_tissue(*at, given.tissue, recipe.tissue_percent);
    match &recipe.sampling {
        SamplingRule::Grid(grid) => {
            let mut coordinates = on_grid(*grid, u64::from(patch.size), facts)?;
            coordinates.retain(shows_tissue);
            Ok(coordinates)
        }
        SamplingRule::Random(count) => {
            let count = (f64::from(count.get()) * facts.weight).round() as u64;
            if count > MAX_COORDINATES {
                return Err(SelectError::TooMany { count });
            }
            Ok(at_random(recipe.seed, count, &patch, facts, shows_tissue))
        }
        SamplingRule::Coordinates(_) => {
            let mut coordinates = from_table(given.table, &patch, facts, shows_tissue)?;
            // Whoever asks for an order of their own gets the table's.
            if recipe.order == Order::Shuffled {
                patch.sort(&mut coordinates);
            }
            Ok(coordinates)
        }
    }
}

/// The first view's patch on a slide.
struct Patch {
    /// In its own pixels.
    size: u32,
    /// Width and height in level-0 pixels.
    extent: (f64, f64),
}

impl Patch {
    fn of(recipe: &Recipe, facts: &SlideFacts) -> Self {
        let size = recipe.first_view().size.get();
        Self { size, extent: (f64::from(size) * facts.downsample.0, f64::from(size) * facts.downsample.1) }
    }

    fn shows_tissue(&self, at: Coordinate, tissue: Option<&Mask>, percent: u8) -> bool {
        tissue.is_none_or(|mask| mask.holds((f64::from(at.x), f64::from(at.y)), self.extent, percent))
    }

    /// Neighbours share tiles: bands four patches high, left to right.
    fn sort(&self, coordinates: &mut [Coordinate]) {
        let band = ((self.extent.1.ceil() as i64).saturating_mul(4)).clamp(1, i64::from(i32::MAX)) as i32;
        coordinates.sort_by_key(|coordinate| (coordinate.y.div_euclid(band), coordinate.x, coordinate.y));
    }
}

fn on_grid(grid: Grid, size: u64, facts: &SlideFacts) -> Result<Vec<Coordinate>, SelectError> {
    let stride = u64::from(grid.stride.get());
    let along = |length: u64| match grid.edge {
        Edge::Drop if length < size => 0,
        Edge::Drop => (length - size) / stride + 1,
        Edge::Pad => length.div_ceil(stride),
    };
    let (columns, rows) = (along(facts.view_width), along(facts.view_height));
    let count = columns.saturating_mul(rows);
    if count > MAX_COORDINATES {
        return Err(SelectError::TooMany { count });
    }
    let x = |step: u64| to_level_0(step * stride, facts.downsample.0);
    let y = |step: u64| to_level_0(step * stride, facts.downsample.1);
    Ok((0..rows).flat_map(|row| (0..columns).map(move |column| Coordinate { x: x(column), y: y(row) })).collect())
}

fn at_random(
    seed: u64,
    count: u64,
    patch: &Patch,
    facts: &SlideFacts,
    taken: impl Fn(&Coordinate) -> bool,
) -> Vec<Coordinate> {
    let free = |length: u64, extent: f64| length.checked_sub(extent.ceil() as u64);
    let (Some(free_x), Some(free_y)) = (free(facts.width, patch.extent.0), free(facts.height, patch.extent.1)) else {
        return Vec::new();
    };
    let mut random = Random::new("select", &[seed, u64::from(facts.index)]);
    let draw = || Coordinate { x: random.below(free_x + 1) as i32, y: random.below(free_y + 1) as i32 };
    let draws = count.saturating_mul(DRAWS_A_PATCH) as usize;
    let mut coordinates: Vec<Coordinate> =
        std::iter::repeat_with(draw).take(draws).filter(taken).take(count as usize).collect();
    patch.sort(&mut coordinates);
    coordinates
}

fn from_table(
    table: &[Coordinate],
    patch: &Patch,
    facts: &SlideFacts,
    taken: impl Fn(&Coordinate) -> bool,
) -> Result<Vec<Coordinate>, SelectError> {
    let inside =
        |start: i32, extent: f64, length: u64| i64::from(start) < length as i64 && f64::from(start) + extent > 0.0;
    let outside =
        |at: &&Coordinate| !(inside(at.x, patch.extent.0, facts.width) && inside(at.y, patch.extent.1, facts.height));
    if let Some(at) = table.iter().find(outside) {
        return Err(SelectError::Outside { x: at.x, y: at.y, width: facts.width, height: facts.height });
    }
    Ok(table.iter().copied().filter(taken).collect())
}

/// The first level-0 pixel that a reader, which truncates, takes for `pixel` of the level.
fn to_level_0(pixel: u64, downsample: f64) -> i32 {
    (pixel as f64 * downsample).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;

    fn recipe(sampling: &serde_json::Value) -> Recipe {
        let dataset: Dataset = serde_json::from_value(serde_json::json!({
            "name": "d", "slides": {"list": [{"url": "a"}]}, "views": [{"name": "image", "size": 256, "level": 0}],
            "sampling": sampling,
        }))
        .unwrap();
        dataset.recipe().unwrap()
    }

    fn slide(width: u64, height: u64) -> SlideFacts {
        let downsample = (1.0, 1.0);
        SlideFacts { index: 0, width, height, view_width: width, view_height: height, downsample, weight: 1.0 }
    }

    fn coordinates(recipe: &Recipe, facts: &SlideFacts) -> Result<Vec<Coordinate>, SelectError> {
        super::coordinates(recipe, facts, Given::default())
    }

    #[test]
    fn the_grid_drops_or_pads_at_the_edge() {
        let count = |edge, width, height| {
            let recipe = recipe(&serde_json::json!({"grid": {"stride": 256, "edge": edge}}));
            coordinates(&recipe, &slide(width, height)).unwrap().len()
        };
        assert_eq!(count("Drop", 2220, 2967), 88);
        assert_eq!(count("Pad", 2220, 2967), 9 * 12);
        assert_eq!((count("Drop", 256, 256), count("Drop", 255, 256), count("Pad", 255, 256)), (1, 0, 1));
    }

    #[test]
    fn grid_coordinates_of_a_lower_level_truncate_to_the_grid() {
        let facts =
            SlideFacts { view_width: 1110, view_height: 1483, downsample: (2.0005, 2.0005), ..slide(2220, 2967) };
        for coordinate in coordinates(&recipe(&serde_json::json!({"grid": {"stride": 300}})), &facts).unwrap() {
            assert_eq!((f64::from(coordinate.x) / facts.downsample.0) as i64 % 300, 0);
            assert_eq!((f64::from(coordinate.y) / facts.downsample.0) as i64 % 300, 0);
        }
    }

    #[test]
    fn random_patches_lie_inside_and_differ_by_slide() {
        let recipe = recipe(&serde_json::json!({"random": {"perSlide": 500}}));
        let facts = slide(2220, 2967);
        let here = coordinates(&recipe, &facts).unwrap();
        assert_eq!(here.len(), 500);
        assert!(here.iter().all(|c| (0..=2220 - 256).contains(&c.x) && (0..=2967 - 256).contains(&c.y)));
        assert_ne!(here, coordinates(&recipe, &SlideFacts { index: 1, ..facts }).unwrap());
        assert_eq!(coordinates(&recipe, &slide(100, 100)).unwrap(), []);
    }

    #[test]
    fn a_slide_that_no_memory_could_hold_is_refused() {
        let fine = recipe(&serde_json::json!({"grid": {"stride": 1}}));
        let error = coordinates(&fine, &slide(100_000, 100_000)).unwrap_err();
        assert!(error.to_string().starts_with("sampling: gives 9949"), "{error}");
        assert!(coordinates(&fine, &slide(1 << 40, 1)).is_err());
    }

    #[test]
    fn a_weight_multiplies_the_random_patches() {
        let recipe = recipe(&serde_json::json!({"random": {"perSlide": 10}}));
        let count = |weight| coordinates(&recipe, &SlideFacts { weight, ..slide(2000, 2000) }).unwrap().len();
        assert_eq!([count(0.0), count(0.25), count(1.0), count(2.5)], [0, 3, 10, 25]);
    }

    #[test]
    fn only_patches_with_tissue_are_taken() {
        // The right half of a slide of 1024 px, in cells of 64 px.
        let saturations: Vec<u8> = (0..256).map(|cell| if cell % 16 < 8 { 2 } else { 120 }).collect();
        let mask = Mask::of(&saturations, 16, (64.0, 64.0));
        let given = Given { tissue: Some(&mask), table: &[] };
        let taken = |sampling: &serde_json::Value| {
            let recipe = Recipe { tissue_percent: 50, ..recipe(sampling) };
            super::coordinates(&recipe, &slide(1024, 1024), given).unwrap()
        };
        let grid = taken(&serde_json::json!({"grid": {"stride": 256}}));
        assert_eq!(grid.len(), 8);
        assert!(grid.iter().all(|at| at.x >= 512));
        let random = taken(&serde_json::json!({"random": {"perSlide": 50}}));
        assert_eq!(random.len(), 50);
        assert!(random.iter().all(|at| at.x >= 512 - 128 - 64));
    }

    #[test]
    fn a_tables_places_must_lie_on_the_slide() {
        let recipe = recipe(&serde_json::json!({"coordinates": {"url": "c.csv"}}));
        let taken =
            |table: &[Coordinate]| super::coordinates(&recipe, &slide(1000, 1000), Given { tissue: None, table });
        let at = |x, y| Coordinate { x, y };
        assert_eq!(taken(&[at(900, 5), at(-255, 0), at(10, 999)]).unwrap(), [at(-255, 0), at(10, 999), at(900, 5)]);
        for outside in [at(-256, 0), at(1000, 0), at(0, 1000)] {
            let error = taken(&[at(0, 0), outside]).unwrap_err();
            assert!(error.to_string().contains("lies outside the slide"), "{error}");
        }
    }
}
