//! What a slide says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A slide's format, size, resolution, levels and properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlideInfo {
    /// OpenSlide's vendor name, `aperio` or `generic-tiff`, or `ome-tiff`, which it has none for.
    pub format: String,
    /// Width of level 0 in pixels.
    pub width: u32,
    /// Height of level 0 in pixels.
    pub height: u32,
    /// Micrometres per level-0 pixel along x; `None` if the file does not say.
    pub mpp_x: Option<f64>,
    /// Micrometres per level-0 pixel along y; `None` if the file does not say.
    pub mpp_y: Option<f64>,
    /// The pyramid, full resolution first.
    pub levels: Vec<LevelInfo>,
    /// Properties under OpenSlide's names (`openslide.*`, `aperio.*`, `tiff.*`). They may hold patient data.
    pub properties: BTreeMap<String, String>,
}

/// One level of a slide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelInfo {
    /// Width in pixels of this level.
    pub width: u32,
    /// Height in pixels of this level.
    pub height: u32,
    /// Level-0 pixels per pixel of this level: the mean of the ratios of widths and heights, as OpenSlide defines it.
    pub downsample: f64,
    /// Width of a tile in pixels.
    pub tile_width: u32,
    /// Height of a tile in pixels.
    pub tile_height: u32,
    /// How tiles are coded: `none`, `lzw`, `jpeg`, `deflate`, `jpeg2000` or `zstd`.
    pub compression: String,
}
