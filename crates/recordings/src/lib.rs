//! For tests: what real daemons said, and blocks made of theirs.
//!
//! The recordings lie in the repository's `tests/fixtures/`; where they come from is in the `README.md` there, what
//! their fields mean in `RECORDINGS.md`. [`read`] gives one as JSON, [`messages`] the raw messages of some, and
//! [`Recorded`] a block together with what its node said of it. [`forge`] makes other blocks: changed ones, mined ones,
//! ones of other transactions. [`laws`] is what holds for the blocks of every chain, and what each chain's tests hold
//! its own blocks against.
//!
//! Everything here panics where a test is to fail: a test must never pass because its input is not there.

mod block;
pub mod forge;
pub mod laws;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

pub use block::{Recorded, checks, named};

/// The path of a recording, for example of `litecoin/block_20tx_segwit.json`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// A recording, parsed.
///
/// # Panics
/// When the file is missing or is not JSON.
#[track_caller]
pub fn read(name: &str) -> Value {
    let text = std::fs::read(path(name)).unwrap_or_else(|e| panic!("recording {name} cannot be read: {e}"));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("recording {name} is not JSON: {e}"))
}

/// A recorded block, and the whole recording.
///
/// # Panics
/// When it is missing or holds no block.
#[track_caller]
pub fn block(name: &str) -> (Bytes, Value) {
    let json = read(name);
    let block = json.get("block_hex").or(json.get("block")).and_then(Value::as_str);
    (unhex(block.unwrap_or_else(|| panic!("{name}: no block"))), json)
}

/// The messages of recorded conversations (`{folder}/{file}.json`), with their headers, in order.
///
/// # Panics
/// When one of the files is missing or is no conversation.
pub fn messages(folder: &str, files: &[&str]) -> Vec<Bytes> {
    let conversation = |file: &&str| {
        let recording = read(&format!("{folder}/{file}.json"));
        let messages = recording["messages"].as_array().unwrap_or_else(|| panic!("{file}: no messages"));
        let raw = messages.iter().filter_map(|message| message["raw_hex"].as_str());
        raw.map(unhex).collect::<Vec<Bytes>>()
    };
    files.iter().flat_map(conversation).collect()
}

/// The bytes that were written in hex.
///
/// # Panics
/// When they are none.
#[track_caller]
pub fn unhex(text: &str) -> Bytes {
    chain::unhex(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_found_by_its_name() {
        assert_eq!(read("litecoin/block_mweb_activation_432_pegin.json")["height"], 432);
    }

    #[test]
    #[should_panic(expected = "recording litecoin/nothing.json cannot be read")]
    fn a_missing_recording_fails_the_test() {
        read("litecoin/nothing.json");
    }

    #[test]
    fn a_conversation_is_a_list_of_messages_with_their_headers() {
        let messages = messages("dogecoin", &["handshake_inbound_plain"]);
        assert!(messages.len() > 3);
        assert!(messages.iter().all(|message| message.starts_with(&[0xfa, 0xbf, 0xb5, 0xda])));
    }
}
