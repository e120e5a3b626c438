//! What happened, for whoever wants to compare two runs or to understand one.

use std::time::Duration;

use wire::{BlockHash, Command};

use crate::HangUp;

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When, since the network's start. What a node does later is noted when it decides to.
    pub at: Duration,
    /// At which node, by its place in the setup.
    pub node: usize,
    /// What.
    pub what: Happening,
}

/// What can happen at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The relay dialled it.
    Dialled,
    /// It received a message of the relay whole.
    Received(Command),
    /// It sent a message to the relay.
    Sent(Command),
    /// A block became part of its active chain.
    Accepted(BlockHash),
    /// It learned of a lock, the newest that it knows.
    Locked,
    /// It hung up.
    HungUp(HangUp),
    /// The relay hung up on it.
    Dropped,
}
