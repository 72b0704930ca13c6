//! Views between the dataset's terms, the wire's and the reader's; and where a view's picture begins.

use microtome_plan::dataset::{Resolution, ViewRule};
use microtome_slide::{Downsample, Scale};

use crate::wire::feed::View;
use crate::wire::feed::view::Pixels;

/// A view of a slide whose level-0 pixels are `slide_mpp` micrometres wide, if the manifest says so; else the slide itself
/// does.
pub(crate) fn to_wire(rule: &ViewRule, slide_mpp: Option<f64>) -> View {
    let pixels = match scale(rule.resolution, slide_mpp) {
        Scale::Level(level) => Pixels::Level(level),
        Scale::Mpp(mpp) => Pixels::Mpp(mpp),
        Scale::Downsample(downsample) => Pixels::Downsample(downsample),
    };
    View { size: rule.size.get(), pixels: Some(pixels) }
}

/// The scale at which a slide is read.
pub(crate) fn scale(resolution: Resolution, slide_mpp: Option<f64>) -> Scale {
    match (resolution, slide_mpp) {
        (Resolution::Level(level), _) => Scale::Level(level),
        (Resolution::Mpp(mpp), None) => Scale::Mpp(mpp),
        (Resolution::Mpp(mpp), Some(slide_mpp)) => Scale::Downsample(mpp / slide_mpp),
    }
}

/// The scale that a head asks for; a view that says none is of the finest level.
pub(crate) fn from_wire(view: &View) -> Scale {
    match view.pixels {
        Some(Pixels::Mpp(mpp)) => Scale::Mpp(mpp),
        Some(Pixels::Downsample(downsample)) => Scale::Downsample(downsample),
        Some(Pixels::Level(level)) => Scale::Level(level),
        None => Scale::Level(0),
    }
}

/// From the first view's upper left corner to another view's, in level-0 pixels: both have the same centre.
pub(crate) fn offset(first: (u32, Downsample), other: (u32, Downsample)) -> (i64, i64) {
    let between = |first: f64, other: f64| ((first - other) / 2.0).floor() as i64;
    let ((first, of_first), (other, of_other)) = (first, other);
    let (first, other) = (f64::from(first), f64::from(other));
    (between(first * of_first.x, other * of_other.x), between(first * of_first.y, other * of_other.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_have_one_centre() {
        let at = |downsample: f64| Downsample { x: downsample, y: downsample };
        assert_eq!(offset((256, at(1.0)), (256, at(1.0))), (0, 0));
        assert_eq!(offset((256, at(1.0)), (256, at(8.0))), (-896, -896));
        assert_eq!(offset((256, at(4.0)), (256, at(1.0))), (384, 384));
        assert_eq!(offset((256, at(1.0)), (257, at(1.0))), (-1, -1));
    }

    #[test]
    fn a_manifests_resolution_overrules_the_slides() {
        let rule = |resolution| ViewRule { name: "image".to_owned(), size: std::num::NonZeroU32::MIN, resolution };
        let scale = |resolution, mpp| from_wire(&to_wire(&rule(resolution), mpp));
        assert_eq!(scale(Resolution::Mpp(0.5), None), Scale::Mpp(0.5));
        assert_eq!(scale(Resolution::Mpp(0.5), Some(0.25)), Scale::Downsample(2.0));
        assert_eq!(scale(Resolution::Level(3), Some(0.25)), Scale::Level(3));
    }
}
