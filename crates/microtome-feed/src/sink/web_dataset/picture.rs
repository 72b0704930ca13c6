//! One picture as a file's bytes.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::WebDatasetError;
use crate::sink::output::Encoding;

/// From this quality on colours keep their resolution, in which stains differ.
const FULL_COLOUR: u8 = 90;

/// Encodes a square of RGB.
pub(super) fn encode(pixels: &[u8], size: u32, encoding: Encoding) -> Result<Vec<u8>, WebDatasetError> {
    let failed = |error: &dyn std::error::Error| WebDatasetError::Encode { reason: error.to_string() };
    match encoding {
        Encoding::Jpeg(quality) => {
            let edge = u16::try_from(size).map_err(|error| failed(&error))?;
            // Roughly what a patch of tissue takes.
            let mut file = Vec::with_capacity(pixels.len() / 8);
            let mut encoder = Encoder::new(&mut file, quality);
            encoder.set_sampling_factor(if quality < FULL_COLOUR {
                SamplingFactor::F_2_2
            } else {
                SamplingFactor::F_1_1
            });
            encoder.encode(pixels, edge, edge, ColorType::Rgb).map_err(|error| failed(&error))?;
            Ok(file)
        }
        Encoding::Png => {
            let mut file = Vec::with_capacity(pixels.len());
            let mut encoder = png::Encoder::new(&mut file, size, size);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_compression(png::Compression::Fast);
            let mut writer = encoder.write_header().map_err(|error| failed(&error))?;
            writer.write_image_data(pixels).and_then(|()| writer.finish()).map_err(|error| failed(&error))?;
            Ok(file)
        }
    }
}

impl Encoding {
    /// The ending of a file's name.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Jpeg(_) => "jpg",
            Self::Png => "png",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gradient, as smooth as tissue out of focus.
    fn pixels() -> Vec<u8> {
        (0..64 * 64).flat_map(|at| [(at % 64 * 3) as u8, (at / 64 * 3) as u8, 128]).collect()
    }

    #[test]
    fn png_keeps_the_pixels() {
        let file = encode(&pixels(), 64, Encoding::Png).unwrap_or_default();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().ok();
        let mut read = vec![0; 64 * 64 * 3];
        let frame = reader.as_mut().and_then(|reader| reader.next_frame(&mut read).ok());
        assert!(frame.is_some() && read == pixels());
    }

    #[test]
    fn jpeg_of_less_quality_is_smaller() {
        let bytes = |quality| encode(&pixels(), 64, Encoding::Jpeg(quality)).map(|file| file.len()).unwrap_or(0);
        assert!(0 < bytes(20) && bytes(20) < bytes(89) && bytes(89) < bytes(90));
    }
}
