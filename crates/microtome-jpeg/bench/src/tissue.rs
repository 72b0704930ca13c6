//! Tissue to encode: the first level of a slide of the repository.

use std::fs::File;

use tiff::decoder::{Decoder, DecodingResult};

/// Packed RGB.
pub(crate) struct Tissue {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

impl Tissue {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/slides/CMU-1-Small-Region.svs");
        let mut decoder = Decoder::new(File::open(path).expect("the slide is in the repository")).expect("a TIFF");
        let (width, height) = decoder.dimensions().expect("a size");
        let DecodingResult::U8(rgb) = decoder.read_image().expect("an image") else { panic!("other than 8 bits") };
        Self { width: width as usize, height: height as usize, rgb }
    }

    /// A rectangle that lies in it.
    pub(crate) fn cut(&self, x: usize, y: usize, width: usize, height: usize) -> Vec<u8> {
        let rows = self.rgb.chunks_exact(self.width * 3).skip(y).take(height);
        rows.flat_map(|row| &row[x * 3..(x + width) * 3]).copied().collect()
    }
}
