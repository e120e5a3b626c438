//! Recorded messages, and the ways in which the three chains write.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod dialects;

use std::{fs, path::PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use wire::Dialect;

use dialects::{Dash, Dogecoin, Litecoin};

/// The largest payload of the daemons' limits.
pub(crate) const CAP: usize = 32_000_000;

/// A chain of which there are recordings. All were made on regtest.
pub(crate) struct RecordedChain {
    pub(crate) name: &'static str,
    pub(crate) magic: [u8; 4],
    pub(crate) dialect: &'static dyn Dialect,
}

pub(crate) const CHAINS: [RecordedChain; 3] = [
    RecordedChain { name: "litecoin", magic: [0xfa, 0xbf, 0xb5, 0xda], dialect: &Litecoin },
    RecordedChain { name: "dogecoin", magic: [0xfa, 0xbf, 0xb5, 0xda], dialect: &Dogecoin },
    RecordedChain { name: "dash", magic: [0xfc, 0xc1, 0xb7, 0xdc], dialect: &Dash },
];

pub(crate) fn chain(name: &str) -> &'static RecordedChain {
    CHAINS.iter().find(|chain| chain.name == name).unwrap_or_else(|| panic!("no chain {name}"))
}

/// One message of a recording.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedMessage {
    pub(crate) dir: String,
    #[serde(default)]
    pub(crate) cmd: String,
    #[serde(default)]
    pub(crate) payload_len: usize,
    #[serde(default)]
    raw_hex: String,
}

impl RecordedMessage {
    /// The whole message, header included.
    pub(crate) fn raw(&self) -> Bytes {
        unhex(&self.raw_hex)
    }

    pub(crate) fn payload(&self) -> Bytes {
        self.raw().slice(wire::HEADER_LEN..)
    }

    pub(crate) fn is_from_node(&self) -> bool {
        self.dir == "node->client"
    }
}

/// A recording of the messages of one connection or of several.
#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    #[serde(skip)]
    pub(crate) file: String,
    #[serde(default)]
    pub(crate) daemon: String,
    #[serde(default)]
    pub(crate) blocks: Vec<String>,
    #[serde(default)]
    messages: Vec<RecordedMessage>,
    #[serde(default)]
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    messages: Vec<RecordedMessage>,
}

impl Recording {
    /// Its messages, without the events between them.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &RecordedMessage> {
        let cases = self.cases.iter().flat_map(|case| &case.messages);
        self.messages.iter().chain(cases).filter(|message| message.dir != "event")
    }
}

fn fixtures(chain: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(chain)
}

/// Reads one recording; a missing one fails the test.
pub(crate) fn recording(chain: &str, file: &str) -> Recording {
    let path = fixtures(chain).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let recording: Recording =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Recording { file: format!("{chain}/{file}"), ..recording }
}

/// Every recording of a chain that holds whole messages.
pub(crate) fn transcripts(chain: &str) -> Vec<Recording> {
    let entries = fs::read_dir(fixtures(chain)).expect("the recordings");
    let mut files: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|file| {
            ["handshake_", "getaddr_", "announce_", "headers2", "live_"]
                .iter()
                .any(|start| file.starts_with(start))
                && file != "announce_summary.json"
        })
        .collect();
    files.sort();
    files.iter().map(|file| recording(chain, file)).collect()
}

pub(crate) fn unhex(text: &str) -> Bytes {
    let mut bytes = vec![0; text.len() / 2];
    faster_hex::hex_decode(text.as_bytes(), &mut bytes).expect("hex");
    bytes.into()
}

/// The block of 28 transactions with witnesses, from before MWEB: rust-bitcoin can read it.
pub(crate) fn segwit_block() -> Bytes {
    #[derive(Deserialize)]
    struct Block {
        block_hex: String,
    }
    let path = fixtures("litecoin").join("block_20tx_segwit.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    unhex(&serde_json::from_str::<Block>(&text).expect("a block").block_hex)
}
