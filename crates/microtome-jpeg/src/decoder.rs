//! The decoder: buffers and tables of one thread, and the order of the steps.

use crate::{
    Error, Header, Index, Kernels, block,
    geometry::Geometry,
    header::ComponentTables,
    huffman::{Cache, Slot, Tables},
    index::Entry,
    paint::{Lines, Painting},
    planes::Planes,
    region::{ColorTransform, Region, Target},
    scan::{Plan, Unit, Walk},
    transform::{Output, Rooms},
    unstuff::Unstuffed,
};

/// Bytes of tables kept for later tiles: those of some ten levels in their large form.
const TABLE_BYTES: usize = 1 << 20;

/// What is wanted of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The part of the tile.
    pub region: Region,
    /// What its components are.
    pub transform: ColorTransform,
}

/// Decodes regions of tiles. Keeps its buffers and the tables of the last tiles, found by their content, so a thread should
/// keep its decoder; the buffers are of the size of the largest region and of the largest tile's bytes.
#[derive(Debug)]
pub struct Decoder {
    kernels: Kernels,
    tables: Cache,
    data: Unstuffed,
    rooms: Rooms,
    planes: Planes,
    lines: Lines,
    quantization: Vec<[i16; 64]>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Kernels::best(), TABLE_BYTES)
    }
}

impl Decoder {
    /// A decoder that keeps at most so many bytes of tables beside those of the tile at hand.
    pub fn new(kernels: Kernels, table_bytes: usize) -> Self {
        Self {
            kernels,
            tables: Cache::new(table_bytes),
            data: Unstuffed::default(),
            rooms: Rooms::default(),
            planes: Planes::default(),
            lines: Lines::default(),
            quantization: Vec::new(),
        }
    }

    /// Decodes a region into the target: exactly the crop of the whole tile. After an error the target's pixels are undefined.
    ///
    /// Of the entropy data only what leads to the region is looked at, so a tile that is damaged behind it is no error.
    /// `index` is used and grown, if there is one.
    pub fn decode_region(
        &mut self,
        header: &Header<'_>,
        request: Request,
        target: Target<'_>,
        index: Option<&mut Index>,
    ) -> Result<(), Error> {
        let Request { region, transform } = request;
        self.decode_regions(header, transform, &mut [(region, target)], index)
    }

    /// Decodes several regions of a tile, each into a target of its own, as [`Decoder::decode_region`] does one: the data are
    /// walked once, as far as the smallest region needs that holds all, and each target's pixels are written once.
    pub fn decode_regions(
        &mut self,
        header: &Header<'_>,
        transform: ColorTransform,
        targets: &mut [(Region, Target<'_>)],
        mut index: Option<&mut Index>,
    ) -> Result<(), Error> {
        for (region, target) in &*targets {
            region.check(header.width(), header.height())?;
            target.check(*region)?;
        }
        let Some(all) = targets.iter().map(|(region, _)| *region).reduce(Region::union) else { return Ok(()) };
        let geometry = Geometry::new(&header.frame, all);
        if let Some(index) = index.as_deref_mut() {
            let (across, down) = header.mcus();
            index.claim(header.data.len(), across.saturating_mul(down));
        }
        let start = self.load(header, &geometry, index.as_deref());
        let (places, large) = self.prepare_tables(header, geometry.skips());
        let walk = WalkOf { geometry: &geometry, places: &places, start, restart_interval: header.restart_interval };
        if large {
            self.read(walk, |slot| slot.large.as_ref(), index)?;
        } else {
            self.read(walk, |slot| slot.small.as_ref(), index)?;
        }
        self.planes.extend_edges();
        for (region, target) in targets {
            let (kernels, planes, region) = (&self.kernels, &self.planes, *region);
            Painting { kernels, geometry: &geometry, planes, region, transform }.paint(target, &mut self.lines);
        }
        Ok(())
    }

    /// Unstuffs the data that may be walked, and says where they start.
    fn load(&mut self, header: &Header<'_>, geometry: &Geometry, index: Option<&Index>) -> (u32, Entry) {
        let [columns, rows] = geometry.mcus;
        let mcu = |row: u32, column: u32| row * geometry.mcus_across + column;
        let raw = |entry: Entry| entry.bit as usize / 8 + usize::from(entry.left_out);
        let start = index.and_then(|index| index.before(mcu(rows.first, columns.first))).unwrap_or_default();
        // A byte that is cut, and one that is left out behind it.
        let end = index.and_then(|index| index.after(mcu(rows.last, columns.last))).map(|entry| raw(entry) + 2);
        let end = end.unwrap_or(usize::MAX).min(header.data.len());
        self.data.fill(header.data.get(raw(start.1)..end).unwrap_or_default(), header.restart_interval > 0);
        start
    }

    /// Finds and builds the tables, and says where each component's are and whether they are the large ones.
    fn prepare_tables(&mut self, header: &Header<'_>, skips: bool) -> (Vec<[usize; 2]>, bool) {
        self.tables.start_tile();
        let find = |component: &ComponentTables<'_>| [component.dc, component.ac].map(|spec| self.tables.find(spec));
        let places: Vec<[usize; 2]> = header.components.iter().map(find).collect();
        let large = places.iter().all(|[_, ac]| self.tables.is_shared(*ac));
        for [dc, ac] in &places {
            self.tables.build_differences(*dc);
            self.tables.build_coefficients(*ac, large, skips);
        }
        self.quantization.clear();
        for component in &header.components {
            let mut factors = [0; 64];
            for (at, factor) in component.quantization.values().enumerate() {
                factors[block::place(at)] = factor as i16;
            }
            self.quantization.push(factors);
        }
        (places, large)
    }

    /// Reads the region's blocks into the planes, with tables of one size.
    fn read<const ENTRIES: usize, const SKIPS: usize>(
        &mut self,
        walk: WalkOf<'_>,
        tables: fn(&Slot) -> Option<&Tables<ENTRIES, SKIPS>>,
        index: Option<&mut Index>,
    ) -> Result<(), Error> {
        let WalkOf { geometry, places, start, restart_interval } = walk;
        let mut units = Vec::with_capacity(6);
        for (component, (needs, [dc, ac])) in geometry.components.iter().zip(places).enumerate() {
            let (dc, ac) = (&self.tables.slot(*dc).differences, tables(self.tables.slot(*ac)));
            let (Some(dc), Some(ac)) = (dc, ac) else { continue };
            let [across, down] = needs.blocks;
            let blocks = (0..down).flat_map(|row| (0..across).map(move |column| [column, row]));
            units.extend(blocks.map(|at| Unit { component, at, dc, ac }));
        }
        self.planes.prepare(geometry);
        let (planes, samples) = self.planes.parts();
        let plan = Plan { geometry, units: &units, restart_interval, data: &self.data, start };
        let mut output = Output { inverse: self.kernels.inverse, quantization: &self.quantization, planes, samples };
        self.rooms.clear();
        Walk::new(&plan, index).run(&mut self.rooms, &mut output)
    }
}

/// What a walk is given beside the decoder's own.
#[derive(Debug, Clone, Copy)]
struct WalkOf<'a> {
    geometry: &'a Geometry,
    /// Of each component's tables.
    places: &'a [[usize; 2]],
    start: (u32, Entry),
    restart_interval: u32,
}
