//! See [`targets::session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::session::run(data));
