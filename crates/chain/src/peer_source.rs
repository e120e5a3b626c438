//! Where a chain's nodes know of peers, besides those that they are connected to.

use std::fmt::Debug;

use crate::{NodeCall, NodeReply, UnreadableReply};

/// An address that a node of ours knows, and why it is worth more than any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// `host:port`
    pub address: String,
    /// What it is, one of the source's [labels](PeerSource::labels).
    pub label: &'static str,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask the node these, and come back with the answers in the same order.
    Ask(Vec<NodeCall>),
    /// Done: these are the peers.
    Done(Vec<Candidate>),
}

/// A source of peers of the chain's own.
pub trait PeerSource: Debug + Send + Sync {
    /// The words for its peers in status, score and metrics, the most valuable first. They come before all other
    /// peers that the operator has not named.
    fn labels(&self) -> &'static [&'static str];

    /// Begins to ask a node.
    fn inquire(&self) -> Box<dyn Inquiry>;
}

/// One round of questions to one node, which may depend on one another.
pub trait Inquiry: Debug + Send {
    /// Takes the answers to what was last asked (none at first), and says what to do next.
    ///
    /// # Errors
    /// When an answer is not of the daemon's form. What was learnt before is lost then; a node that lacks a method is no
    /// error if there are peers without it.
    fn step(&mut self, replies: Vec<NodeReply>) -> Result<Step, UnreadableReply>;
}
