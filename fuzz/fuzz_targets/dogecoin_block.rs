//! See [`targets::dogecoin_block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::dogecoin_block::run(data));
