//! The pool's work on Dash, done by a node apart. On Dogecoin such a node gives whole blocks too; see
//! [`merged`](crate::merged) for the rest.
//!
//! A pool makes the coinbase and looks for a nonce. On Dash both are better left to dashd: the coinbase's payload
//! commits to masternodes and quorums, and the proof of work is X11, eleven hash functions that exist nowhere in this
//! crate. So one more dashd, connected to nobody, mines the blocks. It is also who knows what a header is called and
//! whether it has its work, for blocks that were damaged on purpose: `submitheader` tells, and needs no block.

use serde_json::{Value, json};

use crate::base::Base;
use crate::block::{
    Block, HEADER_LENGTH, compact_size, from_hex, hash_from_rpc, height_push, merkle_root, sha256d, to_hex,
};
use crate::daemon::Daemon;
use crate::program::Options;

/// What was done to a block, or what about it is odd. All but [`Damage::BadProofOfWork`] have their work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The merkle root has one bit wrong.
    BadMerkleRoot,
    /// The header's hash is above the target.
    BadProofOfWork,
    /// The header's time is the median of the last eleven blocks, one second too early.
    TimeTooOld,
    /// The coinbase claims one unit more than subsidy and fees.
    Overpaying,
    /// The coinbase is as before DIP3: without type and payload, its height in the script.
    OldCoinbase,
    /// Ten zero bytes behind the block. A node does not look at them.
    TrailingBytes,
}

impl Damage {
    /// All of them; the one that a node takes in comes last.
    pub const ALL: [Self; 6] = [
        Self::BadMerkleRoot,
        Self::BadProofOfWork,
        Self::TimeTooOld,
        Self::Overpaying,
        Self::OldCoinbase,
        Self::TrailingBytes,
    ];

    /// What dashd's `submitblock` says to it when it has not seen the block before; `null` is acceptance.
    pub fn verdict(self) -> Value {
        match self {
            Self::BadMerkleRoot => json!("bad-txnmrklroot"),
            Self::BadProofOfWork => json!("high-hash"),
            Self::TimeTooOld => json!("time-too-old"),
            Self::Overpaying => json!("bad-cb-amount"),
            Self::OldCoinbase => json!("bad-cb-type"),
            Self::TrailingBytes => Value::Null,
        }
    }
}

/// A dashd, or a dogecoind, that is connected to nobody and mines. Damage is of Dash's blocks only.
#[derive(Debug)]
pub struct Miner {
    node: Daemon,
}

impl Miner {
    /// Starts it on the chain that the others have.
    ///
    /// # Panics
    /// As [`Daemon::start`].
    #[track_caller]
    pub fn start(base: Base) -> Self {
        // In this category the log names headers that are refused.
        let args = vec!["-debug=validation".to_owned()];
        let options = Options { name: "miner".into(), base: Some(base), args, ..Options::default() };
        Self { node: Daemon::start(options) }
    }

    /// The node, to hand it a block that somebody else found.
    pub fn node(&self) -> &Daemon {
        &self.node
    }

    /// The next block, on top of the one before it.
    #[track_caller]
    pub fn block(&self) -> Block {
        let hash = self.node.mine(1).remove(0);
        self.read(&hash)
    }

    /// Another child of the parent of the newest block. The next block is on top of the newest, not of this one.
    #[track_caller]
    pub fn rival_of(&self, newest: &Block) -> Block {
        self.forget(newest);
        let rival = self.block();
        self.node.must("reconsiderblock", json!([newest.hash]));
        self.node.must("preciousblock", json!([newest.hash]));
        assert_eq!(self.node.tip(), newest.hash);
        rival
    }

