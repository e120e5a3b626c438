//! The pool's work: from `getblocktemplate` to a block.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::block::{
    Block, HEADER_LENGTH, compact_size, from_hex, has_proof_of_work, hash_from_rpc, hash_to_rpc, height_push,
    merkle_root, sha256d, to_hex,
};
use crate::daemon::Daemon;

/// In every coinbase script, as pools sign theirs.
const TAG: &[u8] = b"/blockcast-e2e/";
/// Where a coinbase pays: a witness program of 20 bytes to which nobody has the key.
const PAYOUT: &[u8; 22] = b"\x00\x14blockcast-e2e-payout";
/// The witness commitment's output script begins with OP_RETURN, a push of 36 bytes and this magic (BIP141).
const COMMITMENT_PREFIX: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
/// Blocks until the subsidy halves on regtest.
const HALVING_INTERVAL: u64 = 150;
/// The first subsidy: 50 coins of 10⁸ units.
const FIRST_SUBSIDY: u64 = 50 * 100_000_000;

/// In which way a block is wrong, or odd. All but [`Flaw::BadProofOfWork`] carry valid proof of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The coinbase is serialised without its witness, as old pool software does. A node puts it back.
    MissingCoinbaseWitness,
    /// Ten zero bytes behind the block. A node does not look at them.
    TrailingBytes,
    /// The merkle root has one bit wrong.
    BadMerkleRoot,
    /// The header's hash is above the target.
    BadProofOfWork,
    /// Serialised for a reader that does not know MWEB: no extension block, and a HogEx without its flag.
    NoMweb,
    /// The parent is a block that nobody has.
    UnknownParent,
    /// The header's time is the median of the last eleven blocks, one second too early.
    TimeTooOld,
    /// The coinbase claims one unit more than subsidy and fees.
    Overpaying,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MissingCoinbaseWitness,
        Self::TrailingBytes,
        Self::BadMerkleRoot,
        Self::BadProofOfWork,
        Self::NoMweb,
        Self::UnknownParent,
        Self::TimeTooOld,
        Self::Overpaying,
    ];

    /// What litecoind's `submitblock` says to it when it has not seen the block before; `null` is acceptance.
    pub fn verdict(self) -> Value {
        match self {
            Self::MissingCoinbaseWitness | Self::TrailingBytes => Value::Null,
            Self::BadMerkleRoot => json!("bad-txnmrklroot"),
            Self::BadProofOfWork => json!("high-hash"),
            Self::NoMweb => json!("mweb-missing"),
            Self::UnknownParent => json!("prev-blk-not-found"),
            Self::TimeTooOld => json!("time-too-old"),
            Self::Overpaying => json!("bad-cb-amount"),
        }
    }
}

/// What a node wants in the next block.
#[derive(Debug, Clone)]
pub struct Template {
    version: u32,
    parent: [u8; 32],
    height: u64,
    time: u32,
    min_time: u32,
    bits: u32,
    coinbase_value: u64,
    transactions: Vec<Transaction>,
    /// The extension block; there is one from MWEB's activation on.
    mweb: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Transaction {
    bytes: Vec<u8>,
    txid: [u8; 32],
    wtxid: [u8; 32],
}

impl Template {
    /// Asks a node.
    ///
    /// # Panics
    /// When the node refuses. litecoind 0.21 does without a connection (-9), on regtest too.
    #[track_caller]
    pub fn of(node: &Daemon) -> Self {
        Self::from_rpc(&node.must("getblocktemplate", json!([{"rules": ["mweb", "segwit"]}])))
    }

    /// Reads what `getblocktemplate` answered.
    ///
    /// # Panics
    /// When a field is missing, or its `default_witness_commitment` is not what we compute ourselves.
    #[track_caller]
    pub fn from_rpc(answer: &Value) -> Self {
        let text = |value: &Value, key: &str| {
            value[key].as_str().unwrap_or_else(|| panic!("template: no text {key} in {value}")).to_owned()
        };
        let number = |key: &str| {
            answer[key].as_u64().unwrap_or_else(|| panic!("template: no number {key} in {answer}"))
        };
        let small = |key: &str| u32::try_from(number(key)).expect("header fields have 32 bits");
        let transactions = answer["transactions"].as_array().expect("a template has transactions").iter();
        let template = Self {
            version: small("version"),
            parent: hash_from_rpc(&text(answer, "previousblockhash")),
            height: number("height"),
            time: small("curtime"),
            min_time: small("mintime"),
            bits: u32::from_str_radix(&text(answer, "bits"), 16).expect("bits are hex"),
            coinbase_value: number("coinbasevalue"),
            transactions: transactions
                .map(|tx| Transaction {
                    bytes: from_hex(&text(tx, "data")),
                    txid: hash_from_rpc(&text(tx, "txid")),
                    wtxid: hash_from_rpc(&text(tx, "hash")),
                })
                .collect(),
            mweb: answer["mweb"].as_str().map(from_hex),
        };
        let expected = text(answer, "default_witness_commitment");
        assert_eq!(to_hex(&template.commitment()), expected, "the node computes another witness commitment");
        template
    }

