//! Quantization and Huffman tables as they are written, and which component uses which.

use super::{
    ComponentTables,
    frame::Frame,
    segments::{Segment, marker},
};
use crate::Error;

/// A quantization table: 64 values in zigzag order, of 8 or 16 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantization<'a> {
    bytes: &'a [u8],
}

impl Quantization<'_> {
    /// The values in zigzag order.
    pub(crate) fn values(&self) -> impl Iterator<Item = u16> {
        let wide = self.bytes.len() == 128;
        (0..64).map(move |at| {
            let value = |at: usize| u16::from(self.bytes.get(at).copied().unwrap_or_default());
            if wide { value(2 * at) << 8 | value(2 * at + 1) } else { value(at) }
        })
    }
}

/// A Huffman table: how many codes there are of 1 to 16 bits, then their symbols. Its codes fit: checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HuffmanSpec<'a> {
    /// 16 counts and as many symbols as they sum to, at most 256.
    pub(crate) bytes: &'a [u8],
}

/// Tables by number, newest definition first come.
#[derive(Debug, Default)]
pub(super) struct TableSet<'a> {
    quantization: [Option<Quantization<'a>>; 4],
    dc: [Option<HuffmanSpec<'a>>; 4],
    ac: [Option<HuffmanSpec<'a>>; 4],
}

/// The high and the low four bits of a byte.
fn halves(byte: u8) -> (usize, usize) {
    (usize::from(byte >> 4), usize::from(byte & 15))
}

impl<'a> TableSet<'a> {
    /// Takes up a segment of tables, passes over application data and comments, refuses the rest.
    pub(super) fn read(&mut self, segment: Segment<'a>) -> Result<(), Error> {
        match segment.marker {
            marker::DQT => self.read_quantization(segment),
            marker::DHT => self.read_huffman(segment),
            marker::DAC => Err(Error::Unsupported("arithmetic coding")),
            marker::DNL => Err(Error::Unsupported("a height that follows the scan")),
            0xe0..=0xef | 0xfe => Ok(()),
            0xc2 | 0xca => Err(Error::Unsupported("progressive coding")),
            _ => Err(Error::Unsupported("this coding process")),
        }
    }

    fn read_quantization(&mut self, segment: Segment<'a>) -> Result<(), Error> {
        let mut rest = segment.body;
        while let Some((first, body)) = rest.split_first() {
            let (wide, number) = halves(*first);
            let slot = self.quantization.get_mut(number).filter(|_| wide <= 1);
            let slot = slot.ok_or(segment.error("a quantization table of unknown kind"))?;
            let (bytes, after) =
                body.split_at_checked(64 << wide).ok_or(segment.error("a quantization table too short"))?;
            *slot = Some(Quantization { bytes });
            rest = after;
        }
        Ok(())
    }

    fn read_huffman(&mut self, segment: Segment<'a>) -> Result<(), Error> {
        let mut rest = segment.body;
        while let Some((first, body)) = rest.split_first() {
            let (class, number) = halves(*first);
            let slots = if class == 0 { &mut self.dc } else { &mut self.ac };
            let slot = slots.get_mut(number).filter(|_| class <= 1);
            let slot = slot.ok_or(segment.error("a Huffman table of unknown kind"))?;
            let counts = body.first_chunk::<16>().ok_or(segment.error("a Huffman table too short"))?;
            let symbols: usize = counts.iter().copied().map(usize::from).sum();
            let (bytes, after) =
                body.split_at_checked(16 + symbols).ok_or(segment.error("a Huffman table too short"))?;
            if symbols > 256 || !codes_fit(counts) {
                return Err(segment.error("a Huffman table with more codes than there are"));
            }
            if class == 0 && bytes.iter().skip(16).any(|size| *size > 15) {
                return Err(segment.error("a DC difference of more than 15 bits"));
            }
            *slot = Some(HuffmanSpec { bytes });
            rest = after;
        }
        Ok(())
    }

    /// The tables of each of the frame's components, by the scan's header.
    pub(super) fn resolve(&self, frame: &Frame, scan: Segment<'a>) -> Result<Vec<ComponentTables<'a>>, Error> {
        let (&count, rest) = scan.body.split_first().ok_or(scan.error("a scan's header too short"))?;
        let count = usize::from(count);
        let (selectors, tail) = rest.split_at_checked(2 * count).ok_or(scan.error("a scan's header too short"))?;
        if count != frame.components.len() {
            return Err(Error::Unsupported("several scans"));
        }
        if tail != [0, 63, 0] {
            return Err(Error::Unsupported("a scan of part of the coefficients"));
        }
        let pairs = frame.components.iter().zip(selectors.as_chunks().0);
        pairs
            .map(|(component, selector)| {
                let &[id, tables] = selector;
                if id != component.id {
                    return Err(Error::Unsupported("components in another order than its frame's"));
                }
                let (dc, ac) = halves(tables);
                let missing = scan.error("a scan with a table that is nowhere");
                Ok(ComponentTables {
                    quantization: self
                        .quantization
                        .get(usize::from(component.quantization))
                        .copied()
                        .flatten()
                        .ok_or(missing)?,
                    dc: self.dc.get(dc).copied().flatten().ok_or(missing)?,
                    ac: self.ac.get(ac).copied().flatten().ok_or(missing)?,
                })
            })
            .collect()
    }
}

/// Whether the codes of 1 to 16 bits that these counts ask for exist.
fn codes_fit(counts: &[u8; 16]) -> bool {
    let free = counts.iter().try_fold(1_u32, |free, count| (2 * free).checked_sub(u32::from(*count)));
    free.is_some()
}
