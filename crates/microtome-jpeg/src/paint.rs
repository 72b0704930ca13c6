//! Planes to pixels: upsamples each row of the region and converts it straight into the target.

use std::ops::Range;

use crate::{
    geometry::Geometry,
    kernels::{Kernels, STEP},
    planes::Planes,
    region::{ColorTransform, Region, Target},
};

/// Rows of upsampled samples; reused from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: [Vec<u8>; 2],
}

/// What regions are painted with.
#[derive(Debug)]
pub(crate) struct Painting<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) geometry: &'a Geometry,
    pub(crate) planes: &'a Planes,
    pub(crate) transform: ColorTransform,
}

/// How a row of one component's samples is found and upsampled.
#[derive(Debug, Clone, Copy)]
struct Upsampling {
    component: usize,
    /// The first column of samples, how many are used, and whether the region starts with the second pixel of the first.
    column: u32,
    count: usize,
    odd: usize,
    /// Bits by which rows of pixels are more than rows of samples.
    down: u32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    None,
    /// libjpeg repeats the samples of tiles that are two samples wide or less.
    Repeat,
    Across,
    Down,
    Both,
}

impl Upsampling {
    fn new(geometry: &Geometry, component: usize, Region { x, width, .. }: Region) -> Self {
        let needs = &geometry.components[component];
        let [across, down] = needs.pixels;
        let column = x / across;
        let kind = match (across, down) {
            (1, 1) => Kind::None,
            (1, _) => Kind::Down,
            _ if needs.samples[0] <= 2 => Kind::Repeat,
            (_, 1) => Kind::Across,
            _ => Kind::Both,
        };
        let count = ((x + width - 1) / across - column + 1) as usize;
        Self { component, column, count, odd: (x % across) as usize, down: down - 1, kind }
    }
}

impl Painting<'_> {
    /// Paints the regions into their targets, which must fit them. Regions that share rows share the upsampling of these.
    pub(crate) fn paint(&self, targets: &mut [(Region, Target<'_>)], lines: &mut Lines) {
        let mut edges: Vec<u32> = targets.iter().flat_map(|(region, _)| [region.y, region.y + region.height]).collect();
        edges.sort_unstable();
        edges.dedup();
        for band in edges.windows(2) {
            let rows = band[0]..band[1];
            let within =
                |(region, _): &&mut (Region, _)| region.y <= rows.start && rows.end <= region.y + region.height;
            let mut targets: Vec<_> = targets.iter_mut().filter(within).collect();
            if let Some(all) = targets.iter().map(|(region, _)| *region).reduce(Region::union) {
                self.paint_rows(rows.clone(), all, &mut targets, lines);
            }
        }
    }

    /// Paints rows that all targets have, whose regions lie in `all`.
    fn paint_rows(&self, rows: Range<u32>, all: Region, targets: &mut [&mut (Region, Target<'_>)], lines: &mut Lines) {
        let grey = self.geometry.components.len() == 1;
        let transform = if grey { ColorTransform::None } else { self.transform };
        for line in &mut lines.lines {
            line.resize(2 * (all.width as usize / 2 + 2).next_multiple_of(STEP) + 2 * STEP, 0);
        }
        let upsamplings = [1, 2].map(|at| Upsampling::new(self.geometry, if grey { 0 } else { at }, all));
        for row in rows {
            let first = &self.planes.row(0, all.x, i64::from(row))[1..];
            let [second, third] = &mut lines.lines;
            let samples = if grey {
                [first; 3]
            } else {
                [first, self.samples(&upsamplings[0], row, second), self.samples(&upsamplings[1], row, third)]
            };
            for (region, target) in &mut *targets {
                let start = (row - region.y) as usize * target.stride;
                let out = &mut target.pixels[start..][..region.width as usize * target.format.bytes()];
                let left = (region.x - all.x) as usize;
                let [first, second, third] = samples.map(|samples| &samples[left..]);
                self.kernels.convert(transform, target.format)(first, second, third, out);
            }
        }
    }

    /// A component's samples of a row of pixels, from the region's first column on.
    fn samples<'l>(&'l self, upsampling: &Upsampling, row: u32, line: &'l mut [u8]) -> &'l [u8] {
        let Upsampling { component, column, count, odd, down, kind } = *upsampling;
        let at = i64::from(row >> down);
        let near = self.planes.row(component, column, at);
        // The row of samples on the other side of the pixel: above the upper one of two, below the lower one.
        let (beside, bias) = if row & 1 == 0 { (at - 1, 1) } else { (at + 1, 2) };
        let far = || self.planes.row(component, column, beside);
        match kind {
            Kind::None => return &near[1..],
            Kind::Repeat => {
                line.chunks_mut(2).zip(near[1..].iter().take(count)).for_each(|(pair, sample)| pair.fill(*sample));
            }
            Kind::Down => (self.kernels.down)(&near[1..], &far()[1..], bias, &mut line[..count]),
            Kind::Across => (self.kernels.across)(near, line, count),
            Kind::Both => (self.kernels.both)(near, far(), line, count),
        }
        &line[odd..]
    }
}
