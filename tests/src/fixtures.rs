//! The recordings in `tests/fixtures/`; what their fields mean is in `RECORDINGS.md` there.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The path of a recording, for example `litecoin/block_20tx_segwit.json`.
pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A recording, parsed.
///
/// # Panics
/// When the file is missing or is not JSON: a test must never pass because its input is not there.
#[track_caller]
pub fn fixture(name: &str) -> Value {
    let path = fixture_path(name);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("recording {name} cannot be read: {e}"));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("recording {name} is not JSON: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_found_by_its_name() {
        assert_eq!(fixture("litecoin/block_mweb_activation_432_pegin.json")["height"], 432);
    }

    #[test]
    #[should_panic(expected = "recording litecoin/nothing.json cannot be read")]
    fn a_missing_recording_fails_the_test() {
        fixture("litecoin/nothing.json");
    }
}
