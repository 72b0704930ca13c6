//! Pixels as PNG files, which appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Whether pixels have a fourth byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpha {
    /// RGB.
    Without,
    /// RGBA; colours are not multiplied by it.
    Straight,
}

/// A picture: RGB or RGBA, one byte each, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What a pixel is.
    pub alpha: Alpha,
    /// `width · height` times 3 or 4 bytes.
    pub pixels: Vec<u8>,
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be written", path.display())]
pub struct PngError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Picture {
    /// Writes a PNG file, its directory too.
    pub fn write(&self, path: &Path) -> Result<(), PngError> {
        self.try_write(path).map_err(|source| PngError { path: path.to_owned(), source })
    }

    fn try_write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let unfinished = path.with_extension("png.part");
        let mut file = BufWriter::new(File::create(&unfinished)?);
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(match self.alpha {
            Alpha::Without => png::ColorType::Rgb,
            Alpha::Straight => png::ColorType::Rgba,
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&self.pixels)?;
        file.flush()?;
        fs::rename(unfinished, path)
    }
}
