//! Antialiased change of a picture's scale; pure.
//!
//! A triangle filter as wide as an output pixel, but never narrower than two input pixels: bilinear where the scale does
//! not shrink. Colours are weighted by their alpha, so that what is transparent gives none.

/// RGBA pixels with straight alpha.
pub(super) struct Picture<'a> {
    pub(super) pixels: &'a [u8],
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A stretch of one axis of the input, in its pixels, that becomes `length` output pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) length: u32,
}

/// Input pixels that one output pixel is made of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Span {
    /// The input pixels that the span's output is made of; may reach beyond the input.
    pub(super) fn reach(&self) -> (i64, i64) {
        let support = self.scale().max(1.0);
        // The casts saturate.
        ((self.start - support).floor() as i64, (self.end + support).ceil() as i64)
    }

    fn scale(&self) -> f64 {
        (self.end - self.start) / f64::from(self.length.max(1))
    }

    fn taps(&self, input: u32) -> Vec<Taps> {
        let scale = self.scale();
        let support = scale.max(1.0);
        let taps = |at: u32| {
            let center = self.start + (f64::from(at) + 0.5) * scale;
            let clip = |value: f64| value.clamp(0.0, f64::from(input)) as usize;
            let (first, end) = (clip((center - support).floor()), clip((center + support).ceil()));
            let weight = |pixel: usize| (1.0 - ((pixel as f64 + 0.5 - center) / support).abs()).max(0.0);
            let sum: f64 = (first..end).map(weight).sum();
            let weights = (first..end).map(|pixel| if sum > 0.0 { (weight(pixel) / sum) as f32 } else { 0.0 });
            Taps { first, weights: weights.collect() }
        };
        (0..self.length).map(taps).collect()
    }
}

/// The part of a picture under two spans, `across.length` × `down.length` pixels: RGBA with straight alpha.
pub(super) fn resample(picture: &Picture<'_>, across: Span, down: Span) -> Vec<u8> {
    let stride = picture.width as usize * 4;
    let columns = across.taps(picture.width);
    let width = columns.len();
    let rows = picture.pixels.chunks_exact(stride.max(4)).take(picture.height as usize);
    let squeezed: Vec<[f32; 4]> = rows.flat_map(|row| columns.iter().map(|taps| horizontal(row, taps))).collect();
    let mut out = Vec::with_capacity(width * down.length as usize * 4);
    for taps in down.taps(picture.height) {
        for column in 0..width {
            let mut sum = [0.0; 4];
            for (row, weight) in (taps.first..).zip(&taps.weights) {
                let pixel = squeezed[row * width + column];
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value * weight);
            }
            out.extend_from_slice(&straight(sum));
        }
    }
    out
}

/// One output pixel of a row: premultiplied.
fn horizontal(row: &[u8], taps: &Taps) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (pixel, weight) in row.chunks_exact(4).skip(taps.first).zip(&taps.weights) {
        let weight = weight * f32::from(pixel[3]);
        for (sum, value) in sum.iter_mut().zip(&pixel[..3]) {
            *sum += weight * f32::from(*value) / 255.0;
        }
        sum[3] += weight;
    }
    sum
}

/// Straight 8-bit RGBA of a premultiplied pixel in grey levels.
pub(super) fn straight([red, green, blue, alpha]: [f32; 4]) -> [u8; 4] {
    // Less than half a step of 8 bits is nothing.
    if alpha < 0.5 {
        return [0; 4];
    }
    let divide = |value: f32| (value * 255.0 / alpha).round().clamp(0.0, 255.0) as u8;
    [divide(red), divide(green), divide(blue), alpha.round().clamp(0.0, 255.0) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: f64, end: f64, length: u32) -> Span {
        Span { start, end, length }
    }

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|value| [*value, *value, *value, 255]).collect()
    }

    #[test]
    fn scale_one_changes_nothing() {
        let pixels: Vec<u8> = (0..5 * 4 * 4_u32).map(|at| if at % 4 == 3 { 255 } else { at as u8 * 3 }).collect();
        let picture = Picture { pixels: &pixels, width: 5, height: 4 };
        assert_eq!(resample(&picture, span(0.0, 5.0, 5), span(0.0, 4.0, 4)), pixels);
    }

    #[test]
    fn shrinking_is_a_weighted_mean_and_keeps_flat_colours() {
        let pixels = grey(&[100; 64]);
        let picture = Picture { pixels: &pixels, width: 8, height: 8 };
        assert_eq!(resample(&picture, span(0.0, 8.0, 3), span(0.5, 7.0, 2)), grey(&[100; 6]));
        let stripes = grey(&[0, 200, 0, 200, 0, 200, 0, 200]);
        let picture = Picture { pixels: &stripes, width: 8, height: 1 };
        // Output pixels in the middle see as much of each stripe.
        assert_eq!(resample(&picture, span(2.0, 6.0, 1), span(0.0, 1.0, 1)), grey(&[100]));
    }

    #[test]
    fn what_is_transparent_gives_no_colour() {
        let pixels = [200, 100, 0, 255, 9, 9, 9, 0];
        let picture = Picture { pixels: &pixels, width: 2, height: 1 };
        assert_eq!(resample(&picture, span(0.0, 2.0, 1), span(0.0, 1.0, 1)), [200, 100, 0, 128]);
    }

    #[test]
    fn a_span_reaches_as_far_as_its_filter() {
        assert_eq!(span(10.0, 20.0, 10).reach(), (9, 21));
        assert_eq!(span(10.5, 30.5, 5).reach(), (6, 35));
    }
}
