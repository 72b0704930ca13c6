//! Walks the entropy data of a region: reads the blocks it needs, passes those between them, jumps where it can.
//!
//! MCUs are numbered row by row from 0. A jump leads to an index's entry or to a restart marker, whichever is nearer to the
//! MCU that is due next. The walk ends with the region's last MCU: what the data hold behind that is not looked at.

use crate::{
    Error,
    bits::Bits,
    block::{self, BadCode},
    geometry::Geometry,
    huffman::{Differences, Tables},
    index::{Entry, Index},
    transform::{Output, Rooms},
    unstuff::Unstuffed,
};

/// One block of every MCU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a, const ENTRIES: usize, const SKIPS: usize> {
    pub(crate) component: usize,
    /// Column and row of the block in its MCU.
    pub(crate) at: [u32; 2],
    pub(crate) dc: &'a Differences,
    pub(crate) ac: &'a Tables<ENTRIES, SKIPS>,
}

/// What a walk looks at.
#[derive(Debug)]
pub(crate) struct Plan<'a, const ENTRIES: usize, const SKIPS: usize> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) units: &'a [Unit<'a, ENTRIES, SKIPS>],
    /// MCUs between restart markers; 0: there are none.
    pub(crate) restart_interval: u32,
    pub(crate) data: &'a Unstuffed,
    /// Where the data start: the MCU, and the entry of it.
    pub(crate) start: (u32, Entry),
    /// The first row of MCUs to read, if those above were read before, and where it starts.
    pub(crate) due: Option<(u32, Entry)>,
}

/// A walk at the start of an MCU.
pub(crate) struct Walk<'a, 'i, const ENTRIES: usize, const SKIPS: usize> {
    plan: &'a Plan<'a, ENTRIES, SKIPS>,
    index: Option<&'i mut Index>,
    bits: Bits<'a>,
    previous: [i32; 3],
    /// The MCU that is due.
    mcu: u32,
    /// The MCU before which a restart marker stands, and where the data before it end, in bytes.
    restart: (u32, usize),
    /// The MCU of which the index wants an entry.
    noted: u32,
    /// Entries of `left_out` before the last entry made.
    left_out: usize,
}

/// A unit in one row of blocks.
#[derive(Debug, Clone, Copy)]
struct RowUnit<'a, const ENTRIES: usize, const SKIPS: usize> {
    unit: Unit<'a, ENTRIES, SKIPS>,
    /// Column of blocks of the row's first MCU, columns of blocks an MCU.
    column: u32,
    step: u32,
    /// The first column that is needed, how many there are, and where the first one's samples go.
    first: u32,
    count: u32,
    start: usize,
}

impl<'a, 'i, const ENTRIES: usize, const SKIPS: usize> Walk<'a, 'i, ENTRIES, SKIPS> {
    pub(crate) fn new(plan: &'a Plan<'a, ENTRIES, SKIPS>, index: Option<&'i mut Index>) -> Self {
        let (mcu, entry) = plan.start;
        let bits = Bits::at(plan.data.padded(), entry.bit as usize % 8);
        let previous = entry.previous.map(i32::from);
        let mut walk = Self { plan, index, bits, previous, mcu, restart: (0, 0), noted: u32::MAX, left_out: 0 };
        match plan.due {
            Some((row, entry)) => walk.go_on((row * plan.geometry.mcus_across, entry)),
            None => walk.find_restart(),
        }
        walk.find_noted();
        walk
    }

    /// Reads all blocks that the region needs.
    pub(crate) fn run(&mut self, rooms: &mut Rooms, output: &mut Output<'_>) -> Result<(), Error> {
        let [columns, rows] = self.plan.geometry.mcus;
        let mut units = Vec::with_capacity(self.plan.units.len());
        let due = self.plan.due.map_or(0, |(row, _)| row);
        for row in rows.first.max(due)..=rows.last {
            let start = row * self.plan.geometry.mcus_across;
            self.reach(start + columns.first)?;
            units.clear();
            units.extend(self.plan.units.iter().map(|unit| self.in_row(unit, [columns.first, row], output)));
            for _ in columns.first..=columns.last {
                self.pass_events()?;
                self.read(&mut units, rooms, output).map_err(|BadCode| self.bad_code())?;
                self.mcu += 1;
                self.check()?;
            }
        }
        rooms.finish(output);
        Ok(())
    }

