//! Walks the entropy data of a region: reads the blocks it needs, passes those between them, jumps where it can.
//!
//! MCUs are numbered row by row from 0. A jump leads to an index's entry or to a restart marker, whichever is nearer to the
//! MCU that is due next. The walk ends with the region's last MCU: what the data hold behind that is not looked at.

use crate::{
    Error,
    bits::Bits,
    block::{self, BadCode},
    geometry::Geometry,
    huffman::Slot,
    index::{Entry, Index},
    planes::Plane,
    transform::{Output, Place, Rooms},
    unstuff::Unstuffed,
};

/// One block of every MCU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    pub(crate) component: usize,
    /// Column and row of the block in its MCU.
    pub(crate) at: [u32; 2],
    pub(crate) dc: &'a Slot,
    pub(crate) ac: &'a Slot,
}

/// What a walk looks at.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) geometry: &'a Geometry,
    pub(crate) units: &'a [Unit<'a>],
    pub(crate) planes: &'a [Plane],
    /// MCUs between restart markers; 0: there are none.
    pub(crate) restart_interval: u32,
    pub(crate) data: &'a Unstuffed,
    /// Where the data start: the MCU, and the index's entry of it.
    pub(crate) start: (u32, Entry),
}

/// A walk at the start of an MCU.
pub(crate) struct Walk<'a, 'i> {
    plan: &'a Plan<'a>,
    index: Option<&'i mut Index>,
    bits: Bits<'a>,
    previous: [i32; 3],
    /// The MCU that is due.
    mcu: u32,
    /// The MCU before which a restart marker stands, and where the data before it end, in bytes.
    restart: (u32, usize),
    /// Entries of `left_out` before the last entry made.
    left_out: usize,
}

impl<'a, 'i> Walk<'a, 'i> {
    pub(crate) fn new(plan: &'a Plan<'a>, index: Option<&'i mut Index>) -> Self {
        let (mcu, entry) = plan.start;
        let bits = Bits::at(plan.data.padded(), entry.bit as usize % 8);
        let previous = entry.previous.map(i32::from);
        let mut walk = Self { plan, index, bits, previous, mcu, restart: (0, 0), left_out: 0 };
        walk.find_restart();
        walk
    }

    /// Reads all blocks that the region needs.
    pub(crate) fn run(&mut self, rooms: &mut Rooms, output: &mut Output<'_>) -> Result<(), Error> {
        let [columns, rows] = self.plan.geometry.mcus;
        for row in rows.first..=rows.last {
            let start = row * self.plan.geometry.mcus_across;
            self.reach(start + columns.first)?;
            for column in columns.first..=columns.last {
                self.pass_events()?;
                self.read([column, row], rooms, output).map_err(|BadCode| self.bad_code())?;
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
            if let Some(due) = self.index.as_ref().and_then(|index| index.due()).filter(|due| *due > self.mcu) {
                until = until.min(due);
            }
            self.skip(until)?;
        }
        Ok(())
    }

    /// Jumps as near before an MCU as is known, if that is ahead.
    fn jump(&mut self, mcu: u32) {
        let Plan { restart_interval: interval, data, start: (first, start), .. } = *self.plan;
        let segments = mcu.checked_div(interval).zip(first.checked_div(interval));
        let restart = segments.and_then(|(segment, first)| {
            let marker = (segment - first).checked_sub(1)?;
            Some((segment * interval, data.restarts().get(marker as usize)?.0))
        });
        let entry = self.index.as_ref().and_then(|index| index.before(mcu));
        let by_restart = restart.map_or(0, |(mcu, _)| mcu);
        if let Some((at, entry)) = entry.filter(|(at, _)| *at > self.mcu && *at >= by_restart) {
            // An entry ahead of the start lies behind it in the data too, unless the index is another tile's.
            let bit = (entry.bit as usize).saturating_sub(start.bit as usize / 8 * 8).min(8 * data.length());
            (self.mcu, self.bits, self.previous) = (at, Bits::at(data.padded(), bit), entry.previous.map(i32::from));
        } else if let Some((at, byte)) = restart.filter(|(at, _)| *at > self.mcu) {
            (self.mcu, self.bits, self.previous) = (at, Bits::at(data.padded(), 8 * byte as usize), [0; 3]);
        } else {
            return;
        }
        self.find_restart();
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
        if self.index.as_ref().and_then(|index| index.due()) == Some(self.mcu) {
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
        let (start, position) = (self.plan.start.1, self.bits.position());
        let before = |count: &u32| *count as usize <= position / 8;
        let left_out = self.plan.data.left_out();
        self.left_out += left_out[self.left_out..].iter().take_while(|count| before(count)).count();
        let bit = u32::try_from(start.bit as usize / 8 * 8 + position);
        let left_out = u16::try_from(usize::from(start.left_out) + self.left_out);
        let previous = self.previous.map(|value| value as i16);
        let whole = previous.map(i32::from) == self.previous;
        if let (Ok(bit), Ok(left_out), true, Some(index)) = (bit, left_out, whole, &mut self.index) {
            index.push(Entry { bit, left_out, previous });
        }
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
                let (Some(dc), Some(skips)) = (unit.dc.differences(), unit.ac.skips()) else { continue };
                failed |= block::skip(&mut bits, (dc, skips), &mut previous[unit.component]).is_err();
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
    fn read(&mut self, mcu: [u32; 2], rooms: &mut Rooms, output: &mut Output<'_>) -> Result<(), BadCode> {
        let mut bits = self.bits;
        for unit in self.plan.units {
            let component = unit.component;
            let needs = &self.plan.geometry.components[component];
            let [column, row] = [0, 1].map(|axis| mcu[axis] * needs.blocks[axis] + unit.at[axis]);
            let previous = &mut self.previous[component];
            let Some(dc) = unit.dc.differences() else { continue };
            if needs.needed[0].contains(column) && needs.needed[1].contains(row) {
                let Some(coefficients) = unit.ac.coefficients() else { continue };
                let count = block::read(&mut bits, (dc, coefficients), previous, rooms.room())?;
                let plane = &self.plan.planes[component];
                let place = Place { component, start: plane.block(column, row), stride: plane.stride };
                rooms.take(count, place, output);
            } else {
                let Some(skips) = unit.ac.skips() else { continue };
                block::skip(&mut bits, (dc, skips), previous)?;
            }
        }
        self.bits = bits;
        Ok(())
    }
}
