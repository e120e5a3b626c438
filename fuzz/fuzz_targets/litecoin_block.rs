//! See [`targets::litecoin_block`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::litecoin_block::run(data));
