//! The samples of a region's blocks, component by component, with room around them.
//!
//! One buffer holds all planes. Around each there is room for one more column on the left and a vector's worth on the right,
//! so that upsampling needs no case for the tile's edges: [`Planes::extend_edges`] repeats the outermost samples there.

use std::ops::Range;

use crate::geometry::{Geometry, Needs};

/// Columns of room: on the left for alignment, on the right for a vector that reads too far.
const LEFT: usize = 32;
const RIGHT: usize = 64;

/// The planes of a region; reused from tile to tile.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    samples: Vec<u8>,
    planes: Vec<Plane>,
}

/// One component's samples.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plane {
    /// Of the first sample of the first block.
    start: usize,
    pub(crate) stride: usize,
    /// The first column and row that the plane holds, and the tile's last ones.
    first: [u32; 2],
    last: [u32; 2],
    /// Columns and rows that the plane holds.
    size: [u32; 2],
}

impl Plane {
    fn new(start: usize, needs: &Needs) -> Self {
        let size = needs.needed.map(|span| span.length() * 8);
        let first = needs.needed.map(|span| span.first * 8);
        let last = needs.samples.map(|count| count - 1);
        Self { start: start + LEFT, stride: LEFT + size[0] as usize + RIGHT, first, last, size }
    }

    #[cfg(test)]
    pub(crate) fn of_stride(stride: usize) -> Self {
        Self { stride, ..Self::default() }
    }

    /// Where a row's samples start.
    fn row_start(&self, row: u32) -> usize {
        self.start + (row - self.first[1]) as usize * self.stride
    }

    fn bytes(&self) -> usize {
        self.stride * self.size[1] as usize
    }

    /// Where a block's samples start.
    pub(crate) fn block(&self, column: u32, row: u32) -> usize {
        let (x, y) = (column * 8 - self.first[0], row * 8 - self.first[1]);
        self.start + y as usize * self.stride + x as usize
    }
}

impl Planes {
    /// Makes room. What the samples are is undefined until their blocks are written.
    pub(crate) fn prepare(&mut self, geometry: &Geometry) {
        self.planes.clear();
        let mut bytes = 0;
        for needs in &geometry.components {
            let plane = Plane::new(bytes, needs);
            bytes += plane.bytes();
            self.planes.push(plane);
        }
        self.samples.resize((bytes + RIGHT).max(self.samples.len()), 0);
    }

    /// The planes, and the buffer that they lie in.
    pub(crate) fn parts(&mut self) -> (&[Plane], &mut [u8]) {
        (&self.planes, &mut self.samples)
    }

    /// Repeats the tile's outermost columns beside them, where the planes reach them.
    pub(crate) fn extend_edges(&mut self) {
        for plane in &self.planes {
            let last = (plane.last[0] - plane.first[0]) as usize;
            let reached = last < plane.size[0] as usize;
            for row in 0..plane.size[1] as usize {
                let start = plane.start + row * plane.stride;
                if plane.first[0] == 0 {
                    self.samples[start - 1] = self.samples[start];
                }
                if reached {
                    self.samples[start + last + 1] = self.samples[start + last];
                }
            }
        }
    }

    /// Rows of a component's samples, each from the first column that the plane holds.
    pub(crate) fn rows(&self, component: usize, rows: Range<u32>) -> impl Iterator<Item = &[u8]> {
        let plane = self.planes[component];
        rows.map(move |row| &self.samples[plane.row_start(row)..][..plane.size[0] as usize])
    }

    /// Sets a row of a component's samples, of which all from the tile's first column on are given, if the plane holds it.
    pub(crate) fn put(&mut self, component: usize, row: u32, line: &[u8]) {
        let plane = self.planes[component];
        if row >= plane.first[1] && row < plane.first[1] + plane.size[1] {
            let (left, width) = (plane.first[0] as usize, plane.size[0] as usize);
            self.samples[plane.row_start(row)..][..width].copy_from_slice(&line[left..left + width]);
        }
    }

    /// A row of a component's samples from `column` - 1 on, with a vector's worth behind what the plane holds. Rows outside the
    /// tile are its outermost ones.
    pub(crate) fn row(&self, component: usize, column: u32, row: i64) -> &[u8] {
        let plane = self.planes[component];
        let row = row.clamp(0, i64::from(plane.last[1])) as u32 - plane.first[1];
        let start = plane.start + row as usize * plane.stride;
        let x = (column - plane.first[0]) as usize;
        &self.samples[start + x - 1..start + plane.size[0] as usize + RIGHT]
    }
}
