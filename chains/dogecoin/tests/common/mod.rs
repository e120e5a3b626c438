//! The recorded Dogecoin blocks, and others made of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use bytes::Bytes;
use chain::Network;
use dogecoin::{AuxPow, Dogecoin, pow_hash};
use recordings::forge;
use wire::sha256d;

pub(crate) mod draft;

pub(crate) type Recorded = recordings::Recorded<Dogecoin>;

/// Every recorded Dogecoin block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(Network, &str); 6] = [
        (Network::Regtest, "dogecoin/block_coinbase_only.json"),
        (Network::Regtest, "dogecoin/block_20tx.json"),
        (Network::Regtest, "dogecoin/block_auxpow_simple.json"),
        (Network::Regtest, "dogecoin/block_auxpow_tree8_parent5tx.json"),
        (Network::Regtest, "dogecoin/block_auxpow_by_node.json"),
        (Network::Mainnet, "mainnet/dogecoin_mainnet_371337.json"),
    ];
    FILES.into_iter().map(|(network, file)| Recorded::read(Dogecoin::new(network), file)).collect()
}

pub(crate) fn block(name: &str) -> Recorded {
    recordings::named(blocks(), name)
}

/// Finds a nonce with which a header has the work that regtest wants; or has not.
pub(crate) fn mine(header: &mut [u8], enough: bool) {
    forge::mine(header, pow_hash, enough);
}

/// A block without auxpow that has the work.
pub(crate) fn mined(block: Vec<u8>) -> Bytes {
    forge::mined(block, pow_hash)
}

/// A block without auxpow of these transactions, whose names are those of all their bytes, otherwise as the recorded
/// one.
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes]) -> Bytes {
    assert!(AuxPow::of(&recorded.header()).is_none());
    let names = transactions.iter().map(|transaction| sha256d(transaction)).collect();
    forge::with_transactions(&recorded.bytes, transactions, names, &[], pow_hash)
}

/// A coinbase with this script and one output.
pub(crate) fn coinbase(script: &[u8]) -> Bytes {
    forge::coinbase(1, script)
}

/// A transaction that spends nobody's coin, with `script` in its only output.
pub(crate) fn transaction(script: &[u8]) -> Bytes {
    forge::transaction(1, script)
}