    fn bad_code(&self) -> Error {
        // Behind the data there are zeros, which may be no code.
        if self.at_end() { Error::Truncated } else { Error::Data { what: "a code that no table has", mcu: self.mcu } }
    }

    /// Goes on to an MCU that is not passed yet.
    fn reach(&mut self, mcu: u32) -> Result<(), Error> {
        self.jump(mcu);
        while self.mcu < mcu {
            self.pass_events()?;
            let mut until = mcu;
            if self.plan.restart_interval > 0 {
                until = until.min(self.restart.0);
            }
            if self.noted > self.mcu {
                until = until.min(self.noted);
            }
            self.skip(until)?;
        }
        Ok(())
    }

    /// Goes on at an MCU that is known to start at an entry, ahead of the data's start.
    pub(crate) fn go_on(&mut self, (mcu, entry): (u32, Entry)) {
        let Plan { data, start: (_, start), .. } = *self.plan;
        // An entry ahead of the start lies behind it in the data too, unless it is another tile's.
        let bit = (entry.bit as usize).saturating_sub(start.bit as usize / 8 * 8).min(8 * data.length());
        (self.mcu, self.bits, self.previous) = (mcu, Bits::at(data.padded(), bit), entry.previous.map(i32::from));
        self.find_restart();
    }

    /// Jumps as near before an MCU as is known, if that is ahead.
    fn jump(&mut self, mcu: u32) {
        let Plan { restart_interval: interval, data, start: (first, _), .. } = *self.plan;
        let segments = mcu.checked_div(interval).zip(first.checked_div(interval));
        let restart = segments.and_then(|(segment, first)| {
            let marker = (segment - first).checked_sub(1)?;
            Some((segment * interval, data.restarts().get(marker as usize)?.0))
        });
        let entry = self.index.as_ref().and_then(|index| index.before(mcu));
        let by_restart = restart.map_or(0, |(mcu, _)| mcu);
        if let Some(known) = entry.filter(|(at, _)| *at > self.mcu && *at >= by_restart) {
            self.go_on(known);
        } else if let Some((at, byte)) = restart.filter(|(at, _)| *at > self.mcu) {
            (self.mcu, self.bits, self.previous) = (at, Bits::at(data.padded(), 8 * byte as usize), [0; 3]);
            self.find_restart();
        }
    }

    /// Finds the restart marker that is next.
    fn find_restart(&mut self) {
        let Plan { restart_interval: interval, data, start: (first, _), .. } = *self.plan;
        let Some(segment) = self.mcu.checked_div(interval) else {
            self.restart = (u32::MAX, data.length());
            return;
        };
        let marker = data.restarts().get((segment - first / interval) as usize);
        self.restart =
            ((segment + 1).saturating_mul(interval), marker.map_or(data.length(), |marker| marker.0 as usize));
    }

    /// Does what is due before an MCU: passes a restart marker, makes an entry of the index.
    #[inline(always)]
    fn pass_events(&mut self) -> Result<(), Error> {
        if self.mcu == self.restart.0 {
            self.pass_restart()?;
        }
        if self.mcu == self.noted {
            self.note();
        }
        Ok(())
    }

    fn pass_restart(&mut self) -> Result<(), Error> {
        let Plan { restart_interval: interval, data, start: (first, _), .. } = *self.plan;
        let segment = self.mcu / interval;
        let marker = data.restarts().get((segment - 1 - first / interval) as usize);
        let &(byte, number) = marker.ok_or(Error::Truncated)?;
        if u32::from(number) != (segment - 1) % 8 {
            return Err(Error::Data { what: "a restart marker out of turn", mcu: self.mcu });
        }
        if self.bits.position().div_ceil(8) != byte as usize {
            return Err(Error::Data { what: "data that do not end at their restart marker", mcu: self.mcu });
        }
        (self.bits, self.previous) = (Bits::at(data.padded(), 8 * byte as usize), [0; 3]);
        self.find_restart();
        Ok(())
    }

    /// Makes the entry of this MCU, unless it does not fit one.
    fn note(&mut self) {
        let entry = self.entry();
        if let (Some(entry), Some(index)) = (entry, &mut self.index) {
            index.push(entry);
        }
        self.find_noted();
    }

