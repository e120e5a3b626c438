//! Everything that becomes known of a block on its way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chain::{Finding, IndexedBlock};
use protocol::{
    dedup::Digest,
    delivery::{Tracker, WithheldReason},
    verdict::{Answer, Judgement},
};
use wire::BlockHash;

use super::{Acknowledge, Delivery, Goal};
use crate::{Node, Source, Submission};

/// Everything that becomes known.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) inspected: Option<Duration>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) height: Option<u32>,
    /// The block of another chain that has this one's work.
    pub(crate) merged_with: Option<BlockHash>,
    /// The block itself, while it may still be sent.
    pub(crate) block: Option<Arc<IndexedBlock>>,
    /// What its canonical form is known by; the digest is also what a frame's checksum is cut from.
    pub(crate) canonical: Option<Arc<Digest>>,
    /// Whether this delivery takes the block to peers. Of several forms of a block one does.
    pub(crate) carries: bool,
    /// Why no peer gets the block any more, if that is so.
    pub(crate) kept_off_p2p: Option<WithheldReason>,
    pub(crate) journal: JournalState,
    pub(crate) nodes: Vec<NodeVerdict>,
    /// Whose word the caller is answered with.
    pub(crate) acknowledge: Acknowledge,
    pub(crate) tracker: Tracker,
    /// The chain's last word, once it has spoken.
    pub(crate) fate: Option<Fate>,
    /// When a peer first said that the block is final, which proves nothing.
    pub(crate) claimed: Option<Duration>,
    /// How often the block was handed in again while this delivery was known.
    pub(crate) repeats: u64,
    /// Who handed it in: the first [of them](super::SUBMISSIONS).
    pub(crate) submissions: Vec<Submitted>,
    /// How many crashes of the chain this delivery has lived through while it was running.
    pub(crate) crashes: u32,
    /// Another delivery of the same block, in other bytes, that takes care of the peers.
    pub(crate) peers_by: Option<Arc<Delivery>>,
    /// Whether the block was held against the blocks before it, which must be known for that.
    pub(crate) held_against_parent: bool,
    /// Whether metrics and log have it.
    pub(crate) summed_up: bool,
    /// Whether nothing more happens to it.
    pub(crate) retired: bool,
    /// Whether a rival is so deep in its place that it is not sent again.
    pub(crate) given_up: bool,
    /// Whether the ledger was given its bytes, and whether that was as those that a node has taken.
    pub(super) bytes_kept: Option<bool>,
    /// Whether a node that had it has it no more: what the nodes said is no answer any longer.
    pub(crate) forgotten: bool,
    /// How often it was sent again, long after it came.
    pub(crate) replays: Replays,
    /// Whether the ledger has it, or is known not to work.
    pub(crate) recorded: bool,
    /// Whether a later delivery of the same bytes has taken its place, and with it the journal's record.
    pub(crate) replaced: bool,
}

/// Somebody handed the block in.
#[derive(Debug, Clone)]
pub(crate) struct Submitted {
    pub(crate) source: Source,
    pub(crate) submitter: Option<String>,
    pub(crate) at: Instant,
    /// When the caller was answered, and with what.
    pub(crate) answered: Option<(Instant, String)>,
}

impl Submitted {
    pub(super) fn of(submission: &Submission) -> Self {
        let Submission { source, submitter, received_at, .. } = submission;
        Self { source: *source, submitter: submitter.clone(), at: *received_at, answered: None }
    }
}

/// How often a block was sent again, long after it came, because no node had it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replays {
    pub(crate) done: u32,
    /// How many of them have been told.
    pub(crate) told: u32,
    pub(crate) next: Option<Instant>,
}

/// Whether the block is on disk.
#[derive(Debug, Clone)]
pub(crate) enum JournalState {
    Pending,
    Durable { after: Duration },
    NotDurable { why: String },
}

/// The chain's last word on a block, as a node of ours confirmed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Final {
        /// When that was known.
        after: Duration,
        /// Whose word it is.
        node: String,
    },
    /// Another stays in its place.
    Orphaned {
        /// The other.
        by: BlockHash,
        /// When that was known.
        after: Duration,
        /// Whose word it is.
        node: String,
    },
}

impl Fate {
    pub(crate) fn is_orphaned(&self) -> bool {
        matches!(self, Self::Orphaned { .. })
    }
}

/// One node's answer, and what it amounts to.
#[derive(Debug, Clone)]
pub(crate) struct NodeVerdict {
    pub(crate) node: String,
    pub(crate) primary: bool,
    /// The node's own words; kept from the first answer on, whatever comes later.
    pub(crate) answer: Option<Answer>,
    pub(crate) answered: Option<Duration>,
    pub(crate) judgement: Option<Judgement>,
    pub(crate) judged: Option<Duration>,
    pub(crate) attempts: u64,
}

