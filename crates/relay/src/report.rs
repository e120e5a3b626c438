//! What is told of a delivery: one structure for REST, CLI, log and tests.

use std::{
    collections::HashSet,
    time::{Duration, Instant, UNIX_EPOCH},
};

use chain::Finding;
use protocol::{
    delivery::{self, WithheldReason},
    verdict::Answer,
};
use serde::{Deserialize, Serialize};

use crate::{
    Delivery, Source,
    delivery::{Fate, JournalState, NodeVerdict, State},
};

/// Everything that is known of a delivery. Times are milliseconds since the block was received.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The chain, by its configured name.
    pub chain: String,
    /// The block.
    pub hash: String,
    /// Its height, as its coinbase says.
    pub height: Option<u32>,
    /// Its parent.
    pub parent: String,
    /// For a merge-mined block: the block of another chain that has its work.
    pub merged_with: Option<MergedReport>,
    /// Length of the submitted bytes.
    pub size: usize,
    /// The door that it came in by.
    pub source: Source,
    /// When it was received, in Unix milliseconds.
    pub received_unix_ms: u64,
    /// How long ago that is.
    pub age_ms: f64,
    /// How often it was handed in again since.
    pub repeats: u64,
    /// What our nodes make of it: `accepted`, `inconclusive`, `refused`, `unanswered`, or `pending`.
    pub status: &'static str,
    /// Whether it is on disk; `null` while that is not known.
    pub durable: Option<bool>,
    /// When it was on disk.
    pub durable_ms: Option<f64>,
    /// Why it is not on disk.
    pub journal_error: Option<String>,
    /// When it had been inspected.
    pub inspected_ms: Option<f64>,
    /// What did not hold.
    pub findings: Vec<Finding>,
    /// Why no peer gets it any more, if that is so.
    pub kept_off_p2p: Option<&'static str>,
    /// Peers that are proven to have it, whether from us or not.
    pub peers_with_block: usize,
    /// Peers that it was to reach: all but observers, and none if it is kept off P2P. One that lacks the parent, or
    /// whose lane is full, counts among them.
    pub peers_addressed: usize,
    /// Peers that it was sent to: those among them that did not have it before their turn came.
    pub peers_sent_to: usize,
    /// The first announcement by a peer that it was not sent to: proof that the network has it.
    pub first_echo: Option<EchoReport>,
    /// The chain's last word; `null` on chains that have none besides work.
    pub finality: Option<FinalityReport>,
    /// What each node said.
    pub nodes: Vec<NodeReport>,
    /// What became of it at each peer: one entry for each connection, so a peer that has come back has several.
    pub peers: Vec<PeerReport>,
}

/// The block of another chain that has a merge-mined block's work.
#[derive(Debug, Clone, Serialize)]
pub struct MergedReport {
    /// Its name there.
    pub hash: String,
    /// The chain, by its configured name, if the block is known to us there: then two blocks of one find are on their
    /// way. A single chain's report does not know the others; whoever does fills it in.
    pub chain: Option<String>,
}

/// The first echo.
#[derive(Debug, Clone, Serialize)]
pub struct EchoReport {
    /// When.
    pub ms: f64,
    /// From whom.
    pub peer: String,
}

/// The chain's last word on the block, by the word of a node of ours.
#[derive(Debug, Clone, Serialize)]
pub struct FinalityReport {
    /// `awaited`, the chain's word for a final block (`chainlocked`), or `orphaned`.
    pub state: &'static str,
    /// When that was known.
    pub ms: Option<f64>,
    /// The block that is final instead.
    pub by: Option<String>,
    /// The node that said so.
    pub node: Option<String>,
    /// When a peer first said that the block is final: a hint, no proof.
    pub claimed_ms: Option<f64>,
}

/// What a node said.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// What its answer amounts to: `accepted`, `inconclusive`, `refused`, `unanswered`; `null` while it is awaited.
    pub judgement: Option<&'static str>,
    /// Its own words: `null` for an accepted block, a word such as `duplicate`, or an error. Absent while awaited.
    pub verdict: Option<serde_json::Value>,
    /// Whether the node only says that it refused the block before, and not why.
    pub masked: bool,
    /// When its first answer came.
    pub answered_ms: Option<f64>,
    /// When the judgement stood.
    pub judged_ms: Option<f64>,
    /// How often it was asked.
    pub attempts: u64,
}

/// What became of it at a peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerReport {
    /// Its name: a node's, or `host:port`.
    pub peer: String,
    /// `accepted`, `already_had`, `outraced`, `processed_unproven`, `rejected`, `withheld`, `disconnected`,
    /// `timed_out`; `null` while it is open.
    pub outcome: Option<String>,
    /// The rival, or the reason.
    pub detail: Option<String>,
    /// The last stage that it has passed: `queued`, `written`, `acked` or `processed`.
    pub stage: Option<String>,
    /// When it was put into the lane.
    pub queued_ms: Option<f64>,
    /// When its last byte was given to the kernel.
    pub written_ms: Option<f64>,
    /// When the peer's kernel had acknowledged it.
    pub acked_ms: Option<f64>,
    /// When the peer had processed it.
    pub processed_ms: Option<f64>,
    /// When the outcome was known.
    pub outcome_ms: Option<f64>,
}

impl PeerReport {
    /// Whether the peer should have got the block: nothing but our own intention may excuse that it did not.
    fn was_to_be_reached(&self) -> bool {
        let intended = [
            WithheldReason::Observer,
            WithheldReason::Finding,
            WithheldReason::Refused,
            WithheldReason::Superseded,
        ];
        let intended = intended.map(WithheldReason::as_str);
        self.outcome.as_deref() != Some("withheld")
            || !self.detail.as_deref().is_some_and(|detail| intended.contains(&detail))
    }