    /// Where this MCU starts; nothing if the numbers do not fit an entry.
    fn entry(&mut self) -> Option<Entry> {
        let (start, position) = (self.plan.start.1, self.bits.position());
        let before = |count: &u32| *count as usize <= position / 8;
        let left_out = self.plan.data.left_out();
        self.left_out += left_out[self.left_out..].iter().take_while(|count| before(count)).count();
        let bit = u32::try_from(start.bit as usize / 8 * 8 + position).ok()?;
        let left_out = u16::try_from(usize::from(start.left_out) + self.left_out).ok()?;
        let previous = self.previous.map(|value| value as i16);
        (previous.map(i32::from) == self.previous).then_some(Entry { bit, left_out, previous })
    }

    /// Where the MCU behind the region starts, if it can be gone on from there.
    pub(crate) fn leave(&mut self) -> Option<Entry> {
        if self.mcu == self.restart.0 {
            self.pass_restart().ok()?;
        }
        self.entry()
    }

    /// Finds the MCU of which the index wants an entry: one ahead, or none.
    fn find_noted(&mut self) {
        self.noted = self.index.as_ref().and_then(|index| index.due()).unwrap_or(u32::MAX);
    }

    /// A unit in the first wanted MCU of a row.
    fn in_row(
        &self,
        unit: &Unit<'a, ENTRIES, SKIPS>,
        [column, row]: [u32; 2],
        output: &Output<'_>,
    ) -> RowUnit<'a, ENTRIES, SKIPS> {
        let needs = &self.plan.geometry.components[unit.component];
        let ([columns, rows], [step, down]) = (needs.needed, needs.blocks);
        let row = row * down + unit.at[1];
        let is_needed = rows.contains(row);
        let start = if is_needed { output.planes[unit.component].block(columns.first, row) } else { 0 };
        let count = if is_needed { columns.length() } else { 0 };
        RowUnit { unit: *unit, column: column * step + unit.at[0], step, first: columns.first, count, start }
    }

    /// Refuses to have read behind the data.
    #[inline(always)]
    fn check(&self) -> Result<(), Error> {
        if self.bits.position() <= 8 * self.restart.1 { Ok(()) } else { Err(self.overrun()) }
    }

    #[cold]
    fn overrun(&self) -> Error {
        if self.at_end() {
            return Error::Truncated;
        }
        Error::Data { what: "data that run past their restart marker", mcu: self.mcu - 1 }
    }

    fn at_end(&self) -> bool {
        self.restart.1 == self.plan.data.length() && self.bits.position() > 8 * self.restart.1
    }

    /// Passes MCUs up to one, with nothing due before it.
    fn skip(&mut self, until: u32) -> Result<(), Error> {
        let (mut bits, mut previous, end) = (self.bits, self.previous, 8 * self.restart.1);
        let mut failed = false;
        while self.mcu < until && !failed {
            for unit in self.plan.units {
                let Some(skips) = &unit.ac.skips else { continue };
                failed |= block::skip(&mut bits, (unit.dc, skips), &mut previous[unit.component]).is_err();
            }
            self.mcu += 1;
            failed |= bits.position() > end;
        }
        (self.bits, self.previous) = (bits, previous);
        self.check()?;
        if failed { Err(self.bad_code()) } else { Ok(()) }
    }

    /// Reads the needed blocks of an MCU and passes the others.
    #[inline(always)]
    fn read(
        &mut self,
        units: &mut [RowUnit<'_, ENTRIES, SKIPS>],
        rooms: &mut Rooms,
        output: &mut Output<'_>,
    ) -> Result<(), BadCode> {
        let (mut bits, mut previous) = (self.bits, self.previous);
        for RowUnit { unit, column, step, first, count, start } in units {
            let component = unit.component;
            let place = column.wrapping_sub(*first);
            *column = column.wrapping_add(*step);
            if place < *count {
                let coefficients =
                    block::read(&mut bits, (unit.dc, &unit.ac.coefficients), &mut previous[component], rooms.room())?;
                rooms.take(coefficients, component, start.wrapping_add(8 * place as usize), output);
            } else if let Some(skips) = &unit.ac.skips {
                block::skip(&mut bits, (unit.dc, skips), &mut previous[component])?;
            }
        }
        (self.bits, self.previous) = (bits, previous);
        Ok(())
    }
}
