//! Recorded blocks, and ways to make others of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{fs, path::PathBuf};

use bytes::{BufMut, Bytes};
use chain::{Chain, Inspection, Network, merkle};
use dash::Dash;
use serde_json::Value;
use wire::{Encode, Header};

/// Where the header's fields lie.
pub(crate) const MERKLE_ROOT: usize = 36;
pub(crate) const TIME: usize = 68;
pub(crate) const BITS: usize = 72;
pub(crate) const NONCE: usize = 76;

/// Reads a recording, by its path from the crate's folder; a missing one fails the test.
pub(crate) fn recording(path: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn unhex(text: &str) -> Bytes {
    let mut bytes = vec![0; text.len() / 2];
    faster_hex::hex_decode(text.as_bytes(), &mut bytes).expect("hex");
    bytes.into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}

/// A block that a daemon or an explorer gave us, with what it said of it.
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) network: Network,
    pub(crate) bytes: Bytes,
    pub(crate) json: Value,
}

impl Recorded {
    pub(crate) fn chain(&self) -> Dash {
        Dash::new(self.network)
    }

    /// Judges bytes as of the time at which this block was made.
    pub(crate) fn inspect(&self, bytes: &Bytes) -> Inspection {
        self.chain().inspect(bytes, time_of(&self.bytes))
    }

    pub(crate) fn strings(&self, key: &str) -> Vec<String> {
        let list = self.json[key].as_array().unwrap_or_else(|| panic!("{}: no {key}", self.name));
        list.iter().map(|item| item.as_str().expect("string").to_owned()).collect()
    }
}

pub(crate) fn time_of(block: &[u8]) -> u32 {
    u32::from_le_bytes(block[TIME..BITS].try_into().expect("four bytes"))
}

/// Every recorded Dash block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(&str, Network, &str); 10] = [
        ("../../tests/fixtures/dash/block_coinbase_only.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_20tx_pre_dip3.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_dip3_first_432.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_dip3_433.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_with_quorum_commitment_type6.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_20tx_dip3.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dash/block_with_chainlock_in_coinbase.json", Network::Regtest, "block_hex"),
        (
            "../../tests/fixtures/dash/block_with_masternode_registration_441.json",
            Network::Regtest,
            "block_hex",
        ),
        (
            "../../tests/fixtures/dash/block_with_quorum_commitment_of_a_real_quorum.json",
            Network::Regtest,
            "block_hex",
        ),
        ("tests/vectors/mainnet_844898.json", Network::Mainnet, "block"),
    ];
    FILES
        .into_iter()
        .map(|(name, network, key)| {
            let json = recording(name);
            let bytes = unhex(json[key].as_str().unwrap_or_else(|| panic!("{name}: no {key}")));
            Recorded { name, network, bytes, json }
        })
        .collect()
}

pub(crate) fn block(name: &str) -> Recorded {
    blocks().into_iter().find(|block| block.name.ends_with(name)).unwrap_or_else(|| panic!("no block {name}"))
}

/// The checks that found something, in order.
pub(crate) fn checks(inspection: &Inspection) -> Vec<&'static str> {
    inspection.findings.iter().map(|finding| finding.check).collect()
}

/// Finds a nonce, which on regtest takes two tries.
pub(crate) fn mined(mut block: Vec<u8>) -> Bytes {
    let chain = Dash::new(Network::Regtest);
    for nonce in 0u32.. {
        block[NONCE..NONCE + 4].copy_from_slice(&nonce.to_le_bytes());
        let header = Header::new(block[..80].try_into().expect("80 bytes"));
        if chain.check_work(&header).is_ok() {
            return block.into();
        }
    }
    unreachable!("half of all nonces will do")
}

/// A block with these transactions in place of the recorded one's, with the right merkle root and proof of work.
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes]) -> Bytes {
    let mut block = recorded.bytes[..80].to_vec();
    block.put_compact_size(transactions.len() as u64);
    transactions.iter().for_each(|transaction| block.extend_from_slice(transaction));
    let hashes = transactions.iter().map(|transaction| wire::sha256d(transaction)).collect();
    block[MERKLE_ROOT..TIME].copy_from_slice(&merkle::tree(hashes).root);
    mined(block)
}

/// The recorded block with a change.
pub(crate) fn changed(recorded: &Recorded, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = recorded.bytes.to_vec();
    change(&mut bytes);
    bytes.into()
}

/// Its transactions' bytes.
pub(crate) fn transactions(recorded: &Recorded) -> Vec<Bytes> {
    let block = recorded.inspect(&recorded.bytes).block.expect("sound");
    (0..block.transactions.len()).map(|index| block.transaction(index).expect("in the index")).collect()
}

/// What a transaction is made of; spent are coins of nobody.
pub(crate) struct Draft<'a> {
    pub(crate) version: i16,
    pub(crate) kind: u16,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// The script of each output.
    pub(crate) script: &'a [u8],
    /// With its length before it.
    pub(crate) payload: Option<&'a [u8]>,
}

impl Draft<'_> {
    /// An ordinary one.
    pub(crate) const PLAIN: Draft<'static> =
        Draft { version: 2, kind: 0, inputs: 1, outputs: 1, script: &[0x51], payload: None };

    pub(crate) fn bytes(&self) -> Bytes {
        let mut bytes = Vec::new();
        bytes.put_i16_le(self.version);
        bytes.put_u16_le(self.kind);
        bytes.put_compact_size(self.inputs as u64);
        for index in 0..self.inputs {
            bytes.put_slice(&[7; 32]);
            bytes.put_u32_le(index as u32);
            bytes.put_byte_string(&[]);
            bytes.put_u32_le(u32::MAX);
        }
        bytes.put_compact_size(self.outputs as u64);
        for _ in 0..self.outputs {
            bytes.put_i64_le(0);
            bytes.put_byte_string(self.script);
        }
        bytes.put_u32_le(0);
        if let Some(payload) = self.payload {
            bytes.put_byte_string(payload);
        }
        bytes.into()
    }
}

/// A coinbase with one output. A payload is written if there is one, whatever version and type say.
pub(crate) fn coinbase(version: i16, kind: u16, script: &[u8], payload: Option<&[u8]>) -> Bytes {
    let mut bytes = Vec::new();
    bytes.put_i16_le(version);
    bytes.put_u16_le(kind);
    bytes.put_u8(1);
    bytes.put_slice(&[0; 32]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_byte_string(script);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(&[0x51]);
    bytes.put_u32_le(0);
    if let Some(payload) = payload {
        bytes.put_byte_string(payload);
    }
    bytes.into()
}

/// The payload of a coinbase: of this version, with its roots and its ChainLock null.
pub(crate) fn coinbase_payload(version: u16, height: i32) -> Vec<u8> {
    let mut payload = version.to_le_bytes().to_vec();
    payload.put_i32_le(height);
    payload.put_bytes(0, if version >= 2 { 64 } else { 32 });
    if version >= 3 {
        payload.put_bytes(0, 1 + 96 + 8);
    }
    payload
}

/// A coinbase as every regtest block has from height 432 on.
pub(crate) fn modern_coinbase(height: i32) -> Bytes {
    coinbase(3, 5, &[0x6a], Some(&coinbase_payload(3, height)))
}
