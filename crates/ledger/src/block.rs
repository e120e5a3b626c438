//! What is told of a block beyond one delivery: where the chain has it, and why.

use serde::{Deserialize, Serialize};

use crate::{Report, Source};

/// Everything that is known of a block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The chain, by its configured name.
    pub chain: String,
    /// The block.
    pub hash: String,
    /// Its height, as its coinbase says.
    pub height: Option<u32>,
    /// Its parent.
    pub parent: String,
    /// What the chain says.
    pub fate: Fate,
    /// Every time that it was sent on its way, oldest first: once as a rule; again after a restart that found it
    /// unfinished, when it was handed in again after everything had ended, and for other bytes with the same header.
    pub deliveries: Vec<Report>,
    /// Whether its bytes are kept.
    pub raw_kept: bool,
}

/// What the chain says of a block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fate {
    /// `open`: no node has it in its active chain yet. `active`: it is there, not deep enough. `side`: a rival is at its
    /// height, not deep enough. Then the last words: `confirmed`, `orphaned`, `chainlocked`, and `rejected`, if every node
    /// refused it.
    pub state: String,
    /// Since when, in Unix milliseconds.
    pub since_unix_ms: u64,
    /// How deep it is in the active chain; 1 for the tip, 0 where it is not in it.
    pub confirmations: u32,
    /// How deep it, or its rival, has to be for the last word.
    pub required: u32,
    /// The rival that is in its place.
    pub by: Option<String>,
    /// The node whose word it is.
    pub node: Option<String>,
    /// Where each node has it.
    pub places: Vec<Place>,
    /// Every change of the state, oldest first; the first 100 and the latest.
    pub changes: Vec<Change>,
    /// When the rival was first heard of, and from whom.
    pub rival_heard: Option<Heard>,
    /// Why it is not in the chain.
    pub diagnosis: Option<Diagnosis>,
    /// How often it was sent again because no node had it.
    pub replays: Replays,
}

impl Fate {
    /// Whether the chain has had its last word, as far as a chain has one.
    pub fn is_final(&self) -> bool {
        is_last_word(&self.state)
    }
}

/// Whether a state is a last word of the chain.
pub fn is_last_word(state: &str) -> bool {
    !["open", "active", "side"].contains(&state)
}

/// Where a node has a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The node.
    pub node: String,
    /// `active`, `side`, `invalid`, `unknown`, or `unanswered`: the node did not say.
    pub place: String,
    /// How deep it is in the node's active chain; 0 where it is not in it.
    pub confirmations: u32,
    /// The block that the node has at its height instead, if it is that high.
    pub rival: Option<String>,
    /// When the node said so, in Unix milliseconds.
    pub unix_ms: u64,
}

/// The chain changed its mind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
    /// The state from then on.
    pub state: String,
    /// The rival, if there is one.
    pub by: Option<String>,
    /// The node whose word it is.
    pub node: Option<String>,
}

/// When a block of others was first heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
    /// From whom: a node's name, or a peer's address.
    pub from: String,
}

/// Why a block is not in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// `rejected`, `wrong_chain`, `own_node_stalled`, `slow` or `lost_race`.
    pub kind: String,
    /// The reason in a sentence, with its numbers.
    pub text: String,
    /// For a lost race: by how many milliseconds the rival was ahead of our block; below zero if it was behind.
    pub behind_ms: Option<i64>,
}

/// How often a block was sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replays {
    /// So often.
    pub done: u32,
    /// The next time, in Unix milliseconds; absent if there is none to come.
    pub next_unix_ms: Option<u64>,
}

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The chain, by its configured name.
    pub chain: String,
    /// The block.
    pub hash: String,
    /// Its height, as its coinbase says.
    pub height: Option<u32>,
    /// Length of the bytes that came first.
    pub size: usize,
    /// The door that it came in by first.
    pub source: Source,
    /// When, in Unix milliseconds.
    pub received_unix_ms: u64,
    /// What our nodes make of it: the best status of its deliveries.
    pub status: String,
    /// What the chain says of it: see [`Fate::state`].
    pub state: String,
    /// Since when, in Unix milliseconds.
    pub since_unix_ms: u64,
    /// How deep it is in the active chain.
    pub confirmations: u32,
    /// The rival that is in its place.
    pub by: Option<String>,
    /// Why it is not in the chain, in a word.
    pub diagnosis: Option<String>,
    /// Of the delivery that reached most: the peers that are proven to have it.
    pub peers_with_block: usize,
    /// And those that it was to reach.
    pub peers_addressed: usize,
    /// The first announcement by a peer that it was not sent to, in milliseconds since it was received.
    pub first_echo_ms: Option<f64>,
    /// How often it was sent on its way.
    pub deliveries: usize,
}
