//! Pixels and properties compared with OpenSlide 4.0.1.
//!
//! Inside a slide JPEG is equal byte for byte (libjpeg-turbo there); JPEG 2000 differs in rounding. Outside, OpenSlide is
//! transparent and a patch white.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{fs::File, path::PathBuf};

use microtome_slide::{Background, Limits, Mode, RegionRequest, Scale, Slide, SlideUrl, Stores};
use serde_json::Value;
use support::{open_file, read, slide_path};

/// Largest difference of a sample and largest mean difference of a region, in grey levels, by how tiles are coded.
const EQUAL: (u8, f64) = (0, 0.0);
const ROUNDED: (u8, f64) = (1, 0.02);

/// The project's slides, or more of them from a folder of the same shape, for what may not be redistributed.
fn slides() -> PathBuf {
    std::env::var_os("MICROTOME_GOLDENS").map_or_else(|| slide_path(""), PathBuf::from)
}

fn goldens() -> Value {
    serde_json::from_reader(File::open(slides().join("goldens/goldens.json")).unwrap()).unwrap()
}

/// RGBA pixels of a golden.
fn png(name: &str) -> Vec<u8> {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(File::open(slides().join(name)).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Rgba);
    pixels.truncate(frame.buffer_size());
    pixels
}

/// Largest and mean difference inside; fails unless everything outside is white.
fn compare(ours: &[u8], golden: &[u8]) -> (u8, f64, usize) {
    let (mut largest, mut sum, mut samples, mut differing) = (0, 0u64, 0u64, 0);
    assert_eq!(ours.len() / 3, golden.len() / 4);
    for (ours, golden) in ours.chunks_exact(3).zip(golden.chunks_exact(4)) {
        if golden[3] == 0 {
            assert_eq!(ours, [255; 3], "outside is white");
            continue;
        }
        for (one, other) in ours.iter().zip(golden) {
            let difference = one.abs_diff(*other);
            largest = largest.max(difference);
            sum += u64::from(difference);
            differing += usize::from(difference > 0);
            samples += 1;
        }
    }
    (largest, sum as f64 / samples.max(1) as f64, differing)
}

/// Reads the regions of level 0 as patches, on white.
async fn check_regions(slide: &Slide, golden: &Value, (max, max_mean): (u8, f64)) {
    for region in golden["regions"].as_array().unwrap() {
        let number = |key: &str| region[key].as_i64().unwrap();
        if number("level") > 0 {
            continue;
        }
        let size = (number("w") as u32, number("h") as u32);
        let ours = read(slide, number("level") as u32, size, &[(number("x"), number("y"))]).await;
        let file = region["png"].as_str().unwrap();
        let (largest, mean, differing) = compare(&ours, &png(file));
        println!("{file}: largest {largest}, mean {mean:.5}, {differing} of {} samples", ours.len());
        assert!(largest <= max, "{file}: largest difference {largest}");
        assert!(mean <= max_mean, "{file}: mean difference {mean}");
    }
}

/// Largest difference at an origin between pixels: OpenSlide rounds each of the two passes and each tile.
const SUB_PIXEL: u8 = 2;

