//! One block of entropy data: read into coefficients, or passed.
//!
//! Both take a block's bits exactly alike, whatever they hold; only what is wrong with them may be seen by one alone.

use crate::{
    bits::Bits,
    huffman::{Codes, Coefficients, Differences, END, Skips, extend},
};

/// Where a block's coefficients go: the 64 of the block, and room that takes what corrupt data would write behind them.
pub(crate) type Room = [i16; 2 * CELLS];

/// Coefficients of a block.
pub(crate) const CELLS: usize = 64;

/// Zigzag order to row by row; all that lies behind a block is one place.
const ORDER: [u8; 128] = order();

const fn order() -> [u8; 128] {
    let mut order = [64; 128];
    let (mut x, mut y, mut at) = (0_u8, 0_u8, 0);
    while at < 64 {
        order[at] = y * 8 + x;
        // Odd diagonals run down to the left, even ones up to the right.
        let up = (x + y) % 2 == 0;
        (x, y) = match (up, x, y) {
            (true, 7, _) => (7, y + 1),
            (true, _, 0) => (x + 1, 0),
            (true, ..) => (x + 1, y - 1),
            (false, _, 7) => (x + 1, 7),
            (false, 0, _) => (0, y + 1),
            (false, ..) => (x - 1, y + 1),
        };
        at += 1;
    }
    order
}

/// Place of the coefficient that comes `at`th, row by row.
pub(crate) fn place(at: usize) -> usize {
    usize::from(ORDER[at & 127])
}

/// The data hold a code that no table has, or coefficients behind the block's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadCode;

// What is cold takes the position by value and returns it: a reference would keep the hot loops' copy in memory.

/// Reads a DC difference; leaves at least 25 bits of the refilled buffer.
#[inline(always)]
fn difference(bits: &mut Bits<'_>, table: &Differences) -> Result<i32, BadCode> {
    bits.refill();
    let (value, taken) = table.look_up(bits.peek());
    if taken > 0 {
        bits.consume(taken);
        return Ok(value);
    }
    let (after, value) = long_difference(*bits, &table.codes)?;
    *bits = after;
    Ok(value)
}

/// Reads a DC difference by search.
#[cold]
fn long_difference<'a>(bits: Bits<'a>, codes: &Codes) -> Result<(Bits<'a>, i32), BadCode> {
    let (mut bits, _, size) = symbol(bits, codes)?;
    let extra = bits.take(size);
    Ok((bits, extend(extra, size)))
}

/// Reads one symbol by search: its run, and its size.
fn symbol<'a>(mut bits: Bits<'a>, codes: &Codes) -> Result<(Bits<'a>, u32, u32), BadCode> {
    let found = codes.find((bits.peek() >> 48) as u16).ok_or(BadCode)?;
    bits.consume(u32::from(found.bits));
    Ok((bits, u32::from(found.symbol >> 4), u32::from(found.symbol & 15)))
}

/// Reads a block whose room is all zero but for the DC coefficient's place and the place behind the block. Says how many
/// coefficients there are up to the last that is not zero, or a few more.
#[inline(always)]
pub(crate) fn read<const ENTRIES: usize>(
    bits: &mut Bits<'_>,
    tables: (&Differences, &Coefficients<ENTRIES>),
    previous: &mut i32,
    room: &mut Room,
) -> Result<usize, BadCode> {
    *previous = previous.wrapping_add(difference(bits, tables.0)?);
    room[0] = *previous as i16;
    let mut due = 1_usize;
    loop {
        // One refill is good for two look-ups.
        for _ in 0..2 {
            let entry = tables.1.look_up(bits.peek());
            let ([one, other], [value, other_value]) = (entry.places(), entry.values());
            room[behind(due, one)] = value;
            room[behind(due, other)] = other_value;
            let advanced = due.wrapping_add(entry.advance());
            if advanced < 64 {
                bits.consume_low(entry.bits());
                due = advanced;
                continue;
            }
            // A block ends where an end may stand, or with its last coefficient.
            let end = usize::from(END);
            if advanced == 64 || (end..end + 64).contains(&advanced) {
                bits.consume_low(entry.bits());
                return Ok(advanced & 127);
            }
            // A symbol too long for the table with its extra bits.
            if let Some((code, run, size)) = entry.code()
                && due.wrapping_add(run) < 63
                && size > 0
            {
                bits.refill();
                bits.consume(code);
                room[behind(due, run)] = extend(bits.take(size), size) as i16;
                due = due.wrapping_add(run).wrapping_add(1);
                break;
            }
            // Or without them; or the second symbol belongs to the next block, or the data are corrupt.
            let one = read_one(*bits, &tables.1.codes, due)?;
            *bits = one.after;
            room[behind(one.place, 0)] = one.value;
            due = one.due;
            if one.is_last {
                return Ok(due);
            }
            break;
        }
        bits.refill();
    }
}

/// Where a coefficient goes.
#[inline(always)]
fn behind(due: usize, place: usize) -> usize {
    usize::from(ORDER[due.wrapping_add(place) & 127]) & 127
}

/// One symbol of a block.
struct One<'a> {
    after: Bits<'a>,
    /// A coefficient and its place; a 0 behind the block if there is none.
    value: i16,
    place: usize,
    /// The coefficient that is due next.
    due: usize,
    is_last: bool,
}

/// Reads one symbol by search.
#[cold]
fn read_one<'a>(mut bits: Bits<'a>, codes: &Codes, due: usize) -> Result<One<'a>, BadCode> {
    bits.refill();
    let (mut after, run, size) = symbol(bits, codes)?;
    if size == 0 && run < 15 {
        return Ok(One { after, value: 0, place: 64, due, is_last: true });
    }
    let place = due + run as usize;
    if place > 63 {
        return Err(BadCode);
    }
    let extra = after.take(size);
    Ok(One { after, value: extend(extra, size) as i16, place, due: place + 1, is_last: place == 63 })
}

/// Passes a block.
#[inline(always)]
pub(crate) fn skip<const ENTRIES: usize>(
    bits: &mut Bits<'_>,
    tables: (&Differences, &Skips<ENTRIES>),
    previous: &mut i32,
) -> Result<(), BadCode> {
    *previous = previous.wrapping_add(difference(bits, tables.0)?);
    let mut due = 1_u32;
    loop {
        for _ in 0..2 {
            let entry = tables.1.look_up(bits.peek());
            let advanced = due.wrapping_add(entry >> 8);
            if advanced < 64 {
                bits.consume_low(entry);
                due = advanced;
                continue;
            }
            let end = u32::from(END);
            if advanced == 64 || (end..end + 64).contains(&advanced) {
                bits.consume_low(entry);
                return Ok(());
            }
            let one = read_one(*bits, &tables.1.codes, due as usize)?;
            *bits = one.after;
            due = one.due as u32;
            if one.is_last {
                return Ok(());
            }
            break;
        }
        bits.refill();
    }
}
