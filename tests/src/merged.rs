//! The pool's side of merged mining: a proof for a block of Dogecoin, made of a block of Litecoin's that has the work.
//!
//! Written from the format's description, without the engine's crates, as [`block`](crate::block) is. The parent is as
//! small as one can be: a header and a coinbase that commits to the block.

use serde_json::Value;

use crate::block::{
    Block, HEADER_LENGTH, compact_size, from_hex, has_proof_of_work, hash_to_rpc, merkle_root, sha256d,
    to_hex,
};

/// What is in front of a commitment in the parent's coinbase.
const MARK: [u8; 4] = [0xfa, 0xbe, 0x6d, 0x6d];

/// Work that a node has issued (`createauxblock`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuxWork {
    /// The block's id, as RPC writes it.
    pub hash: String,
    /// The height at which it belongs.
    pub height: u64,
}

/// What is wrong with a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The hash of the parent's header is above the block's target.
    WeakParent,
    /// The parent's coinbase commits to another block.
    OtherCommitment,
    /// The parent is of Dogecoin itself.
    ParentOfOurChain,
}

/// A proof, as `submitauxblock` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The id of the parent block, as Litecoin's RPC writes it.
    pub parent: String,
}

impl Proof {
    /// The bytes in hex.
    pub fn hex(&self) -> String {
        to_hex(&self.bytes)
    }
}

impl AuxWork {
    /// Reads a node's answer.
    ///
    /// # Panics
    /// When it is not one to `createauxblock`, or not from regtest.
    #[track_caller]
    pub fn of(reply: &Value) -> Self {
        assert_eq!((&reply["chainid"], &reply["bits"]), (&98.into(), &"207fffff".into()), "{reply}");
        Self {
            hash: reply["hash"].as_str().expect("work has a block's id").to_owned(),
            height: reply["height"].as_u64().expect("work has a height"),
        }
    }

    /// A proof that holds.
    pub fn solve(&self) -> Proof {
        prove(&self.hash, None)
    }

    /// A proof that does not.
    pub fn flawed(&self, fault: Fault) -> Proof {
        prove(&self.hash, Some(fault))
    }
}

/// A block with a proof of ours, taken apart.
#[derive(Debug, Clone)]
pub struct Parts {
    block: Block,
    proof_length: usize,
}

impl Parts {
    /// Takes a block apart behind whose header there is this proof.
    ///
    /// # Panics
    /// When there is another.
    #[track_caller]
    pub fn of(block: Block, proof: &Proof) -> Self {
        assert!(
            block.bytes[HEADER_LENGTH..].starts_with(&proof.bytes),
            "a node keeps the proof that it was given"
        );
        Self { block, proof_length: proof.bytes.len() }
    }

    /// The block as it is.
    pub fn whole(self) -> Block {
        self.block
    }

    /// The same block, under its own name, with a proof that does not hold.
    pub fn with_fault(mut self, fault: Fault) -> Block {
        let proof = prove(&self.block.hash, Some(fault)).bytes;
        self.block.bytes.splice(HEADER_LENGTH..HEADER_LENGTH + self.proof_length, proof);
        self.block
    }

    /// A block of a coinbase only that takes one unit more than it may, with a proof that holds.
    pub fn overpaying(mut self) -> Block {
        let body = HEADER_LENGTH + self.proof_length;
        assert_eq!(self.block.bytes[body], 1, "a coinbase only");
        let coinbase = &mut self.block.bytes[body + 1..];
        // Version, number of inputs, an outpoint, script, sequence, number of outputs; then the first one's value.
        let value = 41 + 1 + usize::from(coinbase[41]) + 4 + 1;
        let more = u64::from_le_bytes(coinbase[value..value + 8].try_into().expect("eight bytes")) + 1;
        coinbase[value..value + 8].copy_from_slice(&more.to_le_bytes());
        let root = merkle_root(vec![sha256d(coinbase)]);
        self.block.bytes[36..68].copy_from_slice(&root);
        self.block.hash = hash_to_rpc(sha256d(&self.block.bytes[..HEADER_LENGTH]));
        let proof = prove(&self.block.hash, None).bytes;
        self.block.bytes.splice(HEADER_LENGTH..body, proof);
        self.block
    }
}

fn prove(block: &str, fault: Option<Fault>) -> Proof {
    // As RPC writes it: in reverse, as the commitment wants it.
    let mut commitment = from_hex(block);
    if fault == Some(Fault::OtherCommitment) {
        commitment[31] ^= 1;
    }
    // A tree of one place, and its nonce.
    let script = [&[3, 1, 2, 3][..], &MARK, &commitment, &1_u32.to_le_bytes(), &7_u32.to_le_bytes()].concat();
    let input = [&[1][..], &[0; 32], &[0xff; 4], &compact_size(script.len()), &script, &[0xff; 4]].concat();
    let coinbase = [&1_u32.to_le_bytes()[..], &input, &[1], &[0; 8], &[1, 0x51], &[0; 4]].concat();

    let version: u32 = if fault == Some(Fault::ParentOfOurChain) { 0x0062_0004 } else { 0x2000_0000 };
    let (time, bits) = (1_700_000_000_u32.to_le_bytes(), 0x207f_ffff_u32.to_le_bytes());
    let root = merkle_root(vec![sha256d(&coinbase)]);
    let start = [&version.to_le_bytes()[..], &[0x11; 32], &root, &time, &bits].concat();
    let wanted = fault != Some(Fault::WeakParent);
    let mut headers = (0_u32..).map(|nonce| {
        let header = [&start[..], &nonce.to_le_bytes()].concat();
        <[u8; HEADER_LENGTH]>::try_from(header).expect("80 bytes")
    });
    let header = headers
        .find(|header| has_proof_of_work(header) == wanted)
        .expect("every other nonce will do on regtest");

    let id = sha256d(&header);
    // Two empty branches, each with its index: the coinbase is all of its block, and the block all of its tree.
    let bytes = [&coinbase[..], &id, &[0; 5], &[0; 5], &header].concat();
    Proof { bytes, parent: hash_to_rpc(id) }
}
