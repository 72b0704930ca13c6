//! A writer of TIFF files: classic and BigTIFF, both byte orders, each directory behind its own data, as Aperio's lie.

/// Container of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub big_endian: bool,
    pub big_tiff: bool,
}

pub const CLASSIC: Kind = Kind { big_endian: false, big_tiff: false };

/// Values of an entry.
#[derive(Debug, Clone)]
pub enum Value {
    Short(Vec<u16>),
    Long(Vec<u32>),
    Long8(Vec<u64>),
    /// Numerator and denominator.
    Rational(u32, u32),
    Text(String),
    Bytes(Vec<u8>),
}

pub struct Writer {
    kind: Kind,
    pub out: Vec<u8>,
    /// Where the offset of the next directory goes.
    link: usize,
    /// How far from the end the last directory's link lies.
    behind: usize,
}

impl Writer {
    pub fn new(kind: Kind) -> Self {
        let mut writer = Self { kind, out: Vec::new(), link: 0, behind: 0 };
        writer.out.extend(if kind.big_endian { b"MM" } else { b"II" });
        writer.int(if kind.big_tiff { 43 } else { 42 }, 2);
        if kind.big_tiff {
            writer.int(8, 2);
            writer.int(0, 2);
        }
        writer.link = writer.out.len();
        writer.int(0, writer.offset_bytes());
        writer
    }

    fn offset_bytes(&self) -> usize {
        if self.kind.big_tiff { 8 } else { 4 }
    }

    fn spell(&self, value: u64, bytes: usize) -> Vec<u8> {
        if self.kind.big_endian {
            value.to_be_bytes()[8 - bytes..].to_vec()
        } else {
            value.to_le_bytes()[..bytes].to_vec()
        }
    }

    fn int(&mut self, value: u64, bytes: usize) {
        let spelt = self.spell(value, bytes);
        self.out.extend(spelt);
    }

    fn patch(&mut self, at: usize, value: u64, bytes: usize) {
        let spelt = self.spell(value, bytes);
        self.out[at..at + bytes].copy_from_slice(&spelt);
    }

    /// Appends data; returns where it lies.
    pub fn data(&mut self, bytes: &[u8]) -> u64 {
        let at = self.out.len() as u64;
        self.out.extend(bytes);
        at
    }

    fn encode(&self, value: &Value) -> (u64, u64, Vec<u8>) {
        match value {
            Value::Short(values) => (3, values.len() as u64, self.all(values.iter().map(|v| u64::from(*v)), 2)),
            Value::Long(values) => (4, values.len() as u64, self.all(values.iter().map(|v| u64::from(*v)), 4)),
            Value::Long8(values) => (16, values.len() as u64, self.all(values.iter().copied(), 8)),
            Value::Rational(one, other) => (5, 1, self.all([*one, *other].map(u64::from).into_iter(), 4)),
            Value::Text(text) => (2, text.len() as u64 + 1, [text.as_bytes(), b"\0"].concat()),
            Value::Bytes(bytes) => (7, bytes.len() as u64, bytes.clone()),
        }
    }

    fn all(&self, values: impl Iterator<Item = u64>, bytes: usize) -> Vec<u8> {
        values.flat_map(|value| self.spell(value, bytes)).collect()
    }

    /// Appends a directory with its values directly behind it, and links it.
    pub fn directory(&mut self, entries: &[(u16, Value)]) {
        let link = self.link;
        let offset = self.sub_directory(entries);
        self.link = self.out.len() - self.behind;
        self.patch(link, offset, self.offset_bytes());
    }

    /// Appends a directory that no other links to; returns where it lies.
    pub fn sub_directory(&mut self, entries: &[(u16, Value)]) -> u64 {
        self.out.resize(self.out.len().next_multiple_of(2), 0);
        let offset = self.out.len();
        let (count, entry) = if self.kind.big_tiff { (8, 20) } else { (2, 12) };
        let mut values = Vec::new();
        let base = offset + count + entries.len() * entry + self.offset_bytes();
        self.int(entries.len() as u64, count);
        for (tag, value) in entries {
            let (code, number, mut bytes) = self.encode(value);
            self.int(u64::from(*tag), 2);
            self.int(code, 2);
            self.int(number, self.offset_bytes());
            if bytes.len() <= self.offset_bytes() {
                bytes.resize(self.offset_bytes(), 0);
                self.out.extend(bytes);
            } else {
                self.int((base + values.len()) as u64, self.offset_bytes());
                values.extend(bytes);
            }
        }
        self.behind = values.len() + self.offset_bytes();
        self.int(0, self.offset_bytes());
        self.out.extend(values);
        offset as u64
    }
}

/// A level to write.
#[derive(Debug, Clone)]
pub struct Level {
    pub size: (u32, u32),
    pub tile: (u32, u32),
    pub compression: u16,
    pub photometric: u16,
    /// Samples of a pixel, and what the fourth is.
    pub samples: u16,
    pub extra: Option<u16>,
    pub bits: u16,
    pub predictor: u16,
    pub tables: Vec<u8>,
    pub description: String,
}

