//! What samples mean, and how they become RGB or RGBA.
//!
//! YCbCr to RGB is as JFIF defines it (ITU-R BT.601, full range).

use serde::{Deserialize, Serialize};

/// What the samples of a tile mean; from the TIFF directory, whatever the tile's own markers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Color {
    /// 0 is black.
    Grey,
    /// 0 is white.
    GreyInverted,
    Rgb,
    YCbCr,
    /// Colours are independent of the alpha behind them.
    Rgba,
    /// Colours are already multiplied by the alpha behind them.
    RgbaPremultiplied,
}

/// Fraction bits of the fixed-point factors; libjpeg's choice, which keeps the result within its rounding.
const BITS: i32 = 16;

/// 1.402, 0.344136, 0.714136 and 1.772 with [`BITS`] fraction bits.
const FACTORS: [i32; 4] = [91_881, 22_554, 46_802, 116_130];

impl Color {
    /// Samples of a pixel.
    pub(crate) fn samples(self) -> usize {
        match self {
            Self::Grey | Self::GreyInverted => 1,
            Self::Rgb | Self::YCbCr => 3,
            Self::Rgba | Self::RgbaPremultiplied => 4,
        }
    }

    /// RGBA with straight alpha of one pixel's samples.
    pub(super) fn straight(self, pixel: &[u8]) -> [u8; 4] {
        match (self, pixel) {
            (Self::Grey, &[grey, ..]) => [grey, grey, grey, 255],
            (Self::GreyInverted, &[grey, ..]) => [255 - grey, 255 - grey, 255 - grey, 255],
            (Self::YCbCr, &[y, cb, cr, ..]) => {
                let mut rgb = [y, cb, cr];
                ycbcr_to_rgb(&mut rgb);
                [rgb[0], rgb[1], rgb[2], 255]
            }
            (Self::Rgb, &[red, green, blue, ..]) => [red, green, blue, 255],
            (Self::Rgba, &[red, green, blue, alpha, ..]) => [red, green, blue, alpha],
            (Self::RgbaPremultiplied, &[red, green, blue, alpha, ..]) => {
                let divide = |value| unmultiply(value, alpha);
                [divide(red), divide(green), divide(blue), alpha]
            }
            _ => [0; 4],
        }
    }

    /// RGB of one pixel's samples, laid on white.
    pub(crate) fn on_white(self, pixel: &[u8]) -> [u8; 3] {
        let [red, green, blue, alpha] = self.straight(pixel);
        [red, green, blue].map(|value| over_white(value, alpha))
    }
}

/// A straight sample laid on white.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// A straight sample from one that is multiplied by its alpha.
fn unmultiply(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    (value * 255 + alpha / 2).checked_div(alpha).unwrap_or(0).min(255) as u8
}

/// Converts one pixel in place.
pub(super) fn ycbcr_to_rgb(pixel: &mut [u8]) {
    let &mut [y, cb, cr] = pixel else { return };
    let half = 1 << (BITS - 1);
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((FACTORS[0] * cr + half) >> BITS);
    let green = y + ((half - FACTORS[1] * cb - FACTORS[2] * cr) >> BITS);
    let blue = y + ((FACTORS[3] * cb + half) >> BITS);
    for (sample, value) in pixel.iter_mut().zip([red, green, blue]) {
        *sample = value.clamp(0, 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        for (ycbcr, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([149, 43, 21], [0, 255, 0]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(Color::YCbCr.on_white(&ycbcr), rgb);
        }
        assert_eq!(Color::Grey.straight(&[9]), [9, 9, 9, 255]);
        assert_eq!(Color::GreyInverted.on_white(&[9]), [246; 3]);
    }

    #[test]
    fn what_is_not_opaque_is_laid_on_white() {
        assert_eq!(Color::Rgba.on_white(&[200, 100, 0, 128]), [227, 177, 127]);
        assert_eq!(Color::RgbaPremultiplied.on_white(&[100, 50, 0, 128]), [227, 177, 127]);
        assert_eq!(Color::RgbaPremultiplied.straight(&[100, 50, 0, 128]), [199, 100, 0, 128]);
        for color in [Color::Rgba, Color::RgbaPremultiplied] {
            assert_eq!(color.on_white(&[0, 0, 0, 0]), [255; 3]);
            assert_eq!(color.on_white(&[1, 2, 3, 255]), [1, 2, 3]);
        }
    }
}
