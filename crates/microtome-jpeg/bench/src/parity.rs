//! Random regions of every sampling against libjpeg-turbo's whole tile, byte for byte.

use microtome_jpeg::{ColorTransform, Decoder, Header, Index, Kernels, PixelFormat, Region, Request, Target};

use crate::{
    random::Random,
    tissue::Tissue,
    turbo::{self, Encoding, SAMPLINGS},
};

const TILES: usize = 250;
const REGIONS: usize = 40;

pub(crate) fn run(tissue: &Tissue) {
    let mut random = Random(1);
    let mut turbo = turbo::Decoder::new();
    for (name, sampling) in SAMPLINGS {
        for kernels in Kernels::all() {
            let mut decoder = Decoder::new(kernels, 1 << 20);
            let (mut differing, mut regions, mut bytes) = (0, 0, 0_u64);
            for tile in 0..TILES {
                let small = tile % 5 == 0;
                let size = |random: &mut Random| 1 + random.below(if small { 20 } else { 300 });
                let (width, height) = (size(&mut random), size(&mut random));
                let rgb =
                    tissue.cut(random.below(tissue.width - width), random.below(tissue.height - height), width, height);
                let jpeg = turbo::encode(
                    &rgb,
                    width,
                    Encoding {
                        sampling,
                        quality: [30, 75, 90, 100][random.below(4)],
                        optimize: random.below(2) == 0,
                        restart: [0, 0, 1, 7][random.below(4)],
                    },
                );
                let mut whole = vec![0; rgb.len()];
                turbo.whole(&jpeg, &mut whole);
                let header = Header::parse(&jpeg, &[]).expect("a header");
                let mut index = Index::new(1 + random.below(9) as u32, 1 << 14);
                for _ in 0..REGIONS {
                    let (w, h) = (1 + random.below(width), 1 + random.below(height));
                    let (x, y) = (random.below(width - w + 1), random.below(height - h + 1));
                    let mut pixels = vec![0; w * h * 3];
                    let region = Region { x: x as u32, y: y as u32, width: w as u32, height: h as u32 };
                    let request = Request { region, transform: ColorTransform::YCbCr };
                    let target = Target { pixels: &mut pixels, stride: w * 3, format: PixelFormat::Rgb };
                    let index = Some(&mut index).filter(|_| random.below(2) == 0);
                    decoder.decode_region(&header, request, target, index).expect("a region");
                    let rows = whole.chunks_exact(width * 3).skip(y).map(|row| &row[x * 3..(x + w) * 3]);
                    let same = pixels.chunks_exact(w * 3).zip(rows).all(|(one, other)| one == other);
                    regions += 1;
                    bytes += pixels.len() as u64;
                    differing += u32::from(!same);
                }
            }
            println!("{name} {}: {differing} of {regions} regions differ ({} MB)", kernels.name(), bytes / 1_000_000);
        }
    }
}
