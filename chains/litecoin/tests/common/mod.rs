//! The recorded Litecoin blocks, and others made of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use bytes::Bytes;
use chain::Network;
use litecoin::{Litecoin, pow_hash};
use recordings::forge;

pub(crate) type Recorded = recordings::Recorded<Litecoin>;

/// Every recorded Litecoin block.
pub(crate) fn blocks() -> Vec<Recorded> {
    const FILES: [(Network, &str); 8] = [
        (Network::Regtest, "litecoin/block_coinbase_only.json"),
        (Network::Regtest, "litecoin/block_20tx_segwit.json"),
        (Network::Regtest, "litecoin/block_mweb_activation_432_pegin.json"),
        (Network::Regtest, "litecoin/block_mweb_hogex_only.json"),
        (Network::Regtest, "litecoin/block_mweb_pegin2.json"),
        (Network::Regtest, "litecoin/block_mweb_transfer_pegout.json"),
        (Network::Mainnet, "mainnet/litecoin_mainnet_2265985.json"),
        (Network::Testnet, "mainnet/litecoin_testnet4_2215586.json"),
    ];
    FILES.into_iter().map(|(network, file)| Recorded::read(Litecoin::new(network), file)).collect()
}

pub(crate) fn block(name: &str) -> Recorded {
    recordings::named(blocks(), name)
}

/// A block that has the work that regtest wants.
pub(crate) fn mined(block: Vec<u8>) -> Bytes {
    forge::mined(block, pow_hash)
}

/// A block with these transactions in place of the recorded one's, with the right merkle root and proof of work.
pub(crate) fn with_transactions(recorded: &Recorded, transactions: &[Bytes], tail: &[u8]) -> Bytes {
    // The names leave the witnesses out, and so are read from a block that is not right yet.
    let unmined = forge::unmined(&recorded.bytes, transactions);
    let indexed =
        recorded.inspect(&[&unmined, tail].concat().into()).block.expect("a block that can be read");
    let names = indexed.transactions.iter().map(|entry| *entry.txid.as_wire()).collect();
    forge::with_transactions(&recorded.bytes, transactions, names, tail, pow_hash)
}

/// Its MWEB part.
pub(crate) fn tail(recorded: &Recorded) -> Bytes {
    recorded.inspect(&recorded.bytes).block.expect("sound").tail()
}

/// A transaction that spends nobody's coin, with `script` in its only output and `item` in its only witness.
pub(crate) fn transaction(script: &[u8], item: Option<&[u8]>) -> Bytes {
    let plain = forge::transaction(2, script);
    item.map_or(plain.clone(), |item| forge::with_witness(&plain, &[item]))
}

/// A coinbase with this script, one output, no commitment and no witness.
pub(crate) fn coinbase(script: &[u8]) -> Bytes {
    forge::coinbase(2, script)
}
