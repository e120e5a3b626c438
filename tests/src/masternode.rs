//! A masternode of Dash on regtest, and the quorum of which it is the only member.
//!
//! ChainLocks are signed by quorums. With `-llmqtestparams=1:1`, which all our dashds get, the quorum that signs them
//! has one member, so one dashd with a key makes real locks. dashd's own way to register a masternode wants a wallet;
//! the transaction needs none, since its collateral is an output of itself and what it spends can be spent by
//! anyone.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use crate::block::{compact_size, from_hex, hash_from_rpc, sha256d, to_hex};
use crate::daemon::Daemon;
use crate::wait::eventually;

/// The operator's key, as `bls generate` gave it: it guards coins of regtest only.
const SECRET: &str = "108befd38d1ecd0f8f4f6c5435580ffba89e01d230cd01e77d688ee0276a8537";
const PUBLIC: &str =
    "b6a0f141a005dc91e24d9503ed1999b9e30734015db3ccba19056ff4151e80a976a6b3fea352288af981d2400d392fd8";
/// Where the chain says that the masternode is. Nobody listens there: it has no other member to be called by.
const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 19899);
/// The key that may turn features of regtest on; it is in dashd's source.
const SPORK_KEY: &str = "cP4EKFyJsHT39LDqgdcB43Y3YXjNyjb5Fuas1GQSeAtjnZWmZEQK";
/// How often a quorum begins, in blocks.
const CYCLE: u64 = 24;

/// The arguments of a dashd that is the masternode. There should be one on each network.
pub fn args() -> Vec<String> {
    vec![format!("-masternodeblsprivkey={SECRET}"), format!("-externalip={}", address())]
}

/// Where the chain says that it is.
pub fn address() -> SocketAddr {
    SocketAddr::from(ADDRESS)
}

/// The arguments of the masternode that makes the chain: it turns features on and takes odd transactions.
pub(crate) fn args_of_founder() -> Vec<String> {
    [
        args(),
        vec![format!("-sporkkey={SPORK_KEY}")],
        ["-acceptnonstdtxn=1", "-debug=llmq-dkg"].map(str::to_owned).to_vec(),
    ]
    .concat()
}

/// On a chain without masternodes, registers one and lets it form a quorum that signs ChainLocks.
///
/// | block | |
/// |---|---|
/// | 441 | the registration |
/// | 500 | from here on a dashd may act as a masternode |
/// | 504 | the quorum begins; with one member it is done at once |
/// | 514 | the quorum is on the chain |
/// | 522 | it signs |
pub(crate) fn found(node: &Daemon) {
    let blocks = node.mine(440);
    // Three coinbases, of 500 coins each, pay the collateral of 1000; the rest is lost as a fee.
    node.must("sendrawtransaction", json!([to_hex(&registration(node, &blocks[..3])), 0]));
    node.mine(1);
    for spork in ["SPORK_17_QUORUM_DKG_ENABLED", "SPORK_19_CHAINLOCKS_ENABLED"] {
        node.must("sporkupdate", json!([spork, 0]));
    }
    node.mine(60);
    eventually(Duration::from_secs(20), "the masternode is ready", || {
        node.must("masternode", json!(["status"]))["state"] == "READY"
    });
    let until_quorum = CYCLE - node.height() % CYCLE;
    node.mine(usize::try_from(until_quorum).expect("at most 24"));
    // The quorum is formed beside, and only as long as its phase lasts, which is two blocks. What it has come to can be
    // asked when it is too late only; the log tells at once.
    eventually(Duration::from_secs(20), "the quorum has formed", || {
        node.log().contains("final commitment: validMembers=1")
    });
    node.mine(22);
    eventually(Duration::from_secs(20), "the first ChainLock", || {
        node.rpc("getbestchainlock", json!([])).is_ok_and(|lock| lock["blockhash"] == node.tip())
    });
}

/// A transaction of type 1 (DIP3) that spends the coinbases of these blocks.
fn registration(node: &Daemon, blocks: &[String]) -> Vec<u8> {
    let outpoints: Vec<Vec<u8>> = blocks
        .iter()
        .map(|hash| {
            let txid = node.must("getblock", json!([hash, 1]))["tx"][0].clone();
            [&hash_from_rpc(txid.as_str().expect("a txid"))[..], &[0; 4]].concat()
        })
        .collect();
    let input = |outpoint: &Vec<u8>| [outpoint, &[0][..], &[0xff; 4]].concat();
    let inputs: Vec<u8> = outpoints.iter().flat_map(input).collect();
    let collateral = [&(1000 * 100_000_000_u64).to_le_bytes()[..], &pay_to(b"of the collateral!!!")].concat();

    let (ip, port) = ADDRESS;
    let owner = b"of owner and voter!!"; // only from block 500 on may they differ
    let payload = [
        &[2, 0, 0, 0, 0, 0][..], // version, type, mode
        &[0; 36],                // the collateral: output 0 of this transaction
        &[0; 10],
        &[0xff; 2],
        &ip,
        &port.to_be_bytes(),
        owner,
        &from_hex(PUBLIC),
        owner,
        &[0; 2], // the operator's share
        &pay_to(b"of whom it pays to!!"),
        &sha256d(&outpoints.concat()),
        &[0], // no signature: that of the inputs' owner would do, and they have none
    ]
    .concat();
    let count = u8::try_from(outpoints.len()).expect("a few");
    [&[3, 0, 1, 0, count][..], &inputs, &[1], &collateral, &[0; 4], &compact_size(payload.len()), &payload]
        .concat()
}

/// A script, with its length, that pays to a key of this hash.
fn pay_to(key_hash: &[u8; 20]) -> Vec<u8> {
    [&[25, 0x76, 0xa9, 20][..], key_hash, &[0x88, 0xac]].concat()
}
