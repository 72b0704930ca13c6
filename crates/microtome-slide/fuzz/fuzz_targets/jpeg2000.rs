//! JPEG 2000 tiles, as 33003; the samples choose the colour.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| microtome_slide_fuzz::read_tile(33003, input, false));
