//! The plan of a read: patches → unique tiles → merged ranges; pure.

use std::{ops::Range, sync::Arc};

use super::{
    geometry::level_origin,
    laid::{Laid, Layout, PlannedTile, over_limit},
    request::{Background, PatchRequest},
    resample::{Resampler, Span},
    scale::Sampling,
    tile_cache::TileName,
};
use crate::{
    Error, GAP_SCAN_BYTES, Slide,
    codec::{PixelFormat, Region},
    formats::Level,
    range::{LONGEST_RANGE_BYTES, merge},
};

/// Pixels that are held at once of what is resampled, in bytes: some dozen patches of twice the scale, so that few tiles lie
/// in two parts.
const PART_BYTES: u64 = 32 << 20;

/// What will be fetched and decoded for a request. Holds the slide, so that it can be decoded on any thread.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    slide: Slide,
    format: PixelFormat,
    width: u32,
    height: u32,
    patches: usize,
    gap_bytes: u64,
    /// Whether what lies around the patches is wanted next.
    scan: bool,
    ranges: Vec<Range<u64>>,
    parts: Vec<Part>,
    /// Makes patches of what the parts show; without it, that is the patches.
    resampler: Option<Arc<Resampler>>,
}

/// Some of a plan's patches, decoded together. Parts come one after the other.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) laid: Laid,
    /// Numbers of its patches in the plan.
    pub(super) patches: Vec<usize>,
}

impl ReadPlan {
    /// The byte ranges to fetch, ascending; each is one request. What a cache holds of them is not fetched.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The tiles to decode. Each comes once, but where patches are resampled, one of two parts of the plan comes twice.
    pub fn tiles(&self) -> impl Iterator<Item = &PlannedTile> {
        self.parts.iter().flat_map(|part| part.laid.tiles())
    }

    /// Number of patches.
    pub fn patch_count(&self) -> usize {
        self.patches
    }

    /// Bytes of one decoded patch: `height · width`, times 3 on white and 4 on transparency.
    pub fn patch_bytes(&self) -> usize {
        self.height as usize * self.width as usize * self.format.bytes()
    }

    /// Bytes that the fetch will transfer.
    pub fn fetch_bytes(&self) -> u64 {
        length(&self.ranges)
    }

    /// Bytes of the tiles themselves: what a fetch without gaps would transfer.
    pub fn needed_bytes(&self) -> u64 {
        length(&self.wanted())
    }

    /// Where the tiles lie in the blob, those that fill holes too; each tile once.
    fn wanted(&self) -> Vec<Range<u64>> {
        self.wanted_but(|_, _| false)
    }

    /// As `wanted`, without the tiles that are here already.
    pub(crate) fn wanted_but(&self, mut is_here: impl FnMut(TileName, Region) -> bool) -> Vec<Range<u64>> {
        let mut wanted: Vec<Range<u64>> =
            self.parts.iter().flat_map(|part| part.laid.wanted_but(&mut is_here)).collect();
        if self.parts.len() > 1 {
            wanted.sort_unstable_by_key(|range| (range.start, range.end));
            wanted.dedup();
        }
        wanted
    }

    /// Unwanted bytes that may be fetched to save a request.
    pub(crate) fn gap_bytes(&self) -> u64 {
        self.gap_bytes
    }

    /// The slide that is read.
    pub fn slide(&self) -> &Slide {
        &self.slide
    }

    pub(super) fn format(&self) -> PixelFormat {
        self.format
    }

