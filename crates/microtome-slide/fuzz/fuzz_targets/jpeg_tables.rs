//! JPEG tiles whose tables are in the directory: how the two are joined.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| microtome_slide_fuzz::read_tile(7, input, true));
