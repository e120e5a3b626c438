//! The last word on a block, where a chain has one besides work.

use std::fmt::Debug;

use bytes::Bytes;
use wire::{BlockHash, Command, DecodeError, sha256d};

use crate::{NodeCall, NodeReply, UnreadableReply};

/// A kind of object that peers pass around by `inv` and `getdata` as they do blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectKind {
    /// Its number in `inv` and `getdata`.
    pub inv: u32,
    /// The message that it travels in.
    pub command: Command,
    /// The most bytes that it may have.
    pub max_len: usize,
}

/// The statement that a block is final: it and all below it stay, and whatever conflicts with it is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The block.
    pub block: BlockHash,
    /// The block's height.
    pub height: u32,
    /// The statement as it travels between peers.
    pub object: Bytes,
}

impl Lock {
    /// The name by which peers announce it: SHA-256d of its bytes, in wire order.
    pub fn id(&self) -> [u8; 32] {
        sha256d(&self.object)
    }
}

/// How a chain makes blocks final other than by burying them.
///
/// A translator without state: what is final, for which node, and what follows for our blocks is kept by whoever asks.
///
/// # Security
/// Whether a lock is genuine takes signatures and the chain's history to tell, which a relay does not have. So what a
/// peer says is a hint at most, worth a question to a node of ours; only what that node answers counts.
pub trait Finality: Debug + Send + Sync {
    /// The word for a block that is final, for status, reports and metrics: `chainlocked`.
    fn word(&self) -> &'static str;

    /// The daemon's word for what is wrong with a block that a lock forbids: the finding that keeps it off P2P.
    fn conflict(&self) -> &'static str;

    /// How many blocks a peer may be behind a lock and still be able to check it; one that cannot takes that for its
    /// sender's fault.
    fn lag(&self) -> u32;

    /// How locks travel between peers.
    fn object(&self) -> ObjectKind;

    /// Reads a lock that a peer has sent.
    ///
    /// # Errors
    /// When the bytes are no lock.
    fn read(&self, object: Bytes) -> Result<Lock, DecodeError>;

    /// The question for a node's newest lock.
    fn call(&self) -> NodeCall;

    /// What the node's answer says; `None` while it has no lock.
    ///
    /// # Errors
    /// When the answer is not of the daemon's form, or is an error other than that there is none.
    fn answer(&self, reply: NodeReply) -> Result<Option<Lock>, UnreadableReply>;
}
