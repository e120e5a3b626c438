//! What strangers send, and whatever a machine makes of it.
//!
//! `./fuzz/run [SECONDS]` runs each target for so long and is all that is needed, on stable Rust; `cargo +nightly fuzz
//! run TARGET` works too. Each target reads bytes, lets the code that faces strangers have them, and panics if
//! something does not hold that must:
//!
//! | target | input | what must hold |
//! |---|---|---|
//! | [`frames`] | a stream, a limit, and the pieces in which it arrives | the same frames however it is cut; never more held than the limit |
//! | [`messages`] | a command and a payload, read in the dialect of each chain | an error, or a message that is written back as it came; memory by the bytes that are there |
//! | [`session`] | a conversation with its times, on each chain | nothing after the end; answers bounded by the questions; no memory kept |
//! | [`litecoin_block`], [`dash_block`], [`dogecoin_block`] | a block | a block that is called sound is the one that its header names, and has nothing left to mend |
//!
//! The bodies are here and not in `fuzz_targets/`, so that they can be read, and called, without the fuzzer.
//!
//! # Seeds
//!
//! A fuzzer that starts from nothing does not find its way into a block. `seeds/` is a program that turns the
//! recordings of real daemons in `tests/fixtures/` into inputs; `fuzz/run` calls it. What a run learns is kept in
//! `target/fuzz/corpus/` and used by the next.
//!
//! # When something is found
//!
//! The input is kept in `target/fuzz/artifacts/`, and `fuzz/run` says how to run it again. Make a test of it beside the
//! code, see it fail, and mend the code.
//!
//! # What is not here
//!
//! Configuration and journal are read from directories, and their parsers are not public; they have tests of their own
//! with damaged files (`config/tests/loading/hostile.rs`, `journal/src/tests/damage.rs`). So has the peer book's file
//! (`protocol/src/book/tests/files.rs`).

#[path = "../../crates/wire/tests/common/allocations.rs"]
mod allocations;
pub mod block;
pub mod commands;
pub mod dash_block;
#[allow(dead_code, reason = "the tests of `wire` use the rest")]
#[path = "../../crates/wire/tests/common/dialects.rs"]
mod dialects;
pub mod dogecoin_block;
pub mod frames;
pub mod litecoin_block;
pub mod messages;
pub mod session;
