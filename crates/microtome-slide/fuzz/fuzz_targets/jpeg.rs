//! JPEG tiles that hold their own tables.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| microtome_slide_fuzz::read_tile(7, input, false));
