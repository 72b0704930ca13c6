//! The decoder: buffers and tables of one thread, and the order of the steps.

use std::sync::Arc;

use crate::{
    Error, Header, Index, Kernels, block,
    geometry::Geometry,
    header::ComponentTables,
    huffman::{Cache, Slot, Tables},
    index::Entry,
    paint::{Lines, Painting},
    planes::Planes,
    region::{ColorTransform, Region, Target},
    rest::Rest,
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
        let Some(all) = check(header, targets)? else { return Ok(()) };
        let geometry = Geometry::new(&header.frame, all);
        if let Some(index) = index.as_deref_mut() {
            let (across, down) = header.mcus();
            index.claim(header.data.len(), across.saturating_mul(down));
        }
        let [columns, rows] = geometry.mcus;
        let first = rows.first * geometry.mcus_across + columns.first;
        let start = index.as_deref().and_then(|index| index.before(first)).unwrap_or_default();
        self.load(header, &geometry, start.1, index.as_deref());
        self.planes.prepare(&geometry);
        let data = std::mem::take(&mut self.data);
        let walked = self.walk(header, &data, WalkOf { geometry: &geometry, start, due: None, index });
        self.data = data;
        walked?;
        self.paint(&geometry, transform, targets);
        Ok(())
    }

    /// As [`Decoder::decode_regions`], of a tile whose lower rows will be wanted later: returns what it takes to go on below
    /// the lowest region, and goes on from what an earlier call returned as `above`. Each row of the tile is walked once by all
    /// these calls together, over its whole width. `None` where nothing is left, or where it cannot be gone on.
    ///
    /// Regions must not begin above [`Rest::y`].
    pub fn decode_rows(
        &mut self,
        header: &Header<'_>,
        transform: ColorTransform,
        targets: &mut [(Region, Target<'_>)],
        above: Option<&Rest>,
    ) -> Result<Option<Rest>, Error> {
        let Some(wanted) = check(header, targets)? else { return Ok(None) };
        above.map_or(Ok(()), |above| above.check(header, wanted))?;
        let extended = Rest::extend(header, wanted);
        let geometry = Geometry::new(&header.frame, extended.unwrap_or(wanted));
        self.planes.prepare(&geometry);
        let (data, start) = match above {
            Some(above) => {
                above.restore(header, &mut self.planes);
                above.data()
            }
            None => {
                self.load(header, &geometry, Entry::default(), None);
                (Arc::new(std::mem::take(&mut self.data)), Default::default())
            }
        };
        let walk = WalkOf { geometry: &geometry, start, due: above.map(Rest::due), index: None };
        let end = self.walk(header, &data, walk)?;
        let next = geometry.mcus[1].last + 1;
        let left = end.filter(|_| extended.is_some()).map(|entry| {
            let y = wanted.y + wanted.height;
            Rest::new(header, y, (next, entry), (Arc::clone(&data), start), &self.planes)
        });
        // What nobody goes on with is room for the next tile's.
        self.data = Arc::into_inner(data).unwrap_or_default();
        self.paint(&geometry, transform, targets);
        Ok(left)
    }

    fn paint(&mut self, geometry: &Geometry, transform: ColorTransform, targets: &mut [(Region, Target<'_>)]) {
        self.planes.extend_edges();
        let (kernels, planes) = (&self.kernels, &self.planes);
        Painting { kernels, geometry, planes, transform }.paint(targets, &mut self.lines);
    }

    /// Reads the geometry's blocks into the planes, and says where the MCU behind them starts.
    fn walk(&mut self, header: &Header<'_>, data: &Unstuffed, walk: WalkOf<'_, '_>) -> Result<Option<Entry>, Error> {
        let (places, large) = self.prepare_tables(header, walk.geometry.skips());
        if large {
            self.read(walk, data, (&places, header.restart_interval), |slot| slot.large.as_ref())
        } else {
            self.read(walk, data, (&places, header.restart_interval), |slot| slot.small.as_ref())
        }
    }

    /// Unstuffs the data that may be walked, from an entry on.
    fn load(&mut self, header: &Header<'_>, geometry: &Geometry, start: Entry, index: Option<&Index>) {
        let [columns, rows] = geometry.mcus;
        let last = rows.last * geometry.mcus_across + columns.last;
        let raw = |entry: Entry| entry.bit as usize / 8 + usize::from(entry.left_out);
        // A byte that is cut, and one that is left out behind it.
        let end = index.and_then(|index| index.after(last)).map(|entry| raw(entry) + 2);
        let end = end.unwrap_or(usize::MAX).min(header.data.len());
        self.data.fill(header.data.get(raw(start)..end).unwrap_or_default(), header.restart_interval > 0);
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

    /// As [`Decoder::walk`], with tables of one size, which lie at places by component.
    fn read<const ENTRIES: usize, const SKIPS: usize>(
        &mut self,
        WalkOf { geometry, start, due, index }: WalkOf<'_, '_>,
        data: &Unstuffed,
        (places, restart_interval): (&[[usize; 2]], u32),
        tables: fn(&Slot) -> Option<&Tables<ENTRIES, SKIPS>>,
    ) -> Result<Option<Entry>, Error> {
        let mut units = Vec::with_capacity(6);
        for (component, (needs, [dc, ac])) in geometry.components.iter().zip(places).enumerate() {
            let (dc, ac) = (&self.tables.slot(*dc).differences, tables(self.tables.slot(*ac)));
            let (Some(dc), Some(ac)) = (dc, ac) else { continue };
            let [across, down] = needs.blocks;
            let blocks = (0..down).flat_map(|row| (0..across).map(move |column| [column, row]));
            units.extend(blocks.map(|at| Unit { component, at, dc, ac }));
        }
        let (planes, samples) = self.planes.parts();
        let plan = Plan { geometry, units: &units, restart_interval, data, start, due };
        let mut output = Output { inverse: self.kernels.inverse, quantization: &self.quantization, planes, samples };
        self.rooms.clear();
        let mut walk = Walk::new(&plan, index);
        walk.run(&mut self.rooms, &mut output)?;
        Ok(walk.leave())
    }
}

/// What is to be walked.
#[derive(Debug)]
struct WalkOf<'a, 'i> {
    geometry: &'a Geometry,
    /// The MCU at which the data start, and the entry of it.
    start: (u32, Entry),
    /// The first row of MCUs to read, if it is not the first one needed, and where it starts.
    due: Option<(u32, Entry)>,
    index: Option<&'i mut Index>,
}

/// Refuses regions that leave the tile or do not fit their targets; returns the smallest that holds all.
fn check(header: &Header<'_>, targets: &[(Region, Target<'_>)]) -> Result<Option<Region>, Error> {
    for (region, target) in targets {
        region.check(header.width(), header.height())?;
        target.check(*region)?;
    }
    Ok(targets.iter().map(|(region, _)| *region).reduce(Region::union))
}
