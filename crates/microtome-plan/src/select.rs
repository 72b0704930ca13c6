//! Which coordinates of one slide a recipe takes. Run on a worker, which has opened the slide; pure all the same.

use crate::dataset::{Edge, Grid, Recipe, SamplingRule};
use crate::random::Random;

/// The most coordinates of one slide: 10 million are 80 MB, a 0.5 million px² slide at stride 158.
const MAX_COORDINATES: u64 = 10_000_000;

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
    /// Width of the view's level in pixels.
    pub level_width: u64,
    /// Height of the view's level in pixels.
    pub level_height: u64,
    /// Level-0 pixels for one pixel of the view's level; at least 1.
    pub downsample: f64,
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
    /// A grid so fine that nothing could hold it.
    #[error("sampling.grid.stride: gives {count} patches on this slide, more than {MAX_COORDINATES}")]
    TooMany {
        /// How many there would be.
        count: u64,
    },
}

impl SelectError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "Limit"
    }
}

/// The coordinates that `recipe` takes of a slide, neighbours next to each other. A slide smaller than a patch may give none.
pub fn coordinates(recipe: &Recipe, facts: &SlideFacts) -> Result<Vec<Coordinate>, SelectError> {
    if facts.width > i32::MAX as u64 || facts.height > i32::MAX as u64 {
        return Err(SelectError::TooLarge { width: facts.width, height: facts.height });
    }
    let size = u64::from(recipe.size.get());
    match recipe.sampling {
        SamplingRule::Grid(grid) => on_grid(grid, size, facts),
        SamplingRule::Random(count) => Ok(at_random(recipe.seed, u64::from(count.get()), size, facts)),
    }
}

fn on_grid(grid: Grid, size: u64, facts: &SlideFacts) -> Result<Vec<Coordinate>, SelectError> {
    let stride = u64::from(grid.stride.get());
    let along = |length: u64| match grid.edge {
        Edge::Drop if length < size => 0,
        Edge::Drop => (length - size) / stride + 1,
        Edge::Pad => length.div_ceil(stride),
    };
    let (columns, rows) = (along(facts.level_width), along(facts.level_height));
    let count = columns.saturating_mul(rows);
    if count > MAX_COORDINATES {
        return Err(SelectError::TooMany { count });
    }
    let position = |step: u64| to_level_0(step * stride, facts.downsample);
    Ok((0..rows)
        .flat_map(|row| (0..columns).map(move |column| Coordinate { x: position(column), y: position(row) }))
        .collect())
}

fn at_random(seed: u64, count: u64, size: u64, facts: &SlideFacts) -> Vec<Coordinate> {
    let extent = (size as f64 * facts.downsample).ceil() as u64;
    let (Some(free_x), Some(free_y)) = (facts.width.checked_sub(extent), facts.height.checked_sub(extent)) else {
        return Vec::new();
    };
    let mut random = Random::new("select", &[seed, u64::from(facts.index)]);
    let mut coordinates: Vec<Coordinate> = (0..count)
        .map(|_| Coordinate { x: random.below(free_x + 1) as i32, y: random.below(free_y + 1) as i32 })
        .collect();
    // Neighbours share tiles: bands four patches high, left to right.
    let band = i32::try_from(extent.saturating_mul(4)).unwrap_or(i32::MAX);
    coordinates.sort_by_key(|coordinate| (coordinate.y / band, coordinate.x, coordinate.y));
    coordinates
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
        SlideFacts { index: 0, width, height, level_width: width, level_height: height, downsample: 1.0 }
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
        let facts = SlideFacts { level_width: 1110, level_height: 1483, downsample: 2.0005, ..slide(2220, 2967) };
        for coordinate in coordinates(&recipe(&serde_json::json!({"grid": {"stride": 300}})), &facts).unwrap() {
            assert_eq!((f64::from(coordinate.x) / facts.downsample) as i64 % 300, 0);
            assert_eq!((f64::from(coordinate.y) / facts.downsample) as i64 % 300, 0);
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
        assert!(error.to_string().starts_with("sampling.grid.stride: gives 9949"), "{error}");
        assert!(coordinates(&fine, &slide(1 << 40, 1)).is_err());
    }
}
