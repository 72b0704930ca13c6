//! One block of entropy data: read into coefficients, or passed.
//!
//! Both take a block's bits exactly alike, whatever they hold; only what is wrong with them may be seen by one alone.

use crate::{
    bits::Bits,
    huffman::{Codes, Coefficients, Differences, END, Skips, extend},
};

/// Where a block's coefficients go: the 64 of the block, and room that takes what corrupt data would write behind them.
pub(crate) type Room = [i16; 128];

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

/// Reads a DC difference; leaves at least 25 bits of the refilled buffer.
#[inline(always)]
fn difference(bits: &mut Bits<'_>, table: &Differences) -> Result<i32, BadCode> {
    bits.refill();
    let (value, taken) = table.look_up(bits.peek());
    if taken > 0 {
        bits.consume(taken);
        return Ok(value);
    }
    let (_, size) = symbol(bits, &table.codes)?;
    Ok(extend(bits.take(size), size))
}

/// Reads one symbol by search: its run, and its size.
#[cold]
fn symbol(bits: &mut Bits<'_>, codes: &Codes) -> Result<(u32, u32), BadCode> {
    let found = codes.find((bits.peek() >> 48) as u16).ok_or(BadCode)?;
    bits.consume(u32::from(found.bits));
    Ok((u32::from(found.symbol >> 4), u32::from(found.symbol & 15)))
}

/// Reads a block whose room is all zero but for the DC coefficient's place and the place behind the block. Says how many
/// coefficients there are up to the last that is not zero, or a few more.
#[inline(always)]
pub(crate) fn read(
    bits: &mut Bits<'_>,
    tables: (&Differences, &Coefficients),
    previous: &mut i32,
    room: &mut Room,
) -> Result<usize, BadCode> {
    *previous = previous.wrapping_add(difference(bits, tables.0)?);
    room[0] = *previous as i16;
    let mut due = 1_usize;
    loop {
        let before = (*bits, due);
        let entry = tables.1.look_up(bits.peek());
        if entry.bits == 0 {
            bits.refill();
            if read_one(bits, &tables.1.codes, &mut due, room)? {
                return Ok(due);
            }
        } else {
            for (value, place) in entry.values.into_iter().zip(entry.places) {
                room[usize::from(ORDER[due.wrapping_add(usize::from(place)) & 127]) & 127] = value;
            }
            bits.consume(u32::from(entry.bits));
            due = due.wrapping_add(usize::from(entry.advance));
            if due >= 64 {
                // A block's end is an end where one may stand, or its last coefficient.
                if due == 64 {
                    return Ok(64);
                }
                if due.wrapping_sub(usize::from(END)) < 64 {
                    return Ok(due.wrapping_sub(usize::from(END)));
                }
                // The entry's second half belongs to the next block, or the data are corrupt.
                (*bits, due) = before;
                bits.refill();
                if read_one(bits, &tables.1.codes, &mut due, room)? {
                    return Ok(due);
                }
            }
        }
        bits.refill();
    }
}

/// Reads one symbol of a block; whether the block ends with it.
#[cold]
fn read_one(bits: &mut Bits<'_>, codes: &Codes, due: &mut usize, room: &mut Room) -> Result<bool, BadCode> {
    let (run, size) = symbol(bits, codes)?;
    if size == 0 && run < 15 {
        return Ok(true);
    }
    let at = *due + run as usize;
    if at > 63 {
        return Err(BadCode);
    }
    room[usize::from(ORDER[at]) & 127] = extend(bits.take(size), size) as i16;
    *due = at + 1;
    Ok(*due == 64)
}

/// Passes a block.
#[inline(always)]
pub(crate) fn skip(bits: &mut Bits<'_>, tables: (&Differences, &Skips), previous: &mut i32) -> Result<(), BadCode> {
    *previous = previous.wrapping_add(difference(bits, tables.0)?);
    let mut due = 1_u32;
    loop {
        let before = (*bits, due);
        let (advance, taken) = tables.1.look_up(bits.peek());
        bits.consume(taken);
        due = due.wrapping_add(advance);
        if taken == 0 || due >= 64 {
            if taken > 0 && (due == 64 || due.wrapping_sub(u32::from(END)) < 64) {
                return Ok(());
            }
            (*bits, due) = before;
            bits.refill();
            if skip_one(bits, &tables.1.codes, &mut due)? {
                return Ok(());
            }
        }
        bits.refill();
    }
}

/// Passes one symbol of a block; whether the block ends with it.
#[cold]
fn skip_one(bits: &mut Bits<'_>, codes: &Codes, due: &mut u32) -> Result<bool, BadCode> {
    let (run, size) = symbol(bits, codes)?;
    if size == 0 && run < 15 {
        return Ok(true);
    }
    bits.consume(size);
    *due += run + 1;
    if *due > 64 { Err(BadCode) } else { Ok(*due == 64) }
}