/// An Aperio level of uncompressed RGB.
pub fn raw_level(size: (u32, u32), tile: (u32, u32)) -> Level {
    let description = "Aperio Image Library v1\r\nx|AppMag = 20|MPP = 0.4990".to_owned();
    let (compression, photometric, samples, bits, predictor) = (1, 2, 3, 8, 1);
    let (extra, tables) = (None, Vec::new());
    Level { size, tile, compression, photometric, samples, extra, bits, predictor, tables, description }
}

impl Level {
    pub fn tiles(&self) -> usize {
        (self.size.0.div_ceil(self.tile.0) * self.size.1.div_ceil(self.tile.1)) as usize
    }

    /// The entries of a directory for tiles that lie at the given offsets with the given lengths.
    pub fn entries(&self, reduced: bool, offsets: Vec<u64>, counts: Vec<u32>, kind: Kind) -> Vec<(u16, Value)> {
        let offsets = if kind.big_tiff {
            Value::Long8(offsets)
        } else {
            Value::Long(offsets.into_iter().map(|offset| offset as u32).collect())
        };
        let mut entries = vec![
            (254, Value::Long(vec![u32::from(reduced)])),
            (256, Value::Long(vec![self.size.0])),
            (257, Value::Long(vec![self.size.1])),
            (258, Value::Short(vec![self.bits; usize::from(self.samples)])),
            (259, Value::Short(vec![self.compression])),
            (262, Value::Short(vec![self.photometric])),
            (270, Value::Text(self.description.clone())),
            (277, Value::Short(vec![self.samples])),
            (322, Value::Long(vec![self.tile.0])),
            (323, Value::Long(vec![self.tile.1])),
            (324, offsets),
            (325, Value::Long(counts)),
        ];
        if self.predictor != 1 {
            entries.push((317, Value::Short(vec![self.predictor])));
        }
        entries.extend(self.extra.map(|extra| (338, Value::Short(vec![extra]))));
        if !self.tables.is_empty() {
            entries.push((347, Value::Bytes(self.tables.clone())));
        }
        entries
    }

    /// Writes the tiles, then their directory.
    pub fn write(&self, writer: &mut Writer, reduced: bool, tile: impl Fn(usize) -> Vec<u8>) {
        let entries = self.write_tiles(writer, reduced, tile);
        writer.directory(&entries);
    }

    /// Writes the tiles; returns the entries of their directory.
    pub fn write_tiles(
        &self,
        writer: &mut Writer,
        reduced: bool,
        tile: impl Fn(usize) -> Vec<u8>,
    ) -> Vec<(u16, Value)> {
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for number in 0..self.tiles() {
            let bytes = tile(number);
            counts.push(bytes.len() as u32);
            offsets.push(writer.data(&bytes));
        }
        self.entries(reduced, offsets, counts, writer.kind)
    }
}

/// The pixel that test slides have at a place of a level: tells every place and level from its neighbours.
pub fn pixel(level: u32, x: u32, y: u32) -> [u8; 3] {
    [(x ^ (y >> 3)) as u8, (y.wrapping_mul(7) ^ x) as u8, (level * 50 + (x >> 8) + (y >> 8)) as u8]
}

/// A tile of such pixels; beyond the level's edge it goes on, which readers must not show.
pub fn raw_tile(level: u32, layout: &Level, number: usize) -> Vec<u8> {
    let across = layout.size.0.div_ceil(layout.tile.0);
    let (column, row) = (number as u32 % across, number as u32 / across);
    let places = (0..layout.tile.1).flat_map(|y| (0..layout.tile.0).map(move |x| (x, y)));
    places.flat_map(|(x, y)| pixel(level, column * layout.tile.0 + x, row * layout.tile.1 + y)).collect()
}

/// An Aperio slide of uncompressed tiles.
pub fn raw_slide(kind: Kind, levels: &[Level]) -> Vec<u8> {
    let mut writer = Writer::new(kind);
    for (number, level) in levels.iter().enumerate() {
        level.write(&mut writer, number > 0, |tile| raw_tile(number as u32, level, tile));
    }
    writer.out
}

/// Bytes of one 240-px JPEG tile of an Aperio slide at quality 30.
const TILE_BYTES: usize = 9_700;

/// An Aperio layout of 156 MB: level 0 of 30,000 px, thumbnail, two more levels, label, macro. No test reads its tiles.
pub fn large_aperio() -> Vec<u8> {
    let mut writer = Writer::new(CLASSIC);
    let level = |edge: u32| Level { compression: 7, ..raw_level((edge, edge), (240, 240)) };
    let tile = |_| vec![0; TILE_BYTES];
    level(30_000).write(&mut writer, false, tile);
    associated(&mut writer, 80_000);
    level(7_500).write(&mut writer, true, tile);
    level(1_875).write(&mut writer, true, tile);
    associated(&mut writer, 60_000);
    associated(&mut writer, 200_000);
    writer.out
}

/// An image in one strip of so many bytes.
pub fn associated(writer: &mut Writer, bytes: usize) {
    let at = writer.data(&vec![0; bytes]);
    writer.directory(&[
        (256, Value::Long(vec![1000])),
        (257, Value::Long(vec![800])),
        (259, Value::Short(vec![7])),
        (273, Value::Long(vec![at as u32])),
        (279, Value::Long(vec![bytes as u32])),
    ]);
}
