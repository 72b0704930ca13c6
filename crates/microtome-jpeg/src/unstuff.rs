//! Entropy data without the bytes that only keep them apart from markers.
//!
//! A 0xff in the data is followed by a 0, which goes; restart markers go too, and where they stood is kept. Any other marker
//! ends the data. Reading them then needs no look at single bytes.

/// Zero bytes behind the data, so that reading a little too far meets bytes: checks may be few then.
pub(crate) const PADDING: usize = 64;

/// Entropy data ready to be read; reused from tile to tile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unstuffed {
    /// The data, then [`PADDING`].
    bytes: Vec<u8>,
    length: usize,
    /// Data bytes before each byte that was left out.
    left_out: Vec<u32>,
    /// Data bytes before each restart marker, and its number (0 to 7).
    restarts: Vec<(u32, u8)>,
}

impl Unstuffed {
    /// Takes up new data: those of the raw ones up to the first marker, or the first that is no restart marker.
    pub(crate) fn fill(&mut self, raw: &[u8], restarts: bool) {
        self.left_out.clear();
        self.restarts.clear();
        self.bytes.resize((raw.len() + PADDING).max(self.bytes.len()), 0);
        // One byte of 256 is 0xff, where nothing is known.
        self.left_out.reserve(raw.len() / 128);
        let (mut from, mut to) = (0, 0);
        loop {
            let rest = &raw[from..];
            let plain = copy_plain(rest, &mut self.bytes[to..]);
            (from, to) = (from + plain, to + plain);
            let after = rest.get(plain..).unwrap_or_default();
            match *after {
                [0xff, 0, ..] => {
                    self.bytes[to] = 0xff;
                    (from, to) = (from + 2, to + 1);
                    self.left_out.push(to as u32);
                }
                // Any number of 0xff may precede a marker.
                [0xff, 0xff, ..] => {
                    from += 1;
                    self.left_out.push(to as u32);
                }
                [0xff, marker @ 0xd0..=0xd7, ..] if restarts => {
                    from += 2;
                    self.left_out.extend([to as u32; 2]);
                    self.restarts.push((to as u32, marker & 7));
                }
                _ => break,
            }
        }
        self.length = to;
        self.bytes[to..to + PADDING].fill(0);
    }

    /// The data with their padding.
    pub(crate) fn padded(&self) -> &[u8] {
        &self.bytes[..self.length + PADDING]
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity() + size_of_val(&self.left_out[..]) + size_of_val(&self.restarts[..])
    }

    /// Bytes of data.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Data bytes before each byte that was left out: never falls.
    pub(crate) fn left_out(&self) -> &[u32] {
        &self.left_out
    }

    /// Data bytes before each restart marker, and the marker's number.
    pub(crate) fn restarts(&self) -> &[(u32, u8)] {
        &self.restarts
    }
}

/// Copies up to the first 0xff, eight bytes at a time; says how many there were. Needs as much room as there is data, and may
/// write behind what it copied.
fn copy_plain(from: &[u8], to: &mut [u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut copied = 0;
    for (word, room) in from.as_chunks::<8>().0.iter().zip(to.as_chunks_mut::<8>().0) {
        *room = *word;
        // A byte of the complement is 0 where the word's is 0xff.
        let complement = !u64::from_le_bytes(*word);
        let zeros = complement.wrapping_sub(ONES) & !complement & (ONES << 7);
        if zeros != 0 {
            return copied + zeros.trailing_zeros() as usize / 8;
        }
        copied += 8;
    }
    for (byte, room) in from[copied..].iter().zip(&mut to[copied..]) {
        if *byte == 0xff {
            break;
        }
        *room = *byte;
        copied += 1;
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(raw: &[u8]) -> Unstuffed {
        let mut unstuffed = Unstuffed::default();
        // What an earlier tile left must not show.
        unstuffed.fill(&[7; 300], true);
        unstuffed.fill(raw, true);
        assert!(unstuffed.padded()[unstuffed.length()..].iter().all(|byte| *byte == 0));
        unstuffed
    }

    fn data(unstuffed: &Unstuffed) -> &[u8] {
        &unstuffed.padded()[..unstuffed.length()]
    }

    #[test]
    fn stuffing_goes_and_markers_end() {
        for plain in 0..20 {
            let mut raw: Vec<u8> = (0..plain).collect();
            let mut expected = raw.clone();
            raw.extend(b"\xff\x00\x01\xff\xff\xd3\x02\xff\x00\xff\xd9\x03");
            expected.extend(b"\xff\x01\x02\xff");
            let unstuffed = fill(&raw);
            assert_eq!(data(&unstuffed), expected);
            let start = u32::from(plain);
            assert_eq!(unstuffed.left_out(), [1, 2, 2, 2, 4].map(|at| start + at));
            assert_eq!(unstuffed.restarts(), [(start + 2, 3)]);
        }
    }

    #[test]
    fn data_may_just_end() {
        for raw in [&b""[..], b"\xff", b"\x01\x02", b"\xff\x00", b"123456789\xff"] {
            let expected: Vec<u8> = match raw {
                b"\xff\x00" => vec![0xff],
                raw => raw.iter().copied().filter(|byte| *byte != 0xff).collect(),
            };
            assert_eq!(data(&fill(raw)), expected);
        }
    }
}
