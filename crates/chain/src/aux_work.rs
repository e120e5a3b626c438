//! Work for blocks that are made by merged mining, as pools fetch it from a node and hand it in.
//!
//! A pool asks a node for work and gets a block's *name*; the block itself stays in that node's memory. Whoever solves a
//! parent block that commits to this name hands in the name and the proof, and only the node that issued the work can
//! put the two together.

use std::fmt::Debug;

use bytes::Bytes;
use serde_json::Value;
use wire::BlockHash;

use crate::{Finding, NodeCall, UnreadableReply};

/// What a pool wants of aux work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuxCall<'a> {
    /// It asks for work.
    Create {
        /// Whether any node may issue it: the call itself says who is paid. Otherwise the node's own wallet is.
        portable: bool,
    },
    /// It has solved some.
    Solved {
        /// The block that the work was for.
        block: BlockHash,
        /// The proof, in hex, as the pool wrote it.
        auxpow: &'a str,
    },
}

/// Work that a node has issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuxTemplate {
    /// The block's name.
    pub block: BlockHash,
    /// Its target, in compact form.
    pub bits: u32,
    /// Its height.
    pub height: u32,
}

/// How a chain's nodes issue aux work and take it back. A translator without state.
pub trait AuxWork: Debug + Send + Sync {
    /// What a pool's call is about; `None` for every other call, and for one whose parameters are not of that form:
    /// what to say to that is the node's business. `params` are those by position, each of which must be a string.
    fn read<'a>(&self, method: &str, params: &[&'a str]) -> Option<AuxCall<'a>>;

    /// The work that a node's answer to [`AuxCall::Create`] issues.
    ///
    /// # Errors
    /// When the answer is not of the daemon's form.
    fn template(&self, result: &Value) -> Result<AuxTemplate, UnreadableReply>;

    /// The calls that hand solved work to the node that issued it: the next is for a node that does not know the one
    /// before. The answer is a truth value, which says that the proof holds and no more: not that the block is in the
    /// chain.
    fn solved(&self, block: BlockHash, auxpow: &str) -> Vec<NodeCall>;

    /// The call for a whole block, in hex, as it is submitted and pushed to peers.
    fn whole_block(&self, block: BlockHash) -> NodeCall;

    /// What is wrong with a proof, as far as it can be told without the block.
    fn judge(&self, template: &AuxTemplate, auxpow: &Bytes) -> Vec<Finding>;
}
