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
        for (row, out) in (y..y + height).zip(target.pixels.chunks_mut(target.stride.max(length))) {
            let first = &self.planes.row(0, x, i64::from(row))[1..];
            let [second, third] = &mut lines.lines;
            let rows =
                if grey { [first; 3] } else { [first, self.samples(1, row, second), self.samples(2, row, third)] };
            convert(rows, &mut out[..length]);
        }
    }

    /// A component's samples of a row of pixels, from the region's first column on.
    fn samples<'l>(&'l self, component: usize, row: u32, line: &'l mut [u8]) -> &'l [u8] {
        let Region { x, width, .. } = self.region;
        let needs = &self.geometry.components[component];
        let [across, down] = needs.pixels;
        let (column, at) = (x / across, i64::from(row / down));
        let near = self.planes.row(component, column, at);
        // The row of samples on the other side of the pixel: above the upper one of two, below the lower one.
        let (far, bias) = if row.is_multiple_of(2) { (at - 1, 1) } else { (at + 1, 2) };
        let far = if down == 2 { self.planes.row(component, column, far) } else { near };
        let count = ((x + width - 1) / across - column + 1) as usize;
        let odd = (x % across) as usize;
        match (across, down) {
            (1, 1) => return &near[1..],
            // libjpeg repeats the samples of tiles this narrow.
            (2, _) if needs.samples[0] <= 2 => {
                line.chunks_mut(2).zip(near[1..].iter().take(count)).for_each(|(pair, sample)| pair.fill(*sample));
            }
            (1, _) => (self.kernels.down)([&near[1..], &far[1..]], bias, &mut line[..count]),
            (_, 1) => (self.kernels.across)(near, line, count),
            _ => (self.kernels.both)([near, far], line, count),
        }
        &line[odd..]
    }
}
