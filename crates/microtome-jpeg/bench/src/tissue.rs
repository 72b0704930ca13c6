//! Tissue to encode: the first level of a slide of the repository that is of JPEG 2000, so that no JPEG's traces are in it.

use std::fs;

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use tiff::{decoder::Decoder, tags::Tag};

const SIDE: usize = 256;

/// Packed RGB.
pub(crate) struct Tissue {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

impl Tissue {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/slides/tcga-cr-7395-01a-01-ts1.svs");
        let file = fs::read(path).expect("the slide is in the repository");
        let mut tiff = Decoder::new(std::io::Cursor::new(&file)).expect("a TIFF");
        let (width, height) = tiff.dimensions().map(|(x, y)| (x as usize, y as usize)).expect("a size");
        let mut list = |tag| tiff.get_tag_u64_vec(tag).expect("a list");
        let (offsets, lengths) = (list(Tag::TileOffsets), list(Tag::TileByteCounts));
        let mut rgb = vec![0; width * height * 3];
        for (tile, (offset, length)) in offsets.into_iter().zip(lengths).enumerate() {
            let bytes = &file[offset as usize..][..length as usize];
            let image = Image::new(bytes, &DecodeSettings::default()).expect("a code stream");
            let (mut context, mut pixels) = (DecoderContext::default(), vec![0; SIDE * SIDE * 3]);
            image.decode(&mut context).expect("a tile").store_u8_into(&mut pixels);
            let (x, y) = (tile % width.div_ceil(SIDE) * SIDE, tile / width.div_ceil(SIDE) * SIDE);
            let columns = SIDE.min(width - x) * 3;
            for (from, to) in pixels.chunks_exact(SIDE * 3).zip(rgb.chunks_exact_mut(width * 3).skip(y)) {
                to[x * 3..][..columns].copy_from_slice(&from[..columns]);
            }
        }
        // Columns and rows that hold tissue and no background.
        let all = Self { width, height, rgb };
        let [x, y, width, height] = [2, 4, 13, 6].map(|tiles| tiles * SIDE);
        Self { width, height, rgb: all.cut(x, y, width, height) }
    }

    /// A rectangle that lies in it.
    pub(crate) fn cut(&self, x: usize, y: usize, width: usize, height: usize) -> Vec<u8> {
        let rows = self.rgb.chunks_exact(self.width * 3).skip(y).take(height);
        rows.flat_map(|row| &row[x * 3..(x + width) * 3]).copied().collect()
    }
}