    /// The template for a child of `block` without transactions, before any node has the block.
    ///
    /// For bursts, and for chains that nobody knows yet. It works as long as MWEB is not active: after that, only a
    /// node can make the HogEx.
    ///
    /// # Panics
    /// When this template has an extension block, or is not the one `block` was made from.
    #[track_caller]
    pub fn after(&self, block: &Block) -> Self {
        assert!(self.mweb.is_none(), "only a node can make the next HogEx");
        assert_eq!(block.parent, hash_to_rpc(self.parent), "the block is from another template");
        let height = block.height + 1;
        Self {
            parent: hash_from_rpc(&block.hash),
            height,
            // More than any earlier time, hence more than their median.
            time: block.time() + 1,
            min_time: block.time() + 1,
            coinbase_value: FIRST_SUBSIDY >> (height / HALVING_INTERVAL),
            transactions: Vec::new(),
            ..self.clone()
        }
    }

    /// The height of the block to be made.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The parent's hash, as RPC writes it.
    pub fn parent(&self) -> String {
        hash_to_rpc(self.parent)
    }

    /// How many transactions there are beside the coinbase; a HogEx counts.
    pub fn transaction_count(&self) -> usize {
        self.transactions.len()
    }

    /// Whether MWEB is active.
    pub fn has_mweb(&self) -> bool {
        self.mweb.is_some()
    }

    /// A valid block. Each call gives another one (its coinbase has a new extra nonce): two blocks of one
    /// template are siblings, and rivals.
    pub fn block(&self) -> Block {
        self.make(None)
    }

    /// A block with this flaw and, but for that, valid; another one at each call.
    ///
    /// # Panics
    /// For [`Flaw::NoMweb`] when MWEB is not active.
    #[track_caller]
    pub fn flawed(&self, flaw: Flaw) -> Block {
        assert!(
            flaw != Flaw::NoMweb || self.has_mweb(),
            "a block before MWEB's activation has nothing to lose"
        );
        self.make(Some(flaw))
    }

    fn make(&self, flaw: Option<Flaw>) -> Block {
        static EXTRA_NONCE: AtomicU64 = AtomicU64::new(1);
        let extra_nonce = EXTRA_NONCE.fetch_add(1, Ordering::Relaxed);
        let value = self.coinbase_value + u64::from(flaw == Some(Flaw::Overpaying));
        let coinbase = Coinbase { height: self.height, extra_nonce, value, commitment: self.commitment() };

        let parent = match flaw {
            Some(Flaw::UnknownParent) => sha256d(&extra_nonce.to_le_bytes()),
            _ => self.parent,
        };
        let txids =
            std::iter::once(sha256d(&coinbase.stripped())).chain(self.transactions.iter().map(|tx| tx.txid));
        let mut root = merkle_root(txids.collect());
        if flaw == Some(Flaw::BadMerkleRoot) {
            root[0] ^= 1;
        }
        let time = match flaw {
            Some(Flaw::TimeTooOld) => self.min_time - 1,
            _ => self.time,
        };
        let header = self.mine(&parent, &root, time, flaw != Some(Flaw::BadProofOfWork));

        let mut bytes = header.to_vec();
        bytes.extend(compact_size(1 + self.transactions.len()));
        bytes.extend(match flaw {
            Some(Flaw::MissingCoinbaseWitness) => coinbase.stripped(),
            _ => coinbase.with_witness(),
        });
        for (index, tx) in self.transactions.iter().enumerate() {
            if flaw == Some(Flaw::NoMweb) && index + 1 == self.transactions.len() {
                bytes.extend(without_mweb_flag(&tx.bytes));
            } else {
                bytes.extend(&tx.bytes);
            }
        }
        if let Some(mweb) = self.mweb.as_ref().filter(|_| flaw != Some(Flaw::NoMweb)) {
            bytes.push(1); // the extension block is an optional field: present
            bytes.extend(mweb);
        }
        if flaw == Some(Flaw::TrailingBytes) {
            bytes.extend([0; 10]);
        }
        Block { bytes, hash: hash_to_rpc(sha256d(&header)), parent: hash_to_rpc(parent), height: self.height }
    }

