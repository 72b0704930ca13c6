//! All kernels against the portable ones, on input that no encoder makes too; and those against plain statements.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Coefficients as they are, and as hostile as 16 bits allow.
fn coefficients() -> impl Strategy<Value = Vec<i16>> {
    prop_oneof![vec(-60_i16..60, 64), vec(any::<i16>(), 64), vec(prop_oneof![Just(i16::MIN), Just(i16::MAX)], 64)]
}

fn array(values: &[i16]) -> [i16; 64] {
    values.try_into().unwrap()
}

proptest! {
    #[test]
    fn transforms_agree(blocks in [coefficients(), coefficients()], factors in [coefficients(), coefficients()], corner: bool, jobs_used in 1_usize..3) {
        let filled = if corner { Filled::Corner } else { Filled::Whole };
        let mut results = Vec::new();
        for kernels in Kernels::all() {
            let mut coefficients = blocks.each_ref().map(|block| array(block));
            if corner {
                let outside = |at: usize| at % 8 > 3 || at > 31;
                coefficients.iter_mut().flat_map(|block| block.iter_mut().enumerate()).for_each(|(at, value)| {
                    if outside(at) { *value = 0; }
                });
            }
            let factors = factors.each_ref().map(|block| array(block));
            let mut samples = vec![7; 8 * 30];
            let jobs = [Job { room: 0, component: 0, start: 3 }, Job { room: 64, component: 1, start: 15 }];
            let planes = [Plane::of_stride(30); 2];
            let all = coefficients.as_flattened_mut();
            let batch = Batch { jobs: &jobs[..jobs_used], coefficients: all, quantization: &factors, planes: &planes };
            (kernels.inverse)(batch, filled, &mut samples);
            prop_assert!(coefficients[..jobs_used].as_flattened().iter().all(|value| *value == 0));
            results.push((kernels.name(), samples));
        }
        for (name, samples) in &results {
            prop_assert!(*samples == results.last().unwrap().1, "{name}");
        }
    }

    #[test]
    fn upsampling_agrees(near in vec(any::<u8>(), 90), far in vec(any::<u8>(), 90), count in 1_usize..70, bias in 1_u8..3) {
        let portable = Kernels::portable();
        for kernels in Kernels::all() {
            let run = |kernels: &Kernels| {
                let mut out = [(); 3].map(|()| vec![0; 160]);
                (kernels.across)(&near, &mut out[0], count);
                (kernels.both)(&near, &far, &mut out[1], count);
                (kernels.down)(&near, &far, bias, &mut out[2][..count]);
                out.iter_mut().for_each(|out| out.truncate(2 * count));
                out
            };
            prop_assert_eq!(run(&kernels), run(&portable), "{}", kernels.name());
        }
    }

    #[test]
    fn conversion_agrees_and_stays_in_its_row(rows in [vec(any::<u8>(), 128), vec(any::<u8>(), 128), vec(any::<u8>(), 128)], width in 1_usize..97) {
        for transform in [ColorTransform::None, ColorTransform::YCbCr] {
            for format in [PixelFormat::Rgb, PixelFormat::Rgba] {
                let run = |kernels: &Kernels| {
                    let mut out = vec![9; width * format.bytes() + 40];
                    let rows = [&rows[0][..], &rows[1], &rows[2]];
                    kernels.convert(transform, format)(rows[0], rows[1], rows[2], &mut out[..width * format.bytes()]);
                    out
                };
                for kernels in Kernels::all() {
                    prop_assert_eq!(run(&kernels), run(&Kernels::portable()), "{}", kernels.name());
                }
            }
        }
    }
}

/// All 65,536 pairs of chroma: the vector arithmetic rounds as the portable one.
#[test]
fn every_chroma_converts_alike() {
    let second: Vec<u8> = (0..=255).collect();
    for kernels in Kernels::all() {
        for luma in [0, 100, 255] {
            for third in 0..=255_u8 {
                let run = |kernels: &Kernels| {
                    let mut out = vec![0; 256 * 3];
                    let rows = [&[luma; 256][..], &second, &[third; 256]];
                    kernels.convert(ColorTransform::YCbCr, PixelFormat::Rgb)(rows[0], rows[1], rows[2], &mut out);
                    out
                };
                assert_eq!(run(&kernels), run(&Kernels::portable()), "{}", kernels.name());
            }
        }
    }
}

/// The transform's definition (T.81, A.3.3) in floating point: the fixed-point one is at most one off.
#[test]
fn the_transform_is_the_inverse_cosine_transform() {
    let mut coefficients = [0; 64];
    for (at, value) in [(0, 300), (1, -70), (9, 45), (16, 33), (27, -21), (63, 12), (56, -9)] {
        coefficients[at] = value;
    }
    let cosine = |sample: usize, wave: usize| {
        let scale = if wave == 0 { 0.5_f64.sqrt() } else { 1.0 };
        scale * ((2 * sample + 1) as f64 * wave as f64 * std::f64::consts::PI / 16.0).cos()
    };
    let expected = |x: usize, y: usize| {
        let terms = (0..64).map(|at| f64::from(coefficients[at]) * cosine(x, at % 8) * cosine(y, at / 8));
        (terms.sum::<f64>() / 4.0 + 128.0).clamp(0.0, 255.0)
    };
    for kernels in Kernels::all() {
        let (mut coefficients, mut samples) = ([coefficients; 2], [0; 128]);
        let jobs = [Job { room: 0, component: 0, start: 0 }, Job { room: 64, component: 0, start: 8 }];
        let planes = [Plane::of_stride(16)];
        let coefficients = coefficients.as_flattened_mut();
        let batch = Batch { jobs: &jobs, coefficients, quantization: &[[1; 64]], planes: &planes };
        (kernels.inverse)(batch, Filled::Whole, &mut samples);
        for (at, sample) in samples.into_iter().enumerate() {
            let difference = f64::from(sample) - expected(at % 8, at / 16);
            assert!(difference.abs() <= 1.0, "{}: {difference} at {at}", kernels.name());
        }
    }
}
