//! Writes sound tiles of arbitrary coefficients: an encoder for tests, and no transform.

/// Most that zune-jpeg's samples may differ: its upsampling and conversion round otherwise.
pub(crate) const TOLERANCE: u8 = 8;

/// What a tile is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Blocks of luma across and down in an MCU; nothing for grey.
    pub(crate) sampling: Option<(u32, u32)>,
    /// MCUs between restart markers, or 0.
    pub(crate) restart_interval: u16,
    /// The quantization's step.
    pub(crate) step: u8,
}

/// Codes of 1 to 16 bits: as many as in T.81's tables K.3 and K.5, which leaves every length used.
const DC_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const AC_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];

fn dc_symbols() -> Vec<u8> {
    (0..12).collect()
}

/// The end of block, then runs and sizes, the smallest first.
fn ac_symbols() -> Vec<u8> {
    let mut symbols: Vec<u8> =
        (0..16).flat_map(|run| (1..=10).map(move |size| run << 4 | size)).chain([0, 0xf0]).collect();
    symbols.sort_by_key(|symbol| (*symbol != 0, (symbol >> 4) + (symbol & 15)));
    symbols
}

/// Bits and length of each symbol's code.
fn codes(counts: [u8; 16], symbols: &[u8]) -> Vec<(u8, u32, u32)> {
    let (mut code, mut found, mut rest) = (0, Vec::new(), symbols.iter());
    for (length, count) in (1..).zip(counts) {
        for symbol in rest.by_ref().take(usize::from(count)) {
            found.push((*symbol, code, length));
            code += 1;
        }
        code <<= 1;
    }
    found
}

/// Entropy data in the making.
#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Data {
    fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
    }

    fn symbol(&mut self, codes: &[(u8, u32, u32)], symbol: u8, value: i32) {
        let (_, bits, count) = codes.iter().find(|code| code.0 == symbol).copied().unwrap();
        self.put(bits, count);
        let size = u32::from(symbol & 15);
        let extra = if value < 0 { value + (1 << size) - 1 } else { value };
        self.put(extra as u32 & ((1 << size) - 1), size);
    }

    /// Fills the last byte with ones.
    fn align(&mut self) {
        let missing = (8 - self.count % 8) % 8;
        self.put((1 << missing) - 1, missing);
    }
}

fn size(value: i32) -> u8 {
    (32 - value.unsigned_abs().leading_zeros()) as u8
}

fn block(data: &mut Data, previous: &mut i32, random: &mut impl Iterator<Item = u8>) {
    let (dc, ac) = (codes(DC_COUNTS, &dc_symbols()), codes(AC_COUNTS, &ac_symbols()));
    let mut next = || i32::from(random.next().unwrap_or_default());
    let difference = (next() - 128).clamp(-60 - *previous, 60 - *previous);
    *previous += difference;
    data.symbol(&dc, size(difference), difference);
    // Mostly few coefficients, mostly small ones.
    let mut due = 1;
    let end = if next() % 4 == 0 { 63 } else { next() % 20 };
    while due <= end {
        let run = [0, 0, 0, 1, 2, 5, 17, 34][(next() % 8) as usize];
        let value = [1, -1, 1, -1, 2, -3, 7, -12, 40][(next() % 9) as usize];
        if due + run > 63 {
            break;
        }
        (0..run / 16).for_each(|_| data.symbol(&ac, 0xf0, 0));
        data.symbol(&ac, ((run % 16) << 4) as u8 | size(value), value);
        due += run + 1;
    }
    if due < 64 {
        data.symbol(&ac, 0, 0);
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// A tile with its tables; what its coefficients are is drawn.
pub(crate) fn encode(shape: Shape, random: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let (across, down) = shape.sampling.unwrap_or((1, 1));
    let components = if shape.sampling.is_some() { 3 } else { 1 };
    let mut tile = vec![0xff, 0xd8];
    tile.extend(segment(0xdb, &[&[0][..], &[shape.step; 64]].concat()));
    tile.extend(segment(0xc4, &[&[0][..], &DC_COUNTS, &dc_symbols()].concat()));
    tile.extend(segment(0xc4, &[&[0x10][..], &AC_COUNTS, &ac_symbols()].concat()));
    let [height, width] = [shape.height, shape.width].map(|size| (size as u16).to_be_bytes());
    let mut frame = [&[8][..], &height, &width, &[components]].concat();
    let mut scan = vec![components];
    for component in 1..=components {
        let sampling = if component == 1 { (across << 4 | down) as u8 } else { 0x11 };
        frame.extend([component, sampling, 0]);
        scan.extend([component, 0]);
    }
    tile.extend(segment(0xc0, &frame));
    if shape.restart_interval > 0 {
        tile.extend(segment(0xdd, &shape.restart_interval.to_be_bytes()));
    }
    tile.extend(segment(0xda, &[&scan[..], &[0, 63, 0]].concat()));
    let (mut data, mut previous) = (Data::default(), [0; 3]);
    let mcus = shape.width.div_ceil(8 * across) * shape.height.div_ceil(8 * down);
    for mcu in 0..mcus {
        if mcu > 0 && mcu.checked_rem(u32::from(shape.restart_interval)) == Some(0) {
            data.align();
            let number = mcu / u32::from(shape.restart_interval) - 1;
            data.bytes.extend([0xff, 0xd0 | (number % 8) as u8]);
            previous = [0; 3];
        }
        for (component, previous) in previous.iter_mut().enumerate().take(usize::from(components)) {
            let blocks = if component == 0 { across * down } else { 1 };
            (0..blocks).for_each(|_| block(&mut data, previous, random));
        }
    }
    data.align();
    tile.extend(data.bytes);
    tile.extend([0xff, 0xd9]);
    tile
}
