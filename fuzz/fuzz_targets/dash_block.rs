//! See [`targets::dash_block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::dash_block::run(data));