    /// Whether this is part of a scan: what lies around the patches is wanted next.
    pub(super) fn is_scan(&self) -> bool {
        self.scan
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn resampler(&self) -> Option<&Resampler> {
        self.resampler.as_deref()
    }

    /// Plans a request. Fails only if the request itself cannot be served; faults of tiles are kept for their patches.
    pub(crate) fn new(slide: &Slide, request: &PatchRequest, background: Background) -> Result<Self, Error> {
        let sampling = Sampling::of(slide, request.scale)?;
        let downsample = sampling.level.downsample;
        let origins = request.origins.iter().map(|origin| level_origin(*origin, downsample)).collect();
        let PatchRequest { width, height, gap_bytes, .. } = *request;
        let layout = Layout { width, height, origins, format: background.format() };
        if !sampling.resampled {
            return Self::lay(slide, sampling.level, &layout, gap_bytes);
        }
        let spans = sampling.spans((0.0, 0.0), (width, height));
        Self::empty(slide, &layout, gap_bytes)?.resample(sampling.level, &layout, spans)?.finish()
    }

    /// Plans patches laid on a level of the slide, or on one of its associated images.
    pub(crate) fn lay(slide: &Slide, level: &Arc<Level>, layout: &Layout, gap_bytes: u64) -> Result<Self, Error> {
        let mut plan = Self::empty(slide, layout, gap_bytes)?;
        let patches = (0..layout.origins.len()).collect();
        plan.parts = vec![Part { laid: Laid::new(slide, level, layout)?, patches }];
        plan.finish()
    }

    /// A plan of patches whose parts are still to come.
    fn empty(slide: &Slide, layout: &Layout, gap_bytes: u64) -> Result<Self, Error> {
        layout.check(slide)?;
        Ok(Self {
            slide: slide.clone(),
            format: layout.format,
            width: layout.width,
            height: layout.height,
            patches: layout.origins.len(),
            gap_bytes: slide.gap_bytes(gap_bytes),
            scan: gap_bytes >= GAP_SCAN_BYTES,
            ranges: Vec::new(),
            parts: Vec::new(),
            resampler: None,
        })
    }

    /// Adds the parts of patches that are made of other pixels of a level than they have themselves: each of the two spans,
    /// moved to the patch's origin. In the order of a scan, so that neighbours share a part.
    fn resample(mut self, level: &Arc<Level>, layout: &Layout, (across, down): (Span, Span)) -> Result<Self, Error> {
        let (columns, rows) = (across.reach(), down.reach());
        // Sizes beyond 32 bits become too large a request.
        let length = |(from, to): (i64, i64)| u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        let (width, height, format) = (length(columns), length(rows), layout.format);
        Layout { width, height, origins: vec![(0, 0)], format }.check(&self.slide)?;
        let bytes = u64::from(width) * u64::from(height) * format.bytes() as u64;
        let origins = &layout.origins;
        let mut order: Vec<usize> = (0..origins.len()).collect();
        order.sort_by_key(|&patch| (origins[patch].1.div_euclid(level.layout.height.into()), origins[patch].0));
        let moved = |&patch: &usize| {
            let (x, y) = origins[patch];
            (x.saturating_add(columns.0), y.saturating_add(rows.0))
        };
        for patches in order.chunks((PART_BYTES / bytes).max(1) as usize) {
            let layout = Layout { width, height, origins: patches.iter().map(moved).collect(), format };
            self.parts.push(Part { laid: Laid::new(&self.slide, level, &layout)?, patches: patches.to_vec() });
        }
        let resampler = Resampler::new((width, height), format, (across.from(columns.0), down.from(rows.0)));
        self.resampler = Some(Arc::new(resampler));
        Ok(self)
    }

    /// Merges the ranges, and checks what the plan would fetch and decode.
    fn finish(mut self) -> Result<Self, Error> {
        self.ranges = merge(&self.wanted(), self.gap_bytes, LONGEST_RANGE_BYTES).ranges;
        let limits = self.slide.limits();
        if self.fetch_bytes() > limits.fetch_bytes {
            let what = format!("request would fetch more than {} bytes", limits.fetch_bytes);
            return Err(over_limit(&self.slide, what));
        }
        let pixels = self.parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.laid.decode_pixels()));
        if pixels > limits.decode_pixels {
            return Err(over_limit(&self.slide, format!("request would decode {pixels} pixels")));
        }
        Ok(self)
    }
}

fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}