    /// A child of the newest block that is sound but for this. The next block is not on top of it.
    #[track_caller]
    pub fn damaged(&self, damage: Damage) -> Block {
        let mut block = self.block();
        let transactions = self.node.must("getblock", json!([block.hash, 2]))["tx"].clone();
        self.forget(&block);
        match damage {
            Damage::TrailingBytes => {
                block.bytes.extend([0; 10]);
                return block;
            }
            Damage::BadMerkleRoot => block.bytes[36] ^= 1,
            Damage::TimeTooOld => {
                let parent = self.node.must("getblockheader", json!([block.parent]));
                let median = parent["mediantime"].as_u64().and_then(|time| u32::try_from(time).ok());
                block.bytes[68..72].copy_from_slice(&median.expect("a time").to_le_bytes());
            }
            Damage::Overpaying => change_coinbase(&mut block, &transactions, Coinbase::with_one_unit_more),
            Damage::OldCoinbase => change_coinbase(&mut block, &transactions, Coinbase::of_before_dip3),
            Damage::BadProofOfWork => (),
        }
        block.hash = self.mine(&mut block.bytes[..HEADER_LENGTH], damage != Damage::BadProofOfWork);
        block
    }

    fn read(&self, hash: &str) -> Block {
        let summary = self.node.must("getblock", json!([hash, true]));
        Block {
            bytes: from_hex(&self.node.block_hex(hash)),
            hash: hash.to_owned(),
            parent: summary["previousblockhash"].as_str().expect("a block has a parent").to_owned(),
            height: summary["height"].as_u64().expect("a block has a height"),
        }
    }

    /// Goes back to the block's parent.
    fn forget(&self, newest: &Block) {
        self.node.must("invalidateblock", json!([newest.hash]));
    }

    /// Finds a nonce with which the header has its work, or has not, as wanted; returns its id.
    fn mine(&self, header: &mut [u8], wanted: bool) -> String {
        for nonce in 0_u32.. {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            let refusal = self.node.rpc("submitheader", json!([to_hex(header)])).err().map(|e| e.message);
            if (refusal.as_deref() != Some("high-hash")) == wanted {
                return refusal.map_or_else(|| self.id_of_known(header), |why| self.id_of_refused(&why));
            }
        }
        unreachable!("every other nonce will do on regtest")
    }

    /// A header that was taken in is a tip without its block.
    fn id_of_known(&self, header: &[u8]) -> String {
        let tips = self.node.must("getchaintips", json!([]));
        let ids = tips.as_array().expect("an array").iter().filter_map(|tip| tip["hash"].as_str());
        let found = ids.into_iter().find(|id| {
            self.node.must("getblockheader", json!([id, false])).as_str() == Some(&to_hex(header))
        });
        found.expect("the header that was just taken in").to_owned()
    }

    /// Of a header that was refused just now the log has the id: `Consensus::CheckBlockHeader: ID, WHY, …`.
    fn id_of_refused(&self, why: &str) -> String {
        let log = self.node.log();
        let mut lines = log.lines().rev().filter_map(|line| line.split_once("CheckBlockHeader: "));
        let line = lines.next().expect("the log names a refused header").1;
        let (id, rest) = line.split_once(", ").expect("id and reason");
        assert!(rest.starts_with(why), "not refused for {why}: {line}");
        id.to_owned()
    }
}

/// A coinbase in the form of DIP2, cut where it is changed.
struct Coinbase {
    script: Vec<u8>,
    /// From the input's sequence to the lock time.
    middle: Vec<u8>,
    /// With its length in front.
    payload: Vec<u8>,
    height: u64,
}

impl Coinbase {
    /// Version 3, type 5.
    const VERSION: [u8; 4] = [3, 0, 5, 0];

    /// One input, which spends nothing.
    fn input() -> Vec<u8> {
        [&[1][..], &[0; 32], &[0xff; 4]].concat()
    }

