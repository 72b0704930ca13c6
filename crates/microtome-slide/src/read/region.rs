//! One region of a slide as a picture: OpenSlide's semantics or a crop, at a level or at any scale.

use std::sync::Arc;

use super::{
    laid::{Layout, over_limit},
    plan::ReadPlan,
    request::{Background, PatchRequest, lay_on_white},
    resample::Resampler,
    scale::{Sampling, Scale, refuse},
    square::{Square, interpolate, squares},
};
use crate::{Error, Slide, codec::PixelFormat, formats::Level};

/// Gap between ranges of a region, in bytes: its tiles lie in rows, and what is between is mostly wanted.
const GAP_BYTES: u64 = crate::GAP_RANDOM_BYTES;

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
    if request.mode == Mode::Nearest {
        let RegionRequest { x, y, width, height, scale, background, .. } = *request;
        let patch = PatchRequest { scale, width, height, origins: vec![(x, y)], gap_bytes: GAP_BYTES };
        return read_one(slide, &slide.plan_on(&patch, background)?).await;
    }
    let sampling = Sampling::of(slide, request.scale)?;
    if sampling.resampled {
        return read_resampled(slide, request, &sampling).await;
    }
    let pixels = read_exact(slide, request, sampling.level).await?;
    Ok(lay(pixels, request.background))
}

/// RGBA as OpenSlide returns it.
async fn read_exact(slide: &Slide, request: &RegionRequest, level: &Arc<Level>) -> Result<Vec<u8>, Error> {
    let stride = request.width as usize * 4;
    let mut pixels = vec![0; stride * request.height as usize];
    for square in squares(request, level.downsample) {
        let Square { origin, width, height, .. } = square;
        // One more pixel on each side that is interpolated towards.
        let layout = Layout { width: width + 1, height: height + 1, origins: vec![origin], format: PixelFormat::Rgba };
        let source = read_one(slide, &ReadPlan::lay(slide, level, &layout, GAP_BYTES)?).await?;
        interpolate(&square, &source, &mut pixels, stride);
    }
    Ok(pixels)
}

async fn read_resampled(slide: &Slide, request: &RegionRequest, sampling: &Sampling<'_>) -> Result<Vec<u8>, Error> {
    let at = |origin: i64| origin as f64 / sampling.level.downsample;
    let (across, down) = sampling.spans((at(request.x), at(request.y)), (request.width, request.height));
    let (columns, rows) = (across.reach(), down.reach());
    // Sizes beyond 32 bits become too large a request.
    let length = |(from, to): (i64, i64)| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
    let (width, height, format) = (length(columns), length(rows), request.background.format());
    let layout = Layout { width, height, origins: vec![(columns.0, rows.0)], format };
    let source = read_one(slide, &ReadPlan::lay(slide, sampling.level, &layout, GAP_BYTES)?).await?;
    let spans = (across.from(columns.0), down.from(rows.0));
    Ok(Resampler::new((width, height), format, spans).picture(&source))
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
        return Err(over_limit(slide, format!("region of {width}x{height} pixels exceeds {limit} bytes")));
    }
    Ok(())
}
