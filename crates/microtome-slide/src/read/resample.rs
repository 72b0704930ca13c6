//! Antialiased change of a picture's scale; pure.
//!
//! A triangle filter as wide as an output pixel, but never narrower than two input pixels: bilinear where the scale does
//! not shrink. Colours are weighted by their alpha, so that what is transparent gives none.

use crate::codec::PixelFormat;

/// A stretch of one axis of the input, in its pixels, that becomes `length` output pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) length: u32,
}

/// Input pixels that one output pixel is made of.
#[derive(Debug)]
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

    /// The span in pixels that are counted from `first`.
    pub(super) fn from(self, first: i64) -> Self {
        Self { start: self.start - first as f64, end: self.end - first as f64, ..self }
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

/// Makes pictures of one size from pictures of another, all by the same two spans. Rows are squeezed first, so that no more
/// than one row of intermediate sums is held.
#[derive(Debug)]
pub(super) struct Resampler {
    format: PixelFormat,
    /// Samples of one row of the input.
    stride: usize,
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

impl Resampler {
    /// For inputs of `(width, height)` pixels, and the spans across and down of them that become the output.
    pub(super) fn new((width, height): (u32, u32), format: PixelFormat, (across, down): (Span, Span)) -> Self {
        let stride = width as usize * format.bytes();
        Self { format, stride, columns: across.taps(width), rows: down.taps(height) }
    }

    /// The picture under the spans.
    pub(super) fn picture(&self, input: &[u8]) -> Vec<u8> {
        let mut picture = vec![0; self.columns.len() * self.rows.len() * self.format.bytes()];
        self.run(input, &mut picture);
        picture
    }

    /// Writes the picture under the spans, rows top to bottom.
    pub(super) fn run(&self, input: &[u8], output: &mut [u8]) {
        match self.format {
            PixelFormat::Rgb => self.run_as::<3>(input, output, (add_plain, round)),
            PixelFormat::Rgba => self.run_as::<4>(input, output, (add_premultiplied, straight)),
        }
    }

    /// For pixels of `N` samples, which `add` adds to a row of sums and `make` makes of a sum.
    fn run_as<const N: usize>(&self, input: &[u8], output: &mut [u8], (add, make): (Add, Make<N>)) {
        let mut sums = vec![0.0; self.stride];
        for (taps, target) in self.rows.iter().zip(output.chunks_exact_mut((self.columns.len() * N).max(1))) {
            sums.fill(0.0);
            let rows = input.chunks_exact(self.stride.max(1)).skip(taps.first);
            rows.zip(&taps.weights).for_each(|(row, weight)| add(row, *weight, &mut sums));
            let (pixels, _) = sums.as_chunks::<N>();
            for (taps, target) in self.columns.iter().zip(target.chunks_exact_mut(N)) {
                let mut sum = [0.0; N];
                for (pixel, weight) in pixels[taps.first..].iter().zip(&taps.weights) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value * weight);
                }
                target.copy_from_slice(&make(sum));
            }
        }
    }
}

/// Adds a weighted row of samples to a row of sums.
type Add = fn(&[u8], f32, &mut [f32]);

/// Makes a pixel of a sum.
type Make<const N: usize> = fn([f32; N]) -> [u8; N];

fn add_plain(row: &[u8], weight: f32, sums: &mut [f32]) {
    sums.iter_mut().zip(row).for_each(|(sum, sample)| *sum += weight * f32::from(*sample));
}

fn add_premultiplied(row: &[u8], weight: f32, sums: &mut [f32]) {
    for (sum, pixel) in sums.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
        let weight = weight * f32::from(pixel[3]);
        for (sum, value) in sum.iter_mut().zip(&pixel[..3]) {
            *sum += weight * f32::from(*value) / 255.0;
        }
        sum[3] += weight;
    }
}

fn round(pixel: [f32; 3]) -> [u8; 3] {
    // The cast truncates and saturates.
    pixel.map(|sample| (sample + 0.5) as u8)
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
    use crate::codec::Color;

    fn span(start: f64, end: f64, length: u32) -> Span {
        Span { start, end, length }
    }

    fn resample(pixels: &[u8], size: (u32, u32), across: Span, down: Span) -> Vec<u8> {
        Resampler::new(size, PixelFormat::Rgba, (across, down)).picture(pixels)
    }

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|value| [*value, *value, *value, 255]).collect()
    }

    #[test]
    fn scale_one_changes_nothing() {
        let pixels: Vec<u8> = (0..5 * 4 * 4_u32).map(|at| if at % 4 == 3 { 255 } else { at as u8 * 3 }).collect();
        assert_eq!(resample(&pixels, (5, 4), span(0.0, 5.0, 5), span(0.0, 4.0, 4)), pixels);
        let spans = (span(0.0, 5.0, 5), span(0.0, 4.0, 4));
        assert_eq!(Resampler::new((5, 4), PixelFormat::Rgb, spans).picture(&pixels[..60]), pixels[..60]);
    }

    #[test]
    fn shrinking_is_a_weighted_mean_and_keeps_flat_colours() {
        let pixels = grey(&[100; 64]);
        assert_eq!(resample(&pixels, (8, 8), span(0.0, 8.0, 3), span(0.5, 7.0, 2)), grey(&[100; 6]));
        let stripes = grey(&[0, 200, 0, 200, 0, 200, 0, 200]);
        // Output pixels in the middle see as much of each stripe.
        assert_eq!(resample(&stripes, (8, 1), span(2.0, 6.0, 1), span(0.0, 1.0, 1)), grey(&[100]));
    }

    #[test]
    fn what_is_transparent_gives_no_colour() {
        let pixels = [200, 100, 0, 255, 9, 9, 9, 0];
        assert_eq!(resample(&pixels, (2, 1), span(0.0, 2.0, 1), span(0.0, 1.0, 1)), [200, 100, 0, 128]);
    }

    #[test]
    fn on_white_rgb_is_what_rgba_laid_on_white_is() {
        let alphas = [0, 255, 128, 255, 0, 40, 255, 255];
        let rgba: Vec<u8> = (0..8_u8).flat_map(|at| [at * 30, 255 - at * 9, 7, alphas[usize::from(at)]]).collect();
        let white: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| Color::Rgba.on_white(pixel)).collect();
        let spans = (span(0.0, 8.0, 5), span(0.0, 1.0, 1));
        let expected = resample(&rgba, (8, 1), spans.0, spans.1);
        let expected = expected.chunks_exact(4).flat_map(|pixel| Color::Rgba.on_white(pixel));
        let found = Resampler::new((8, 1), PixelFormat::Rgb, spans).picture(&white);
        assert!(found.iter().zip(expected).all(|(one, other)| one.abs_diff(other) <= 2), "{found:?}");
    }

    #[test]
    fn a_span_reaches_as_far_as_its_filter() {
        assert_eq!(span(10.0, 20.0, 10).reach(), (9, 21));
        assert_eq!(span(10.5, 30.5, 5).reach(), (6, 35));
    }
}
