//! Recorded blocks, and ways to make others of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{fs, path::PathBuf};

use bytes::{BufMut, Bytes};
use chain::{Chain, Inspection, Network, merkle};
use litecoin::Litecoin;
use serde_json::Value;
use wire::{Encode, Header};

/// Where the header's fields lie.
pub(crate) const MERKLE_ROOT: usize = 36;
pub(crate) const TIME: usize = 68;
pub(crate) const BITS: usize = 72;
pub(crate) const NONCE: usize = 76;

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures"))
}

/// Reads a recording; a missing one fails the test.
pub(crate) fn recording(path: &str) -> Value {
    let path = fixtures().join(path);
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
    pub(crate) fn chain(&self) -> Litecoin {
        Litecoin::new(self.network)
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

/// Every recorded Litecoin block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(&str, Network, &str); 8] = [
        ("litecoin/block_coinbase_only.json", Network::Regtest, "block_hex"),
        ("litecoin/block_20tx_segwit.json", Network::Regtest, "block_hex"),
        ("litecoin/block_mweb_activation_432_pegin.json", Network::Regtest, "block_hex"),
        ("litecoin/block_mweb_hogex_only.json", Network::Regtest, "block_hex"),
        ("litecoin/block_mweb_pegin2.json", Network::Regtest, "block_hex"),
        ("litecoin/block_mweb_transfer_pegout.json", Network::Regtest, "block_hex"),
        ("mainnet/litecoin_mainnet_2265985.json", Network::Mainnet, "block"),
        ("mainnet/litecoin_testnet4_2215586.json", Network::Testnet, "block"),
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
    let chain = Litecoin::new(Network::Regtest);
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
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes], tail: &[u8]) -> Bytes {
    let mut block = recorded.bytes[..80].to_vec();
    block.put_compact_size(transactions.len() as u64);
    transactions.iter().for_each(|transaction| block.extend_from_slice(transaction));
    block.extend_from_slice(tail);
    let indexed = recorded.inspect(&block.clone().into()).block.expect("a block that can be read");
    let root = merkle::tree(indexed.transactions.iter().map(|entry| *entry.txid.as_wire()).collect()).root;
    block[MERKLE_ROOT..TIME].copy_from_slice(&root);
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

/// Its MWEB part.
pub(crate) fn tail(recorded: &Recorded) -> Bytes {
    recorded.inspect(&recorded.bytes).block.expect("sound").tail()
}

/// A transaction that spends nobody's coin, with `script` in its only output and `item` in its only witness.
pub(crate) fn transaction(script: &[u8], item: Option<&[u8]>) -> Bytes {
    let mut bytes = vec![2, 0, 0, 0];
    bytes.put_slice(if item.is_some() { &[0, 1] } else { &[] });
    bytes.put_u8(1);
    bytes.put_slice(&[7; 36]);
    bytes.put_byte_string(&[]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(script);
    if let Some(item) = item {
        bytes.put_u8(1);
        bytes.put_byte_string(item);
    }
    bytes.put_u32_le(0);
    bytes.into()
}

/// A coinbase with this script, one output, no commitment and no witness.
pub(crate) fn coinbase(script: &[u8]) -> Bytes {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.put_slice(&[0; 32]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_byte_string(script);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(0);
    bytes.put_byte_string(&[0x51]);
    bytes.put_u32_le(0);
    bytes.into()
}
