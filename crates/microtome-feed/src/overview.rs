//! Pictures of a selection: each slide small, with its patches drawn.

use std::path::{Path, PathBuf};

use microtome_plan::dataset::Recipe;
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{SelectedSlide, Selection};
use microtome_slide::{Background, Limits, Mode, RegionRequest, Scale, Slide, SlideInfo, SlideUrl, Stores, UrlError};

use crate::sink::png::{Alpha, Picture, PngError};
use crate::view;

/// The longer edge of a picture in pixels.
const EDGE: u32 = 1024;
/// A patch's border.
const BORDER: [u8; 3] = [0, 110, 40];
/// A patch's inside is tinted with this, in as many hundredths.
const TINT: ([u8; 3], u32) = ([0, 170, 60], 30);
/// A name from a slide's is no longer than this.
const NAME: usize = 80;

/// A picture cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OverviewError {
    /// The slide cannot be read.
    #[error(transparent)]
    Slide(#[from] microtome_slide::Error),
    /// Its URL is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The picture cannot be written.
    #[error(transparent)]
    Png(#[from] PngError),
}

impl OverviewError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Slide(error) => error.category(),
            Self::Url(_) => "InvalidUrl",
            Self::Png(_) => "Storage",
        }
    }
}

/// Draws every slide of a selection into a directory. Returns how many there are.
pub async fn draw(
    recipe: &Recipe,
    selection: &Selection,
    stores: &Stores,
    directory: &Path,
) -> Result<u64, OverviewError> {
    for selected in &selection.slides {
        let url = SlideUrl::parse(&selected.entry.url)?;
        let slide = Slide::open_pinned(stores, &url, &Limits::default(), selected.etag.as_deref()).await?;
        let request = thumbnail(slide.info(), EDGE);
        let pixels = slide.read_region(&request).await?;
        let view = recipe.first_view();
        let downsample = slide.downsample(view::scale(view.resolution, selected.entry.mpp))?;
        let size = f64::from(view.size.get());
        let Scale::Downsample(shrink) = request.scale else { continue };
        let mut picture = Picture { width: request.width, height: request.height, alpha: Alpha::Without, pixels };
        let extent = (size * downsample.x / shrink, size * downsample.y / shrink);
        selected.coordinates.iter().for_each(|at| outline(&mut picture, *at, shrink, extent));
        picture.write(&directory.join(name(selected)))?;
    }
    Ok(selection.slides.len() as u64)
}

/// The whole slide in a square of `size` pixels; never larger than it is.
pub fn thumbnail(info: &SlideInfo, size: u32) -> RegionRequest {
    let downsample = (f64::from(info.width.max(info.height)) / f64::from(size)).max(1.0);
    // The cast is of a number between 1 and the slide's size.
    let length = |pixels: u32| (f64::from(pixels) / downsample).round().max(1.0) as u32;
    RegionRequest {
        x: 0,
        y: 0,
        width: length(info.width),
        height: length(info.height),
        scale: Scale::Downsample(downsample),
        mode: Mode::Exact,
        background: Background::White,
    }
}

/// The slide's place and name, without what a file's name must not hold.
fn name(slide: &SelectedSlide) -> PathBuf {
    let file = slide.entry.url.rsplit('/').next().unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    let stem: String = file.chars().take(NAME).map(plain).collect();
    format!("{:05}-{stem}.png", slide.index).into()
}

/// Draws one patch.
fn outline(picture: &mut Picture, at: Coordinate, shrink: f64, (across, down): (f64, f64)) {
    let edges = |start: i32, extent: f64, length: u32| {
        let start = f64::from(start) / shrink;
        let (first, end) = (start.floor() as i64, (start + extent).ceil() as i64);
        (first, end - 1, first.clamp(0, length.into())..end.clamp(0, length.into()))
    };
    let (left, right, columns) = edges(at.x, across, picture.width);
    let (top, bottom, rows) = edges(at.y, down, picture.height);
    for y in rows {
        for x in columns.clone() {
            let start = (y as usize * picture.width as usize + x as usize) * 3;
            let pixel = &mut picture.pixels[start..start + 3];
            if x == left || x == right || y == top || y == bottom {
                pixel.copy_from_slice(&BORDER);
                continue;
            }
            let (tint, part) = TINT;
            for (value, tint) in pixel.iter_mut().zip(tint) {
                *value = ((u32::from(*value) * (100 - part) + u32::from(tint) * part) / 100) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use microtome_plan::dataset::SlideEntry;

    use super::*;

    #[test]
    fn the_longer_edge_has_the_size() {
        let of = |width, height, size| {
            let info = SlideInfo {
                format: String::new(),
                width,
                height,
                mpp_x: None,
                mpp_y: None,
                levels: Vec::new(),
                properties: std::collections::BTreeMap::new(),
            };
            let request = thumbnail(&info, size);
            (request.width, request.height)
        };
        assert_eq!(of(2220, 2967, 512), (383, 512));
        assert_eq!(of(100, 50, 512), (100, 50));
        assert_eq!(of(100_000, 10, 100), (100, 1));
    }

    #[test]
    fn a_patch_has_a_border_and_a_tint_and_may_reach_over_the_edge() {
        let mut picture = Picture { width: 8, height: 8, alpha: Alpha::Without, pixels: vec![255; 8 * 8 * 3] };
        outline(&mut picture, Coordinate { x: 20, y: 40 }, 10.0, (4.0, 8.0));
        let at = |x: usize, y: usize| [0, 1, 2].map(|channel| picture.pixels[(y * 8 + x) * 3 + channel]);
        assert_eq!((at(2, 4), at(5, 7), at(3, 5)), (BORDER, BORDER, [178, 229, 196]));
        assert_eq!((at(1, 4), at(6, 5), at(2, 3)), ([255; 3], [255; 3], [255; 3]));
    }

    #[test]
    fn a_picture_is_named_after_its_slide() {
        let named = |url: &str| {
            let entry = Arc::new(SlideEntry { url: url.to_owned(), ..SlideEntry::default() });
            name(&SelectedSlide { index: 7, entry, etag: None, size_bytes: 0, coordinates: Vec::new() })
        };
        assert_eq!(named("az://s/a b/..%2f c.svs"), Path::new("00007-.._2f_c.svs.png"));
    }
}