    /// The header whose proof of work holds, or does not, as wanted. On regtest every other nonce will do.
    fn mine(&self, parent: &[u8; 32], root: &[u8; 32], time: u32, valid: bool) -> [u8; HEADER_LENGTH] {
        let numbers = [time, self.bits].map(u32::to_le_bytes).concat();
        let start = [&self.version.to_le_bytes(), &parent[..], root, &numbers].concat();
        (0..u32::MAX)
            .map(|nonce: u32| [&start[..], &nonce.to_le_bytes()].concat().try_into().expect("80 bytes"))
            .find(|header| has_proof_of_work(header) == valid)
            .expect("one of 2^32 nonces fits a target that every other hash meets")
    }

    /// The script of the coinbase's second output: it commits to the witnesses of all transactions (BIP141).
    fn commitment(&self) -> Vec<u8> {
        // The coinbase counts as zero, and the reserved value, in its witness, is zero too.
        let wtxids = std::iter::once([0; 32]).chain(self.transactions.iter().map(|tx| tx.wtxid));
        let hash = sha256d(&[merkle_root(wtxids.collect()), [0; 32]].concat());
        [&COMMITMENT_PREFIX[..], &hash].concat()
    }
}

struct Coinbase {
    height: u64,
    extra_nonce: u64,
    value: u64,
    commitment: Vec<u8>,
}

impl Coinbase {
    const VERSION: [u8; 4] = 2u32.to_le_bytes();
    const LOCK_TIME: [u8; 4] = [0; 4];

    /// Without witness: what the txid is the hash of.
    fn stripped(&self) -> Vec<u8> {
        [&Self::VERSION[..], &self.inputs_and_outputs(), &Self::LOCK_TIME].concat()
    }

    /// With the witness that BIP141 asks for: one item of 32 zero bytes.
    fn with_witness(&self) -> Vec<u8> {
        let witness = [&[1, 32][..], &[0; 32]].concat();
        [&Self::VERSION[..], &[0, 1], &self.inputs_and_outputs(), &witness, &Self::LOCK_TIME].concat()
    }

    fn inputs_and_outputs(&self) -> Vec<u8> {
        let script =
            [&height_push(self.height)[..], &[8], &self.extra_nonce.to_le_bytes(), &push(TAG)].concat();
        let no_output_spent = [&[0; 32][..], &[0xff; 4]].concat();
        let input = [&no_output_spent[..], &with_length(&script), &[0xff; 4]].concat();
        let payout = [&self.value.to_le_bytes()[..], &with_length(PAYOUT)].concat();
        let commitment = [&[0; 8][..], &with_length(&self.commitment)].concat();
        [&[1][..], &input, &[2], &payout, &commitment].concat()
    }
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [compact_size(bytes.len()), bytes.to_vec()].concat()
}

/// A script that pushes up to 75 bytes: the length is the opcode.
fn push(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() <= 75);
    with_length(bytes)
}

/// A HogEx as a reader without MWEB gets it. With MWEB it has marker 00 and flag 08 behind the version, no
/// witness, and before the lock time a byte 00 where another transaction may hold its MWEB part.
fn without_mweb_flag(hogex: &[u8]) -> Vec<u8> {
    let end = hogex.len() - 5;
    assert!(hogex[4..6] == [0, 8] && hogex[end] == 0, "not a HogEx: {}", to_hex(hogex));
    [&hogex[..4], &hogex[6..end], &hogex[end + 1..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Template {
        Template::from_rpc(
            &recordings::read("litecoin/rpc_replies.json")["replies"]["getblocktemplate"]["json"]["result"],
        )
    }

    #[test]
    fn two_blocks_of_one_template_are_different_children_of_one_parent() {
        let template = recorded();
        let (one, two) = (template.block(), template.block());
        assert_ne!(one.hash, two.hash);
        assert_eq!((&one.parent, &two.parent), (&template.parent(), &template.parent()));
        assert_eq!(one.header()[4..36], hash_from_rpc(&one.parent));
    }

    #[test]
    fn only_bad_proof_of_work_has_a_hash_above_the_target() {
        let template = recorded();
        for flaw in Flaw::ALL {
            let header = template.flawed(flaw).header().try_into().unwrap();
            assert_eq!(has_proof_of_work(&header), flaw != Flaw::BadProofOfWork, "{flaw:?}");
        }
    }

    #[test]
    fn a_hogex_without_its_flag_hashes_to_its_txid() {
        let template = recorded();
        let hogex = template.transactions.last().unwrap();
        assert_eq!(sha256d(&without_mweb_flag(&hogex.bytes)), hogex.txid);
    }
}
