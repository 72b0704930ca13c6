//! Pixels and properties compared with OpenSlide 4.0.1.
//!
//! Inside a slide the JPEG decoders (libjpeg-turbo there) differ in rounding only: the standard leaves the last bit of the
//! inverse transform open. With subsampled chroma they also differ in how they interpolate it. Outside, OpenSlide is
//! transparent and a patch white.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fs::File;

use serde_json::Value;
use support::{open_file, read, slide_path};

/// Largest difference of a sample and largest mean difference of a region, in grey levels, by how tiles are coded.
const LOSSLESS: (u8, f64) = (0, 0.0);
const FULL_CHROMA: (u8, f64) = (1, 0.02);
const SUBSAMPLED: (u8, f64) = (8, 0.2);

fn goldens() -> Value {
    serde_json::from_reader(File::open(slide_path("goldens/goldens.json")).unwrap()).unwrap()
}

/// RGBA pixels of a golden.
fn png(name: &str) -> Vec<u8> {
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(File::open(slide_path(name)).unwrap())).read_info().unwrap();
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

async fn check_regions(name: &str, (max, max_mean): (u8, f64)) {
    let slide = open_file(name).await;
    for region in goldens()["slides"][name]["regions"].as_array().unwrap() {
        let number = |key: &str| region[key].as_i64().unwrap();
        if number("level") > 0 {
            continue;
        }
        let size = (number("w") as u32, number("h") as u32);
        let ours = read(&slide, number("level") as u32, size, &[(number("x"), number("y"))]).await;
        let file = region["png"].as_str().unwrap();
        let (largest, mean, differing) = compare(&ours, &png(file));
        println!("{file}: largest {largest}, mean {mean:.5}, {differing} of {} samples", ours.len());
        assert!(largest <= max, "{file}: largest difference {largest}");
        assert!(mean <= max_mean, "{file}: mean difference {mean}");
    }
}

#[tokio::test]
async fn jpeg_pixels() {
    check_regions("CMU-1-Small-Region.svs", FULL_CHROMA).await;
    check_regions("tiled-jpeg-rgb-u8.tif", FULL_CHROMA).await;
    check_regions("quad-tile.jpg.tiff", SUBSAMPLED).await;
}

#[tokio::test]
async fn jpeg_2000_pixels() {
    check_regions("tcga-cr-7395-01a-01-ts1.svs", FULL_CHROMA).await;
}

#[tokio::test]
async fn lzw_pixels_in_grey() {
    check_regions("tiff_with_subifd_chain.tif", LOSSLESS).await;
}

#[tokio::test]
async fn properties_are_openslides() {
    for name in ["CMU-1-Small-Region.svs", "tiled-jpeg-rgb-u8.tif"] {
        let slide = open_file(name).await;
        let golden = &goldens()["slides"][name];
        for (key, value) in golden["properties"].as_object().unwrap() {
            // Associated images are not read, and the hash costs a whole level.
            if key.starts_with("openslide.associated") || key == "openslide.quickhash-1" {
                continue;
            }
            assert_eq!(slide.info().properties.get(key).map(String::as_str), value.as_str(), "{name}: {key}");
        }
        assert_eq!(golden["vendor"], slide.info().format);
    }
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
    let url = microtome_slide::SlideUrl::parse(slide_path("tiled-jpeg-ycbcr.tif").to_str().unwrap()).unwrap();
    let stores = microtome_slide::Stores::from_env();
    let error = microtome_slide::Slide::open(&stores, &url, &microtome_slide::Limits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {url}: first TIFF directory is not tiled (IFD 0, byte 8)"));
    assert_eq!(error.category(), "NotASlide");
}
