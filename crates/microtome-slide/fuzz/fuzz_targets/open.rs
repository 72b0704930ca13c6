//! The directory walker, the formats, and reading of whatever they find.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| microtome_slide_fuzz::read_all(input.to_vec()));
