//! What a chain is to the relay.
//!
//! A chain supplies its parameters, its way of writing things ([`wire::Dialect`]), its hashes and block rules, and the
//! manners its daemons expect of a peer ([`SessionPolicy`]). All of that is the [`Chain`] trait; each folder under
//! `chains/` implements it once. This crate holds the trait and the parts that the chains share: compact targets and
//! work, merkle roots, the layout of transactions, and the words in which a block is judged.
//!
//! Like `wire`, it is pure: no I/O, no clock, no randomness. Time is a parameter.
//!
//! # Judging a block
//!
//! [`Chain::inspect`] reads a block once and yields an [`Inspection`]:
//!
//! * **findings**: each names the check, what it expected and what it found. A *warning* was mended or does not matter
//!   to a peer; an *error* means that pushing the block over P2P would get us banned. A finding never keeps a block
//!   from our own nodes: only a node may refuse a block, because a bad block is rejected for free and a false refusal
//!   is a certain loss.
//! * the **canonical form**: the bytes that a peer wants, which may differ from those that a pool hands in (a node
//!   mends a missing coinbase witness, a peer punishes it).
//! * the **index**: where each transaction lies and what its hashes are, for compact blocks and `getblocktxn`.
//!
//! # What a chain knows and asks of nodes
//!
//! Some chains have a last word on a block besides work ([`Finality`]), some know of peers that are worth more than
//! others ([`PeerSource`]), and some issue work for merged mining ([`AuxWork`]). All these are translators: a question in, a [`NodeCall`] out, the node's answer in, what it
//! means out. Who asks, when, and what follows is not theirs.

mod aux_work;
mod block;
pub mod checks;
mod finality;
mod finding;
pub mod merkle;
mod node_call;
mod params;
mod peer_source;
mod policy;
pub mod scrypt;
mod target;
pub mod transaction;

use std::fmt::Debug;

use bytes::Bytes;
use wire::{BlockHash, Dialect, Header};

pub use aux_work::{AuxCall, AuxTemplate, AuxWork};
pub use block::{IndexedBlock, Inspection, TransactionEntry};
pub use finality::{Finality, Lock, ObjectKind};
pub use finding::{Finding, Severity};
pub use node_call::{NodeCall, NodeError, NodeReply, UnreadableReply, unhex};
pub use params::{MAX_FIXED_SEEDS, Network, Networks, ParameterError, Params, ParseNetworkError};
pub use peer_source::{Candidate, Inquiry, PeerSource, Step};
pub use policy::SessionPolicy;
pub use target::{Target, TargetError, Work};

/// The rules of one chain on one network.
pub trait Chain: Debug + Send + Sync {
    /// Magic, ports, genesis and limits.
    fn params(&self) -> &Params;

    /// How the chain writes headers, transactions and inventory types.
    fn dialect(&self) -> &dyn Dialect;

    /// How to behave towards the chain's daemons.
    fn session_policy(&self) -> &SessionPolicy;

    /// A block's name.
    fn block_hash(&self, header: &Header) -> BlockHash;

    /// Whether a header carries the work that it claims, and claims no less than the network's limit allows.
    ///
    /// Costs about a millisecond on scrypt chains. Whether the claim is the one that the chain demands at that height
    /// is not asked: the nodes know.
    ///
    /// # Errors
    /// The finding, with the target and the hash.
    fn check_work(&self, header: &Header) -> Result<(), Finding>;

    /// Judges a block; see the crate's front page. `now` is the time in Unix seconds, against which the header's is
    /// held. Never fails and never panics, whatever the bytes are; costs one proof-of-work hash and one pass.
    fn inspect(&self, block: &Bytes, now: u32) -> Inspection;

    /// How the chain makes blocks final, if it does so other than by burying them.
    fn finality(&self) -> Option<&dyn Finality> {
        None
    }

    /// A source of peers of the chain's own, if it has one.
    fn peer_source(&self) -> Option<&dyn PeerSource> {
        None
    }

    /// How its nodes issue work for merged mining, if they do.
    fn aux_work(&self) -> Option<&dyn AuxWork> {
        None
    }

    /// The block of another chain that has the work of this one, by its name there: two blocks with one piece of work
    /// are one find.
    fn parent_block(&self, _header: &Header) -> Option<BlockHash> {
        None
    }
}
