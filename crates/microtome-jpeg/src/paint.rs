//! Planes to pixels: upsamples each row of the region and converts it straight into the target.

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

/// A region to paint.
#[derive(Debug)]
pub(crate) struct Painting<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) geometry: &'a Geometry,
    pub(crate) planes: &'a Planes,
    pub(crate) region: Region,
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
    /// Paints the whole region. The target must fit it.
    pub(crate) fn paint(&self, target: &mut Target<'_>, lines: &mut Lines) {
        let Region { x, y, width, height } = self.region;
        let grey = self.geometry.components.len() == 1;
        let transform = if grey { ColorTransform::None } else { self.transform };
        let convert = self.kernels.convert(transform, target.format);
        let length = width as usize * target.format.bytes();
        for line in &mut lines.lines {
            line.resize(2 * (width as usize / 2 + 2).next_multiple_of(STEP) + 2 * STEP, 0);
        }
        let upsamplings = [1, 2].map(|at| Upsampling::new(self.geometry, if grey { 0 } else { at }, self.region));
        for (row, out) in (y..y + height).zip(target.pixels.chunks_mut(target.stride.max(length))) {
            let first = &self.planes.row(0, x, i64::from(row))[1..];
            let [second, third] = &mut lines.lines;
            let rows = if grey {
                [first; 3]
            } else {
                [first, self.samples(&upsamplings[0], row, second), self.samples(&upsamplings[1], row, third)]
            };
            convert(rows, &mut out[..length]);
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
            Kind::Down => (self.kernels.down)([&near[1..], &far()[1..]], bias, &mut line[..count]),
            Kind::Across => (self.kernels.across)(near, line, count),
            Kind::Both => (self.kernels.both)([near, far()], line, count),
        }
        &line[odd..]
    }
}