    /// Reads one whose script is shorter than 253 bytes.
    fn read(bytes: &[u8], payload_length: usize, height: u64) -> Self {
        let start = [&Self::VERSION[..], &Self::input()].concat();
        assert!(bytes.starts_with(&start), "not a coinbase of type 5: {}", to_hex(bytes));
        let script_length = usize::from(bytes[start.len()]);
        let (script, rest) = bytes[start.len() + 1..].split_at(script_length);
        let payload_length = compact_size(payload_length).len() + payload_length;
        let (middle, payload) = rest.split_at(rest.len() - payload_length);
        Self { script: script.to_vec(), middle: middle.to_vec(), payload: payload.to_vec(), height }
    }

    fn write(&self, version: [u8; 4], script: &[u8], payload: &[u8]) -> Vec<u8> {
        let script_length = compact_size(script.len());
        [&version[..], &Self::input(), &script_length, script, &self.middle, payload].concat()
    }

    fn with_one_unit_more(mut self) -> Vec<u8> {
        // Behind the sequence and the number of outputs is the first output's value.
        let value = &mut self.middle[5..13];
        let more = u64::from_le_bytes(value.try_into().expect("eight bytes")) + 1;
        value.copy_from_slice(&more.to_le_bytes());
        self.write(Self::VERSION, &self.script, &self.payload)
    }

    fn of_before_dip3(self) -> Vec<u8> {
        self.write([1, 0, 0, 0], &height_push(self.height), &[])
    }
}

/// Puts a changed coinbase into a block, and makes the merkle root fit. `transactions` are those of `getblock HASH 2`.
fn change_coinbase(block: &mut Block, transactions: &Value, change: impl FnOnce(Coinbase) -> Vec<u8>) {
    let all = transactions.as_array().expect("a block has transactions");
    let number = |key: &str| all[0][key].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a number");
    let start = HEADER_LENGTH + compact_size(all.len()).len();
    let end = start + number("size");
    let changed = change(Coinbase::read(&block.bytes[start..end], number("extraPayloadSize"), block.height));

    let others = all[1..].iter().map(|tx| hash_from_rpc(tx["txid"].as_str().expect("a txid")));
    let root = merkle_root(std::iter::once(sha256d(&changed)).chain(others).collect());
    block.bytes.splice(start..end, changed);
    block.bytes[36..68].copy_from_slice(&root);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> (Block, Value) {
        let recording = recordings::read("dash/block_with_quorum_commitment_type6.json");
        let text = |key: &str| recording[key].as_str().unwrap().to_owned();
        let block = Block {
            bytes: from_hex(&text("block_hex")),
            hash: text("hash"),
            parent: text("previousblockhash"),
            height: recording["height"].as_u64().unwrap(),
        };
        let mut transactions: Vec<Value> =
            recording["txids"].as_array().unwrap().iter().map(|txid| json!({"txid": txid})).collect();
        let coinbase = &recording["coinbase_decoded"];
        transactions[0]["size"] = coinbase["size"].clone();
        transactions[0]["extraPayloadSize"] = coinbase["extraPayloadSize"].clone();
        (block, Value::Array(transactions))
    }

    #[test]
    fn a_coinbase_that_is_written_as_it_was_read_leaves_the_recorded_block_as_it_was() {
        let (block, transactions) = recorded();
        let mut again = block.clone();
        change_coinbase(&mut again, &transactions, |coinbase| {
            coinbase.write(Coinbase::VERSION, &coinbase.script, &coinbase.payload)
        });
        assert_eq!(again, block);
    }

    #[test]
    fn the_old_form_of_a_coinbase_loses_its_payload_and_tells_the_height() {
        let (block, transactions) = recorded();
        let mut old = block.clone();
        change_coinbase(&mut old, &transactions, Coinbase::of_before_dip3);
        let payload = transactions[0]["extraPayloadSize"].as_u64().unwrap();
        // One byte of length before the payload; the script grows from one byte to three.
        assert_eq!(old.bytes.len() as u64, block.bytes.len() as u64 - 1 - payload + 2);
        assert_ne!(old.bytes[36..68], block.bytes[36..68]);
        assert!(to_hex(&old.bytes).contains("ffffffff0302ba01"), "height 442");
    }
}
