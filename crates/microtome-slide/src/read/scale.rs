//! Scales of patches and regions: which level is read, and whether it is resampled; pure.

use std::sync::Arc;

use super::resample::Span;
use crate::{Error, Slide, formats::Level};

/// A level whose scale differs by no more is read as it is: resampling would only blur.
const SAME_SCALE: f64 = 0.03;

/// The scale of patches or of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// A level; 0 is full resolution.
    Level(u32),
    /// Micrometres per pixel. The smallest level that is fine enough is resampled, antialiased, unless it is within 3 %.
    Mpp(f64),
    /// Level-0 pixels per pixel; read as `Mpp` is.
    Downsample(f64),
}

/// Level-0 pixels per pixel of what is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Downsample {
    /// Along x.
    pub x: f64,
    /// Along y.
    pub y: f64,
}

/// How a scale is read.
#[derive(Debug)]
pub(super) struct Sampling<'a> {
    pub(super) level: &'a Arc<Level>,
    pub(super) downsample: Downsample,
    /// Whether the level is resampled, or read as it is.
    pub(super) resampled: bool,
}

impl<'a> Sampling<'a> {
    pub(super) fn of(slide: &'a Slide, scale: Scale) -> Result<Self, Error> {
        let Downsample { x, y } = match scale {
            Scale::Level(number) => return Self::whole(slide, number),
            Scale::Downsample(downsample) => Downsample { x: downsample, y: downsample },
            Scale::Mpp(mpp) => {
                let info = slide.info();
                let known = info.mpp_x.zip(info.mpp_y).ok_or_else(|| Error::NoMpp { url: slide.url().clone() })?;
                Downsample { x: mpp / known.0, y: mpp / known.1 }
            }
        };
        if !(x.is_finite() && y.is_finite() && x > 0.0 && y > 0.0) {
            return Err(refuse(slide, "scale is not a positive number"));
        }
        let whole = Self::whole(slide, best_level(slide, x.min(y)))?;
        let same = |downsample: f64| (downsample / whole.level.downsample - 1.0).abs() <= SAME_SCALE;
        if same(x) && same(y) {
            return Ok(whole);
        }
        Ok(Self { downsample: Downsample { x, y }, resampled: true, ..whole })
    }

    /// A level as it is.
    fn whole(slide: &'a Slide, number: u32) -> Result<Self, Error> {
        let missing = || refuse(slide, &format!("level {number} of {} does not exist", slide.info().levels.len()));
        let level = slide.level(number).ok_or_else(missing)?;
        let downsample = Downsample { x: level.downsample, y: level.downsample };
        Ok(Self { level, downsample, resampled: false })
    }

    /// The stretches of the level that become that many pixels from a place in its pixels on.
    pub(super) fn spans(&self, (x, y): (f64, f64), (width, height): (u32, u32)) -> (Span, Span) {
        let span = |start: f64, length: u32, downsample: f64| {
            let end = start + f64::from(length) * downsample / self.level.downsample;
            Span { start, end, length }
        };
        (span(x, width, self.downsample.x), span(y, height, self.downsample.y))
    }
}

/// The coarsest level that is at least as fine as a downsample asks for, within the tolerance.
fn best_level(slide: &Slide, downsample: f64) -> u32 {
    let levels = (0..).zip(&slide.info().levels);
    let fine = levels.filter(|(_, level)| level.downsample <= downsample * (1.0 + SAME_SCALE));
    fine.last().map_or(0, |(number, _)| number)
}

pub(super) fn refuse(slide: &Slide, what: &str) -> Error {
    Error::Request { url: slide.url().clone(), what: what.to_owned() }
}

pub(crate) fn downsample(slide: &Slide, scale: Scale) -> Result<Downsample, Error> {
    Sampling::of(slide, scale).map(|sampling| sampling.downsample)
}
