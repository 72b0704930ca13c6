//! One region of a slide as a picture: OpenSlide's semantics or a crop, at a level or at any scale.

use super::{
    plan::{Layout, ReadPlan},
    request::Background,
    resample::{Picture, Span, resample},
    square::{Square, interpolate, squares},
};
use crate::{Error, PatchRequest, Slide, codec::PixelFormat, read::request::lay_on_white};

/// Gap between ranges of a region, in bytes: its tiles lie in rows, and what is between is mostly wanted.
const GAP_BYTES: u64 = crate::GAP_RANDOM_BYTES;

/// A level whose scale differs by no more is read as it is: resampling would only blur.
const SAME_SCALE: f64 = 0.03;

/// The scale of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// A level; 0 is full resolution.
    Level(u32),
    /// Micrometres per pixel. The largest level that is fine enough is resampled, antialiased, unless it is within 3 %.
    Mpp(f64),
    /// Level-0 pixels per pixel; read as `Mpp` is.
    Downsample(f64),
}

/// What an origin between two pixels of a level means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// As OpenSlide: interpolated, in squares of 4096 pixels that each begin at a whole pixel of level 0.
    Exact,
    /// The pixel it lies in, as patches are read.
    #[default]
    Nearest,
}

/// A region of a slide.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionRequest {
    /// Left edge in level-0 pixels; may be negative.
    pub x: i64,
    /// Upper edge in level-0 pixels; may be negative.
    pub y: i64,
    /// Width of the picture in its own pixels.
    pub width: u32,
    /// Height of the picture in its own pixels.
    pub height: u32,
    /// Its scale.
    pub scale: Scale,
    /// What an origin between two pixels means.
    pub mode: Mode,
    /// What lies outside the slide, and whether the picture is RGB or RGBA.
    pub background: Background,
}

/// Reads a region: `height · width · c` bytes, c as the background says.
pub(crate) async fn read(slide: &Slide, request: &RegionRequest) -> Result<Vec<u8>, Error> {
    check_size(slide, request)?;
    let (across, down) = match request.scale {
        Scale::Level(level) => return read_level(slide, request, level).await,
        Scale::Downsample(downsample) => (downsample, downsample),
        Scale::Mpp(mpp) => {
            let info = slide.info();
            let (x, y) =
                info.mpp_x.zip(info.mpp_y).ok_or_else(|| refuse(slide, "slide does not say its resolution"))?;
            (mpp / x, mpp / y)
        }
    };
    if !(across.is_finite() && down.is_finite() && across > 0.0 && down > 0.0) {
        return Err(refuse(slide, "scale is not a positive number"));
    }
    let number = best_level(slide, across.min(down));
    let level = slide.level(number).ok_or_else(|| refuse(slide, "slide has no levels"))?;
    let same = |downsample: f64| (downsample / level.downsample - 1.0).abs() <= SAME_SCALE;
    if same(across) && same(down) {
        return read_level(slide, request, number).await;
    }
    read_resampled(slide, request, (number, across, down)).await
}

/// The coarsest level that is at least as fine as a downsample asks for, within the tolerance.
fn best_level(slide: &Slide, downsample: f64) -> u32 {
    let levels = (0..).zip(&slide.info().levels);
    let fine = levels.filter(|(_, level)| level.downsample <= downsample * (1.0 + SAME_SCALE));
    fine.last().map_or(0, |(number, _)| number)
}

async fn read_level(slide: &Slide, request: &RegionRequest, level: u32) -> Result<Vec<u8>, Error> {
    let RegionRequest { x, y, width, height, mode, background, .. } = *request;
    if mode == Mode::Exact {
        let pixels = read_exact(slide, request, level).await?;
        return Ok(lay(pixels, background));
    }
    let patch = PatchRequest { level, width, height, origins: vec![(x, y)], gap_bytes: GAP_BYTES };
    read_one(slide, &slide.plan_on(&patch, background)?).await
}

/// RGBA as OpenSlide returns it.
async fn read_exact(slide: &Slide, request: &RegionRequest, number: u32) -> Result<Vec<u8>, Error> {
    let level = slide.level(number).ok_or_else(|| no_level(slide, number))?;
    let stride = request.width as usize * 4;
    let mut pixels = vec![0; stride * request.height as usize];
    for square in squares(request, level.downsample) {
        let Square { origin, width, height, .. } = square;
        // One more pixel on each side that is interpolated towards.
        let layout = Layout {
            width: width + 1,
            height: height + 1,
            origins: vec![origin],
            gap_bytes: GAP_BYTES,
            format: PixelFormat::Rgba,
        };
        let source = read_one(slide, &ReadPlan::lay(slide, level, &layout)?).await?;
        interpolate(&square, &source, &mut pixels, stride);
    }
    Ok(pixels)
}

async fn read_resampled(
    slide: &Slide,
    request: &RegionRequest,
    (number, across, down): (u32, f64, f64),
) -> Result<Vec<u8>, Error> {
    let level = slide.level(number).ok_or_else(|| no_level(slide, number))?;
    let span = |origin: i64, length: u32, downsample: f64| {
        let start = origin as f64 / level.downsample;
        let start = if request.mode == Mode::Nearest { start.trunc() } else { start };
        Span { start, end: start + f64::from(length) * downsample / level.downsample, length }
    };
    let (across, down) = (span(request.x, request.width, across), span(request.y, request.height, down));
    let (columns, rows) = (across.reach(), down.reach());
    // Sizes beyond 32 bits become too large a request.
    let length = |(from, to): (i64, i64)| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
    let (width, height) = (length(columns), length(rows));
    let origins = vec![(columns.0, rows.0)];
    let layout = Layout { width, height, origins, gap_bytes: GAP_BYTES, format: PixelFormat::Rgba };
    let pixels = read_one(slide, &ReadPlan::lay(slide, level, &layout)?).await?;
    let within =
        |span: Span, first: i64| Span { start: span.start - first as f64, end: span.end - first as f64, ..span };
    let picture = Picture { pixels: &pixels, width, height };
    Ok(lay(resample(&picture, within(across, columns.0), within(down, rows.0)), request.background))
}

/// Fetches and decodes a plan of one patch, which must be whole.
pub(crate) async fn read_one(slide: &Slide, plan: &ReadPlan) -> Result<Vec<u8>, Error> {
    let patches = slide.fetch(plan).await?.decode(plan);
    match patches.errors.into_iter().next() {
        Some((_, error)) => Err(Error::slide(slide.url(), error.fault)),
        None => Ok(patches.pixels),
    }
}

fn lay(pixels: Vec<u8>, background: Background) -> Vec<u8> {
    match background {
        Background::Transparent => pixels,
        Background::White => lay_on_white(&pixels),
    }
}

fn check_size(slide: &Slide, request: &RegionRequest) -> Result<(), Error> {
    let RegionRequest { width, height, .. } = *request;
    if width == 0 || height == 0 {
        return Err(refuse(slide, "region has no pixels"));
    }
    let limit = slide.limits().patch_bytes;
    if (u64::from(width) * u64::from(height)).saturating_mul(4) > limit {
        let fault = crate::Fault::limit(format!("region of {width}x{height} pixels exceeds {limit} bytes"));
        return Err(Error::slide(slide.url(), fault));
    }
    Ok(())
}

fn no_level(slide: &Slide, level: u32) -> Error {
    refuse(slide, &format!("level {level} of {} does not exist", slide.info().levels.len()))
}

fn refuse(slide: &Slide, what: &str) -> Error {
    Error::Request { url: slide.url().clone(), what: what.to_owned() }
}
