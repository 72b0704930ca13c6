//! Everything before the entropy data, parsed and checked once.
//!
//! May look at the bytes of the tile and of its tables' stream and at nothing else; builds no tables. What is odd rather than
//! wrong is refused as unsupported: a decoder that has seen more of the world decides then.

mod frame;
mod segments;
mod tables;

pub(crate) use frame::Frame;
pub(crate) use tables::{HuffmanSpec, Quantization};

use crate::Error;
use segments::{Segment, Segments, marker};
use tables::TableSet;

/// A tile's headers. Borrows the tile and the tables' stream.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    pub(crate) frame: Frame,
    pub(crate) components: Vec<ComponentTables<'a>>,
    /// MCUs between two restart markers; 0: there are none.
    pub(crate) restart_interval: u32,
    length: usize,
    /// Entropy data with all that follows.
    pub(crate) data: &'a [u8],
}

/// The tables that a component is coded with.
#[derive(Debug, Clone)]
pub(crate) struct ComponentTables<'a> {
    pub(crate) quantization: Quantization<'a>,
    pub(crate) dc: HuffmanSpec<'a>,
    pub(crate) ac: HuffmanSpec<'a>,
}

impl<'a> Header<'a> {
    /// Parses a tile's headers. `tables` is a stream of tables alone (TIFF's JPEGTables) or empty; the tile's own tables
    /// replace those of the same number.
    pub fn parse(tile: &'a [u8], tables: &'a [u8]) -> Result<Self, Error> {
        let mut set = TableSet::default();
        if !tables.is_empty() {
            read_tables(tables, &mut set)?;
        }
        let mut segments = Segments::start(tile)?;
        let (mut frame, mut restart_interval) = (None, 0);
        loop {
            let segment = segments.next()?.ok_or(Error::Truncated)?;
            match segment.marker {
                marker::SOF0 | marker::SOF1 if frame.is_none() => frame = Some(Frame::parse(segment)?),
                marker::SOF0 | marker::SOF1 => return Err(segment.error("a second frame")),
                marker::DRI => restart_interval = parse_restart_interval(segment)?,
                marker::SOS => {
                    let frame = frame.ok_or(segment.error("a scan before the frame"))?;
                    let components = set.resolve(&frame, segment)?;
                    let data = segments.rest();
                    return Ok(Self { frame, components, restart_interval, length: tile.len() - data.len(), data });
                }
                marker::EOI => return Err(segment.error("no scan")),
                _ => set.read(segment)?,
            }
        }
    }

    /// Columns of the tile.
    pub fn width(&self) -> u32 {
        self.frame.width
    }

    /// Rows of the tile.
    pub fn height(&self) -> u32 {
        self.frame.height
    }

    /// Components: 1 (grey) or 3.
    pub fn components(&self) -> usize {
        self.components.len()
    }

    /// Bytes of the tile before its entropy data.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Minimum coded units a row, and rows of them.
    pub fn mcus(&self) -> (u32, u32) {
        self.frame.mcus()
    }
}

/// Reads a stream that must hold nothing but tables.
fn read_tables<'a>(tables: &'a [u8], set: &mut TableSet<'a>) -> Result<(), Error> {
    let mut segments = Segments::start(tables)?;
    while let Some(segment) = segments.next()? {
        match segment.marker {
            marker::EOI => break,
            marker::SOF0 | marker::SOF1 | marker::SOS | marker::DRI => {
                return Err(Error::Unsupported("more than tables in its tables' stream"));
            }
            _ => set.read(segment)?,
        }
    }
    Ok(())
}

fn parse_restart_interval(segment: Segment<'_>) -> Result<u32, Error> {
    match *segment.body {
        [high, low] => Ok(u32::from(u16::from_be_bytes([high, low]))),
        _ => Err(segment.error("a restart interval of wrong length")),
    }
}