impl State {
    /// Nothing is known yet, but what is to become of it. `block` and `parent` are its names.
    pub(super) fn new(
        (block, parent): (BlockHash, BlockHash),
        submission: &Submission,
        nodes: &[Arc<Node>],
        acknowledge: Acknowledge,
    ) -> Self {
        let verdict = |node: &Arc<Node>| NodeVerdict {
            node: node.name().to_owned(),
            primary: node.is_primary(),
            answer: None,
            answered: None,
            judgement: None,
            judged: None,
            attempts: 0,
        };
        Self {
            inspected: None,
            findings: Vec::new(),
            height: None,
            merged_with: None,
            block: None,
            canonical: None,
            carries: false,
            kept_off_p2p: None,
            journal: JournalState::Pending,
            nodes: nodes.iter().map(verdict).collect(),
            acknowledge,
            tracker: Tracker::new(block, parent),
            fate: None,
            claimed: None,
            repeats: 0,
            submissions: vec![Submitted::of(submission)],
            crashes: 0,
            peers_by: None,
            held_against_parent: false,
            summed_up: false,
            retired: false,
            given_up: false,
            forgotten: false,
            bytes_kept: None,
            replays: Replays::default(),
            recorded: false,
            replaced: false,
        }
    }

    pub(crate) fn node(&mut self, name: &str) -> Option<&mut NodeVerdict> {
        self.nodes.iter_mut().find(|node| node.node == name)
    }

    /// The best of the nodes' judgements.
    pub(crate) fn judgement(&self) -> Option<&Judgement> {
        self.nodes.iter().filter_map(|node| node.judgement.as_ref()).reduce(Judgement::better)
    }

    /// The judgement that the caller is told.
    pub(crate) fn spokesman(&self) -> Option<&Judgement> {
        match self.acknowledge {
            Acknowledge::First | Acknowledge::All => self.judgement(),
            Acknowledge::Primary => self.primary().and_then(|node| node.judgement.as_ref()),
        }
    }

    fn primary(&self) -> Option<&NodeVerdict> {
        self.nodes.iter().find(|node| node.primary)
    }

    pub(crate) fn first_error(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.severity == chain::Severity::Error)
    }

    pub(crate) fn has_reached(&self, goal: Goal) -> bool {
        match goal {
            // Without a node of ours, a peer's proof stands for a node's word.
            Goal::Node if self.nodes.is_empty() => self.has_reached(Goal::Peers(1)),
            Goal::Node => {
                let all = self.nodes.iter().all(|node| node.judgement.is_some());
                match self.acknowledge {
                    Acknowledge::First => all || matches!(self.judgement(), Some(Judgement::Accepted)),
                    Acknowledge::Primary => self.primary().is_none_or(|node| node.judgement.is_some()),
                    Acknowledge::All => all,
                }
            }
            Goal::Peers(wanted) => match &self.peers_by {
                Some(other) => other.read(|state| state.tracker.successes() >= wanted),
                None => self.tracker.successes() >= wanted,
            },
        }
    }

    /// Whether every node has said what it makes of the block and will say nothing better.
    pub(crate) fn is_judged_for_good(&self) -> bool {
        self.nodes.iter().all(|node| node.judgement.as_ref().is_some_and(Judgement::is_final))
    }

    /// Whether every node has refused the block, for good.
    pub(crate) fn is_refused_for_good(&self) -> bool {
        let refused = |node: &NodeVerdict| matches!(node.judgement, Some(Judgement::Refused { .. }));
        !self.nodes.is_empty() && self.is_judged_for_good() && self.nodes.iter().all(refused)
    }

    /// Whether the journal may let go of the block: a node has it, or none will ever take it, or it is in the chain for
    /// good, or a rival is in its place and deep. That it is dead, by the word of one node, is no reason to keep it from another that has not answered.
    /// Without nodes, a peer's proof stands for a node's.
    pub(crate) fn is_done(&self) -> bool {
        if self.given_up || matches!(self.fate, Some(Fate::Final { .. })) {
            return true;
        }
        let has = |node: &NodeVerdict| {
            matches!(node.judgement, Some(Judgement::Accepted | Judgement::Inconclusive))
        };
        match self.nodes.as_slice() {
            [] => self.has_reached(Goal::Peers(1)),
            nodes => nodes.iter().any(has) || self.is_refused_for_good(),
        }
    }

    /// Whether every peer that was sent to has answered, and it is known to whom the block goes at all.
    pub(crate) fn is_answered_by_peers(&self) -> bool {
        self.inspected.is_some() && self.tracker.is_answered()
    }
}

impl JournalState {
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self, Self::Pending)
    }
}
