//! The recorded Dash blocks, and others made of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use bytes::{BufMut, Bytes};
use chain::Network;
use dash::{Dash, x11};
use recordings::forge;
use wire::{Encode, sha256d};

pub(crate) type Recorded = recordings::Recorded<Dash>;

/// Every recorded Dash block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(Network, &str); 10] = [
        (Network::Regtest, "dash/block_coinbase_only.json"),
        (Network::Regtest, "dash/block_20tx_pre_dip3.json"),
        (Network::Regtest, "dash/block_dip3_first_432.json"),
        (Network::Regtest, "dash/block_dip3_433.json"),
        (Network::Regtest, "dash/block_with_quorum_commitment_type6.json"),
        (Network::Regtest, "dash/block_20tx_dip3.json"),
        (Network::Regtest, "dash/block_with_chainlock_in_coinbase.json"),
        (Network::Regtest, "dash/block_with_masternode_registration_441.json"),
        (Network::Regtest, "dash/block_with_quorum_commitment_of_a_real_quorum.json"),
        (Network::Mainnet, "mainnet/dash_mainnet_844898.json"),
    ];
    FILES.into_iter().map(|(network, file)| Recorded::read(Dash::new(network), file)).collect()
}

pub(crate) fn block(name: &str) -> Recorded {
    recordings::named(blocks(), name)
}

/// A block that has the work that regtest wants.
pub(crate) fn mined(block: Vec<u8>) -> Bytes {
    forge::mined(block, x11::hash)
}

/// A block with these transactions in place of the recorded one's, with the right merkle root and proof of work.
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes]) -> Bytes {
    let names = transactions.iter().map(|transaction| sha256d(transaction)).collect();
    forge::with_transactions(&recorded.bytes, transactions, names, &[], x11::hash)
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
    // What other chains read as a version of 32 bits.
    let mut bytes = forge::coinbase(i32::from(kind) << 16 | i32::from(version), script).to_vec();
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
