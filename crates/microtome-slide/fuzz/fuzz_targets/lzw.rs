//! LZW tiles.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| microtome_slide_fuzz::read_tile(5, input, false));
