//! Associated images: label, macro and thumbnail. They may show the patient's name, so nothing reads them unasked.

use std::sync::Arc;

use crate::{
    Background, Error, Slide,
    formats::Level,
    read::{Layout, ReadPlan, read_one},
};

/// Pixels of an associated image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociatedImage {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `height · width · 3` bytes: RGB, u8.
    pub pixels: Vec<u8>,
}

pub(crate) async fn read(slide: &Slide, directory: u32) -> Result<AssociatedImage, Error> {
    let tiff = slide.walk_again().await?;
    let found = tiff.directories().iter().find(|found| found.number == directory);
    // Only a blob whose store has no ETags can have changed unnoticed.
    let found = found.ok_or_else(|| Error::Changed {
        url: slide.url().clone(),
        pinned: slide.etag().unwrap_or("none").to_owned(),
        found: "of a file without that image".to_owned(),
    })?;
    let level = Level::read_strips(&tiff, found).map_err(|fault| Error::slide(slide.url(), fault))?;
    let (width, height) = (level.width, level.height);
    let format = Background::White.format();
    let layout = Layout { width, height, origins: vec![(0, 0)], format };
    let plan = ReadPlan::lay(slide, &Arc::new(level), &layout, crate::GAP_SCAN_BYTES)?;
    let pixels = read_one(slide, &plan).await?;
    Ok(AssociatedImage { width, height, pixels })
}