    /// Whether the block was put into its lane and not taken out again.
    fn was_sent(&self) -> bool {
        self.queued_ms.is_some() && self.outcome.as_deref() != Some("withheld")
    }
}

/// How many peers there are for which this holds; one that has come back meanwhile is one peer.
fn count(peers: &[PeerReport], holds: impl Fn(&PeerReport) -> bool) -> usize {
    let names: HashSet<&str> =
        peers.iter().filter(|peer| holds(peer)).map(|peer| peer.peer.as_str()).collect();
    names.len()
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Delivery {
    /// What is known right now.
    pub fn report(&self, chain: &str) -> Report {
        self.read(|state| {
            let other = state.peers_by.clone();
            let peers = match &other {
                Some(other) => other.read(|theirs| self.peers(theirs)),
                None => self.peers(state),
            };
            self.compose(chain, state, peers)
        })
    }

    fn peers(&self, state: &State) -> (Vec<PeerReport>, Option<EchoReport>, usize) {
        let peers = state.tracker.deliveries().iter().map(|delivery| self.peer(delivery)).collect();
        let echo = state.tracker.first_echo();
        let echo = echo.map(|(at, peer)| EchoReport { ms: ms(self.after(*at)), peer: peer.clone() });
        (peers, echo, state.tracker.successes())
    }

    fn compose(
        &self,
        chain: &str,
        state: &State,
        (peers, first_echo, successes): (Vec<PeerReport>, Option<EchoReport>, usize),
    ) -> Report {
        let (durable, durable_ms, journal_error) = match &state.journal {
            JournalState::Pending => (None, None, None),
            JournalState::Durable { after } => (Some(true), Some(ms(*after)), None),
            JournalState::NotDurable { why } => (Some(false), None, Some(why.clone())),
        };
        Report {
            chain: chain.into(),
            hash: self.block().to_string(),
            height: state.height,
            parent: self.parent.to_string(),
            merged_with: state.merged_with.map(|block| MergedReport { hash: block.to_string(), chain: None }),
            size: self.size,
            source: self.source,
            received_unix_ms: self
                .received_wall
                .duration_since(UNIX_EPOCH)
                .map_or(0, |at| at.as_millis() as u64),
            age_ms: ms(self.since_received()),
            repeats: state.repeats,
            status: state.judgement().map_or("pending", |judgement| judgement.kind()),
            durable,
            durable_ms,
            journal_error,
            inspected_ms: state.inspected.map(ms),
            findings: state.findings.clone(),
            kept_off_p2p: state.kept_off_p2p.map(|reason| reason.as_str()),
            peers_with_block: successes,
            peers_addressed: count(&peers, PeerReport::was_to_be_reached),
            peers_sent_to: count(&peers, PeerReport::was_sent),
            first_echo,
            finality: self.finality.map(|word| finality(word, state)),
            nodes: state.nodes.iter().map(node).collect(),
            peers,
        }
    }

    fn after(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.received_at)
    }

    fn peer(&self, delivery: &delivery::Delivery) -> PeerReport {
        let stages = delivery.stages;
        let time = |at: Option<Instant>| at.map(|at| ms(self.after(at)));
        let passed = [
            (stages.processed, "processed"),
            (stages.acked, "acked"),
            (stages.written, "written"),
            (stages.queued, "queued"),
        ];
        let stage = passed.iter().find(|(at, _)| at.is_some()).map(|(_, name)| (*name).to_owned());
        PeerReport {
            peer: delivery.name.clone(),
            outcome: delivery.outcome.as_ref().map(|outcome| outcome.kind().to_owned()),
            detail: delivery.outcome.as_ref().and_then(|outcome| outcome.detail()),
            stage,
            queued_ms: time(stages.queued),
            written_ms: time(stages.written),
            acked_ms: time(stages.acked),
            processed_ms: time(stages.processed),
            outcome_ms: time(stages.settled),
        }
    }
}

fn finality(word: &'static str, state: &State) -> FinalityReport {
    let claimed_ms = state.claimed.map(ms);
    let (state, after, by, node) = match &state.fate {
        None => ("awaited", None, None, None),
        Some(Fate::Final { after, node }) => (word, Some(*after), None, Some(node.clone())),
        Some(Fate::Orphaned { by, after, node }) => {
            ("orphaned", Some(*after), Some(by.to_string()), Some(node.clone()))
        }
    };
    FinalityReport { state, ms: after.map(ms), by, node, claimed_ms }
}

fn node(verdict: &NodeVerdict) -> NodeReport {
    let words = verdict.answer.as_ref().map(|answer| match answer {
        Answer::Null => serde_json::Value::Null,
        Answer::Word(word) => word.as_str().into(),
        Answer::Error { code, message } => serde_json::json!({ "code": code, "message": message }),
        Answer::Nothing { kind, message, .. } => {
            serde_json::json!({ "unanswered": kind, "message": message })
        }
    });
    let masked =
        matches!(verdict.judgement, Some(protocol::verdict::Judgement::Refused { masked: true, .. }));
    NodeReport {
        node: verdict.node.clone(),
        judgement: verdict.judgement.as_ref().map(|judgement| judgement.kind()),
        verdict: words,
        masked,
        answered_ms: verdict.answered.map(ms),
        judged_ms: verdict.judged.map(ms),
        attempts: verdict.attempts,
    }
}