/// Reads the regions as OpenSlide does, on transparency.
async fn check_exact(slide: &Slide, golden: &Value, (max, max_mean): (u8, f64)) {
    for region in golden["regions"].as_array().unwrap() {
        let number = |key: &str| region[key].as_i64().unwrap();
        let request = RegionRequest {
            x: number("x"),
            y: number("y"),
            width: number("w") as u32,
            height: number("h") as u32,
            scale: Scale::Level(number("level") as u32),
            mode: Mode::Exact,
            background: Background::Transparent,
        };
        let ours = slide.read_region(&request).await.unwrap();
        let file = region["png"].as_str().unwrap();
        let golden = png(file);
        let pixels = || ours.chunks_exact(4).zip(golden.chunks_exact(4));
        let alpha = pixels().map(|(one, other)| one[3].abs_diff(other[3])).max().unwrap();
        let opaque = pixels().filter(|(one, other)| one[3] == 255 && other[3] == 255);
        let samples = opaque.flat_map(|(one, other)| (0..3).map(|sample| one[sample].abs_diff(other[sample])));
        let differences: Vec<u8> = samples.collect();
        let largest = differences.iter().copied().max().unwrap_or(0);
        let mean = differences.iter().map(|value| f64::from(*value)).sum::<f64>() / differences.len().max(1) as f64;
        println!("{file} exact: largest {largest}, mean {mean:.5}, alpha {alpha}");
        let between = number("level") > 0;
        let (max, max_mean) = if between { (max.max(SUB_PIXEL), max_mean.max(1.0)) } else { (max, max_mean) };
        assert!(largest <= max && mean <= max_mean, "{file}: largest {largest}, mean {mean}");
        assert!(alpha <= if between { SUB_PIXEL } else { 0 }, "{file}: alpha {alpha}");
    }
}

async fn check_facts(slide: &Slide, name: &str, golden: &Value) {
    for (key, value) in golden["properties"].as_object().unwrap() {
        if key == "openslide.quickhash-1" {
            assert_eq!(slide.quickhash().await.unwrap().as_deref(), value.as_str(), "{name}: {key}");
        } else {
            assert_eq!(slide.info().properties.get(key).map(String::as_str), value.as_str(), "{name}: {key}");
        }
    }
    assert_eq!(golden["vendor"], slide.info().format);
    let associated = golden["associated"].as_object().unwrap();
    assert_eq!(slide.associated_names().count(), associated.len());
    for (name, size) in associated {
        let image = slide.read_associated(name).await.unwrap();
        assert_eq!(*size, serde_json::json!([image.width, image.height]));
        assert_eq!(image.pixels.len(), image.width as usize * image.height as usize * 3);
    }
}

#[tokio::test]
async fn every_golden() {
    let stores = Stores::from_env();
    let mut checked = 0;
    for (name, golden) in goldens()["slides"].as_object().unwrap() {
        if golden["vendor"] == "dicom" {
            continue;
        }
        let url = SlideUrl::parse(slides().join(name).to_str().unwrap()).unwrap();
        let slide = Slide::open(&stores, &url, &Limits::default()).await.unwrap();
        let tolerance = match slide.info().levels[0].compression.as_str() {
            "jpeg2000" => ROUNDED,
            _ => EQUAL,
        };
        check_regions(&slide, golden, tolerance).await;
        check_exact(&slide, golden, tolerance).await;
        check_facts(&slide, name, golden).await;
        checked += 1;
    }
    assert!(checked >= 5);
}

#[tokio::test]
async fn what_a_slide_says_about_itself() {
    let slide = open_file("CMU-1-Small-Region.svs").await;
    let mut info = serde_json::to_value(slide.info()).unwrap();
    let properties = info.as_object_mut().unwrap().remove("properties").unwrap();
    assert_eq!(properties["aperio.MPP"], "0.4990");
    assert_eq!(
        info,
        serde_json::json!({
            "format": "aperio", "width": 2220, "height": 2967, "mpp_x": 0.499, "mpp_y": 0.499,
            "levels": [{
                "width": 2220, "height": 2967, "downsample": 1.0,
                "tile_width": 240, "tile_height": 240, "compression": "jpeg",
            }],
        })
    );
}

#[tokio::test]
async fn strips_are_no_slide() {
    let url = SlideUrl::parse(slide_path("tiled-jpeg-ycbcr.tif").to_str().unwrap()).unwrap();
    let error = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap_err();
    let said = format!("cannot read {url}: first TIFF directory is in strips, not in tiles (IFD 0, byte 8)");
    assert_eq!(error.to_string(), said);
    assert_eq!(error.category(), "NotASlide");
}
