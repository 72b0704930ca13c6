//! YCbCr to RGB as JFIF defines it (ITU-R BT.601, full range).

/// Fraction bits of the fixed-point factors; libjpeg's choice, which keeps the result within its rounding.
const BITS: i32 = 16;

/// 1.402, 0.344136, 0.714136 and 1.772 with [`BITS`] fraction bits.
const FACTORS: [i32; 4] = [91_881, 22_554, 46_802, 116_130];

/// Converts interleaved pixels in place.
pub(super) fn ycbcr_to_rgb(pixels: &mut [u8]) {
    let half = 1 << (BITS - 1);
    for pixel in pixels.chunks_exact_mut(3) {
        let (y, cb, cr) = (i32::from(pixel[0]), i32::from(pixel[1]) - 128, i32::from(pixel[2]) - 128);
        let red = y + ((FACTORS[0] * cr + half) >> BITS);
        let green = y + ((half - FACTORS[1] * cb - FACTORS[2] * cr) >> BITS);
        let blue = y + ((FACTORS[3] * cb + half) >> BITS);
        for (sample, value) in pixel.iter_mut().zip([red, green, blue]) {
            *sample = value.clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours() {
        let mut pixels = [0, 128, 128, 255, 128, 128, 76, 85, 255, 149, 43, 21, 29, 255, 107];
        ycbcr_to_rgb(&mut pixels);
        assert_eq!(pixels, [0, 0, 0, 255, 255, 255, 254, 0, 0, 0, 255, 0, 0, 0, 254]);
    }
}
