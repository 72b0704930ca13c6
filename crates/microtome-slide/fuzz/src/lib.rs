//! What the fuzz targets share: a slide in memory, read through the public interface.
//!
//! A codec is reached by a file of one tile made around the input, so that the targets need nothing that users have not.

use std::sync::{Arc, Once};

use microtome_slide::{Background, Limits, Mode, PatchRequest, RegionRequest, Scale, Slide, SlideUrl, Stores};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

/// Crates whose panics are no finding: the reader turns them into a fault of the tile, and tests hold it to that.
const DECODERS: [&str; 5] = ["zune-jpeg", "hayro-jpeg2000", "ruzstd", "weezl", "miniz_oxide"];

/// Takes the place of the fuzzer's panic hook, which would end at panics that are caught.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let file = panic.location().map_or("", |location| location.file());
            if !DECODERS.iter().any(|decoder| file.contains(decoder)) {
                eprintln!("{panic}");
                std::process::abort();
            }
        }));
    });
}

/// Limits under which an input cannot be slow only because it may be large.
fn limits() -> Limits {
    let small = Limits { tile_pixels: 1 << 18, patch_bytes: 4 << 20, decode_pixels: 1 << 21, ..Limits::default() };
    Limits { tiles: 1 << 16, open_bytes: 4 << 20, ..small }
}

/// Opens bytes as a slide and reads something of all that is in it.
pub fn read_all(bytes: Vec<u8>) {
    watch_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
    runtime.block_on(read(bytes));
}

async fn read(bytes: Vec<u8>) {
    let store = InMemory::new();
    store.put(&Path::from("x"), bytes.into()).await.expect("memory takes everything");
    let url = SlideUrl::parse("az://slides/x").expect("a URL");
    let Ok(slide) = Slide::open(&Stores::single(Arc::new(store)), &url, &limits()).await else { return };
    for (number, level) in (0..4).zip(&slide.info().levels) {
        let far = (i64::from(slide.info().width) - 9, i64::from(slide.info().height) - 9);
        let patch = |scale| PatchRequest { scale, width: 24, height: 24, origins: vec![(0, 0), (-5, 7), far], gap_bytes: 64 };
        for scale in [Scale::Level(number), Scale::Downsample(level.downsample * 1.4)] {
            if let Ok(patches) = slide.read_patches(&patch(scale)).await {
                assert_eq!(patches.pixels.len(), 3 * 24 * 24 * 3);
            }
        }
        let (scale, mode, background) = (Scale::Level(number), Mode::Exact, Background::Transparent);
        let region = RegionRequest { x: 3, y: -2, width: 20, height: 20, scale, mode, background };
        if let Ok(pixels) = slide.read_region(&region).await {
            assert_eq!(pixels.len(), 20 * 20 * 4);
        }
    }
    for name in slide.associated_names() {
        let _ = slide.read_associated(name).await;
    }
    let _ = slide.quickhash().await;
}

/// Decodes a tile. The first byte of the input chooses its samples, the next two its size; with `tables` the two after those
/// say how many bytes come first as `JPEGTables`.
pub fn read_tile(compression: u16, input: &[u8], tables: bool) {
    let [kind, width, height, rest @ ..] = input else { return };
    let (tables, tile) = match rest {
        [low, high, rest @ ..] if tables => rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len())),
        rest => (&[][..], rest),
    };
    // Photometric interpretation, samples, predictor.
    let (photometric, samples) = [(2, 3), (6, 3), (1, 1), (0, 1), (2, 4)][usize::from(kind & 7) % 5];
    let predictor = u32::from(kind >> 3 & 1) + 1;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    let entries = 12;
    let data = 8 + 2 + entries * 12 + 4;
    let tile_at = data + tables.len() as u32;
    file.extend((entries as u16).to_le_bytes());
    for (tag, kind, count, value) in [
        (256, 4, 1, u32::from(*width)),
        (257, 4, 1, u32::from(*height)),
        (258, 3, 1, 8),
        (259, 3, 1, u32::from(compression)),
        (262, 3, 1, photometric),
        (277, 3, 1, samples),
        (317, 3, 1, predictor),
        (322, 4, 1, u32::from(*width)),
        (323, 4, 1, u32::from(*height)),
        (324, 4, 1, tile_at),
        (325, 4, 1, tile.len() as u32),
        (347, 7, tables.len() as u32, data),
    ] {
        file.extend(u16::to_le_bytes(tag));
        file.extend(u16::to_le_bytes(kind));
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file.extend(tables);
    file.extend(tile);
    // A finding as the slide that it is part of.
    if let Some(path) = std::env::var_os("SAVE_AS") {
        std::fs::write(path, &file).expect("SAVE_AS can be written");
    }
    read_all(file);
}
