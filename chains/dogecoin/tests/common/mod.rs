//! Recorded blocks, and ways to make others of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{fs, path::PathBuf};

use bytes::{BufMut, Bytes};
use chain::{Chain, Inspection, Network, merkle};
use dogecoin::{Dogecoin, pow_hash};
use serde_json::Value;
use wire::{Encode, Header};

pub(crate) mod draft;

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
    pub(crate) fn chain(&self) -> Dogecoin {
        Dogecoin::new(self.network)
    }

    /// Judges bytes as of the time at which this block was made.
    pub(crate) fn inspect(&self, bytes: &Bytes) -> Inspection {
        self.chain().inspect(bytes, time_of(&self.bytes))
    }

    pub(crate) fn strings(&self, key: &str) -> Vec<String> {
        let list = self.json[key].as_array().unwrap_or_else(|| panic!("{}: no {key}", self.name));
        list.iter().map(|item| item.as_str().expect("string").to_owned()).collect()
    }

    pub(crate) fn header(&self) -> Header {
        self.inspect(&self.bytes).block.expect("sound").header
    }

    /// Whether it is merge-mined.
    pub(crate) fn is_merged(&self) -> bool {
        self.bytes[1] & 1 == 1
    }
}

pub(crate) fn time_of(block: &[u8]) -> u32 {
    u32::from_le_bytes(block[TIME..BITS].try_into().expect("four bytes"))
}

/// Every recorded Dogecoin block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(&str, Network, &str); 6] = [
        ("../../tests/fixtures/dogecoin/block_coinbase_only.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dogecoin/block_20tx.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dogecoin/block_auxpow_simple.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dogecoin/block_auxpow_tree8_parent5tx.json", Network::Regtest, "block_hex"),
        ("../../tests/fixtures/dogecoin/block_auxpow_by_node.json", Network::Regtest, "block_hex"),
        ("tests/vectors/mainnet_371337.json", Network::Mainnet, "block"),
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

/// Finds a nonce with which 80 bytes of header have the work that regtest wants, which takes two tries; or have not.
pub(crate) fn mine(header: &mut [u8], enough: bool) {
    for nonce in 0u32.. {
        header[NONCE..80].copy_from_slice(&nonce.to_le_bytes());
        // The target is 7fffff and zeros: the highest bit decides, nearly always.
        let hash = pow_hash(header[..80].try_into().expect("80 bytes"));
        if (enough && hash[31] < 0x7f) || (!enough && hash[31] > 0x7f) {
            return;
        }
    }
}

/// A block without auxpow that has the work.
pub(crate) fn mined(mut block: Vec<u8>) -> Bytes {
    mine(&mut block, true);
    block.into()
}

/// A block without auxpow of these transactions, whose names are those of all their bytes, otherwise as the recorded
/// one.
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes]) -> Bytes {
    assert!(!recorded.is_merged());
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

/// A transaction with this script in its only input, which is a coinbase's, and one output.
pub(crate) fn coinbase(script: &[u8]) -> Bytes {
    let mut bytes = vec![1, 0, 0, 0, 1];
    bytes.put_bytes(0, 32);
    bytes.put_u32_le(u32::MAX);
    bytes.put_byte_string(script);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(&[0x51]);
    bytes.put_u32_le(0);
    bytes.into()
}

/// A transaction that spends nobody's coin, with `script` in its only output.
pub(crate) fn transaction(script: &[u8]) -> Bytes {
    let mut bytes = vec![1, 0, 0, 0, 1];
    bytes.put_bytes(7, 36);
    bytes.put_byte_string(&[]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(script);
    bytes.put_u32_le(0);
    bytes.into()
}

/// A transaction with one input, with a witness of these items.
pub(crate) fn with_witness(transaction: &[u8], items: &[&[u8]]) -> Bytes {
    let (body, lock_time) = transaction.split_at(transaction.len() - 4);
    let mut bytes = body[..4].to_vec();
    bytes.put_slice(&[0, 1]);
    bytes.put_slice(&body[4..]);
    bytes.put_compact_size(items.len() as u64);
    items.iter().for_each(|item| bytes.put_byte_string(item));
    bytes.put_slice(lock_time);
    bytes.into()
}
