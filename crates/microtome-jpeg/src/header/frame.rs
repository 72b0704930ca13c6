//! The frame: size and sampling.

use super::segments::Segment;
use crate::Error;

/// A component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Blocks across and down in a minimum coded unit (MCU): 1 or 2 each.
    pub(crate) across: u32,
    pub(crate) down: u32,
    pub(crate) quantization: u8,
}

/// Size and sampling of a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1, or 3 of which only the first may have more than one block in an MCU.
    pub(crate) components: Vec<Component>,
}

impl Frame {
    pub(super) fn parse(segment: Segment<'_>) -> Result<Self, Error> {
        let &[precision, y1, y0, x1, x0, count, ref rest @ ..] = segment.body else {
            return Err(segment.error("a frame too short"));
        };
        let (width, height) = (u32::from(u16::from_be_bytes([x1, x0])), u32::from(u16::from_be_bytes([y1, y0])));
        if precision != 8 {
            return Err(Error::Unsupported("other than 8 bits a sample"));
        }
        if height == 0 {
            return Err(Error::Unsupported("a height that follows the scan"));
        }
        if width == 0 {
            return Err(segment.error("a frame without columns"));
        }
        if !matches!(count, 1 | 3) {
            return Err(Error::Unsupported("other than 1 or 3 components"));
        }
        if rest.len() != usize::from(count) * 3 {
            return Err(segment.error("a frame of wrong length"));
        }
        let mut components: Vec<Component> = rest.as_chunks().0.iter().map(component).collect();
        check_sampling(&mut components).map_err(|what| what.unwrap_or_else(|| segment.error("a sampling of 0")))?;
        Ok(Self { width, height, components })
    }

    /// Minimum coded units a row, and rows of them.
    pub(crate) fn mcus(&self) -> (u32, u32) {
        let (across, down) = self.sampling();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }

    /// Blocks of the first component in an MCU, across and down.
    pub(crate) fn sampling(&self) -> (u32, u32) {
        self.components.first().map_or((1, 1), |first| (first.across, first.down))
    }
}

fn component(&[id, sampling, quantization]: &[u8; 3]) -> Component {
    Component { id, across: u32::from(sampling >> 4), down: u32::from(sampling & 15), quantization }
}

/// Refuses samplings that are not read; nothing as the error says that they are wrong.
fn check_sampling(components: &mut [Component]) -> Result<(), Option<Error>> {
    if components.iter().any(|one| one.across == 0 || one.down == 0 || one.quantization > 3) {
        return Err(None);
    }
    match components {
        // The only component of a scan has one block in an MCU, whatever its sampling says (A.2.2).
        [only] => (only.across, only.down) = (1, 1),
        [first, others @ ..] => {
            let read = first.across <= 2 && first.down <= 2 && others.iter().all(|c| (c.across, c.down) == (1, 1));
            if !read {
                return Err(Some(Error::Unsupported("this sampling")));
            }
        }
        [] => return Err(None),
    }
    Ok(())
}
