//! What the engine says became of a block, beside what the simulation knows to be true: the rule by which the demo
//! judges itself.
//!
//! A block is *as it should be* if
//!
//! - the pool was answered `null`,
//! - every node that keeps its word at once has accepted it and is reported so (a slow one may be late, and one that is
//!   down hears of it when it is back: nobody waits for them),
//! - every peer that keeps its word (honest or slow) has accepted it and is reported so, the observer by its echo,
//! - nobody is called accepted who does not have it,
//! - on a chain where a quorum makes blocks final, it has, and the block is reported so; never before, and by nobody
//!   who does not know,
//! - if it is merge-mined, the block whose work it has is named, and where that one is known.

use std::collections::HashSet;

use relay::{PeerReport, Report};
use serde::{Serialize, Serializer};
use serde_json::Value;
use simnet::{Promise, Temperament};

/// Somebody in the simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Where it is a peer: `host:port`.
    pub(crate) address: String,
    pub(crate) temperament: Temperament,
    pub(crate) part: Part,
}

/// What a member is to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// One of its own nodes, with this role.
    Node(&'static str),
    /// A peer that is sent blocks.
    Peer,
    /// Such a one that signs blocks, by which they become final.
    Quorum,
    /// The peer that is not.
    Observer,
}

/// What is true of a block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// The names of those in whose active chain it is, or was.
    pub(crate) holders: HashSet<String>,
    /// The names of those who know that it is final; `None` on a chain where nothing but work decides.
    pub(crate) final_to: Option<HashSet<String>>,
    /// The other block of the same find.
    pub(crate) twin: Option<Twin>,
}

/// Of two blocks of one find, the other one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Twin {
    /// Which block of this run.
    pub(crate) block: u32,
    pub(crate) chain: &'static str,
    pub(crate) hash: String,
    /// Whether it is the one that has the work.
    pub(crate) has_work: bool,
}

/// The report of a block, and what the simulation has to say to it. As JSON: the report's own fields, and
/// `simulation`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) report: Report,
    pub(crate) simulation: Simulation,
}

/// The truth about a block, and how far the engine's account of it agrees.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Simulation {
    /// Which block of this run, from 1.
    pub(crate) block: u32,
    /// How many transactions are in it.
    pub(crate) transactions: u64,
    /// What the pool was told.
    pub(crate) pool: PoolAnswer,
    /// Whether all is as it should be.
    pub(crate) holds: bool,
    /// What is not.
    pub(crate) problems: Vec<Problem>,
    /// The other block, if two were found at once.
    pub(crate) twin: Option<Twin>,
    /// On chains where a quorum makes blocks final.
    pub(crate) finality: Option<Finality>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) peers: Vec<Peer>,
}

/// The last word on a block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finality {
    /// Truth: the quorum has signed it, and somebody knows.
    pub(crate) is_final: bool,
    /// Claim: the engine says so.
    pub(crate) called_final: bool,
}

/// What the front door said to the pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PoolAnswer {
    /// Whether it was `null`.
    pub(crate) accepted: bool,
    /// The result, or `{"error": …}`.
    pub(crate) answer: Value,
    /// How long it took, in milliseconds.
    pub(crate) ms: f64,
}

/// A node of our own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) role: &'static str,
    #[serde(serialize_with = "word")]
    pub(crate) temperament: Temperament,
    /// Truth: the block is, or was, in its active chain.
    pub(crate) has_block: bool,
    /// Claim: the engine says so.
    pub(crate) called_accepted: bool,
    /// The engine's word for its verdict; `pending` while it is awaited.
    pub(crate) judgement: String,
    /// When that was known, in milliseconds since the block was received.
    pub(crate) judged_ms: Option<f64>,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) address: String,
    #[serde(serialize_with = "word")]
    pub(crate) temperament: Temperament,
    /// Whether the engine is to hear of the block from it, and not the other way round.
    pub(crate) observer: bool,
    /// Truth: the block is, or was, in its active chain.
    pub(crate) has_block: bool,
    /// Claim: the engine says so.
    pub(crate) called_accepted: bool,
    /// The engine's word: an outcome, `open` while it waits for one, `not_connected` if there is nothing to tell.
    pub(crate) outcome: String,
    /// The reason or the rival.
    pub(crate) detail: Option<String>,
    /// When the outcome was known, in milliseconds since the block was received.
    pub(crate) outcome_ms: Option<f64>,
    /// On how many connections the block was to go to it.
    pub(crate) connections: usize,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// A member's name, `pool`, or `chain`.
    pub(crate) who: String,
    /// Whether the engine claims more than is true: the one thing that it must never do.
    pub(crate) false_claim: bool,
    /// What is wrong.
    pub(crate) what: String,
}

fn word<S: Serializer>(temperament: &Temperament, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(temperament.name())
}

impl Record {
    /// Puts the two side by side. The truth must be looked up after the report was taken, or a claim could look false
    /// that came true in between.
    pub(crate) fn new(
        block: u32,
        transactions: u64,
        pool: PoolAnswer,
        report: Report,
        members: &[Member],
        truth: &Truth,
    ) -> Self {
        let (mut nodes, mut peers) = (Vec::new(), Vec::new());
        for member in members {
            let has_block = truth.holders.contains(&member.name);
            match member.part {
                Part::Node(role) => nodes.push(node(member, role, has_block, &report)),
                Part::Peer | Part::Quorum | Part::Observer => peers.push(peer(member, has_block, &report)),
            }
        }
        let mut problems: Vec<Problem> = pool_problem(&pool).into_iter().collect();
        problems.extend(nodes.iter().filter_map(node_problem));
        problems.extend(peers.iter().filter_map(|peer| peer_problem(peer, &report)));
        problems.extend(echo_problem(&peers, &report));
        let finality = finality(truth, &report);
        problems.extend(finality.as_ref().and_then(|finality| finality_problem(finality, truth, &report)));
        problems.extend(work_problem(truth.twin.as_ref(), &report));
        let holds = problems.is_empty();
        let twin = truth.twin.clone();
        let simulation =
            Simulation { block, transactions, pool, holds, problems, twin, finality, nodes, peers };
        Self { report, simulation }
    }

    /// Whether everybody who keeps his word has answered. A false claim does not become true by waiting.
    pub(crate) fn is_complete(&self) -> bool {
        self.simulation.problems.iter().all(|problem| problem.false_claim)
    }

    /// Whether there is nothing left to wait for: also those who are not awaited have an outcome.
    pub(crate) fn is_settled(&self) -> bool {
        let Simulation { nodes, peers, .. } = &self.simulation;
        self.is_complete()
            && nodes.iter().all(|node| !node.is_pending())
            && peers.iter().all(|peer| !peer.is_open())
    }
}

impl Member {
    /// Whether it is sure to have each good block in the end, and to say so.
    pub(crate) fn keeps_its_word(&self) -> bool {
        self.temperament.promise() == Promise::Accepts
    }
}

impl Node {
    /// Whether its verdict is waited for: it keeps its word, and at once.
    pub(crate) fn is_awaited(&self) -> bool {
        self.temperament == Temperament::Honest
    }

    /// Whether nothing is known of it yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.judgement == PENDING
    }
}

impl Peer {
    /// Whether the block was sent to it, and what came of that is not known.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome == OPEN
    }

    /// Whether it is the engine's witness: withheld from it by intention.
    pub(crate) fn observes(&self) -> bool {
        self.outcome == "withheld" && self.detail.as_deref() == Some("observer")
    }

    /// Whether it is sure to have each good block in the end, and to say so.
    pub(crate) fn keeps_its_word(&self) -> bool {
        self.temperament.promise() == Promise::Accepts
    }
}

/// The word for a node without a verdict.
const PENDING: &str = "pending";

/// The word for a delivery without an outcome.
const OPEN: &str = "open";

fn node(member: &Member, role: &'static str, has_block: bool, report: &Report) -> Node {
    let said = report.nodes.iter().find(|node| node.node == member.name);
    let judgement = said.and_then(|node| node.judgement.as_deref()).unwrap_or(PENDING);
    Node {
        name: member.name.clone(),
        role,
        temperament: member.temperament,
        has_block,
        called_accepted: judgement == "accepted",
        judgement: judgement.into(),
        judged_ms: said.and_then(|node| node.judged_ms),
    }
}

fn peer(member: &Member, has_block: bool, report: &Report) -> Peer {
    // Each connection has an entry of its own. A success stays one when the peer comes back, and what became of the last
    // connection is not forgotten while the next one is open.
    let entries: Vec<_> = report.peers.iter().filter(|entry| entry.peer == member.address).collect();
    let latest = || entries.iter().rev().find(|entry| entry.outcome.is_some()).or(entries.last());
    let entry = entries.iter().find(|entry| is_success(entry)).or_else(latest);
    Peer {
        name: member.name.clone(),
        address: member.address.clone(),
        temperament: member.temperament,
        observer: member.part == Part::Observer,
        has_block,
        called_accepted: entry.is_some_and(|entry| is_success(entry)),
        outcome: match entry {
            None => "not_connected".into(),
            Some(entry) => entry.outcome.clone().unwrap_or_else(|| OPEN.into()),
        },
        detail: entry.and_then(|entry| entry.detail.clone()),
        outcome_ms: entry.and_then(|entry| entry.outcome_ms),
        connections: entries.len(),
    }
}

/// Whether the engine says that the peer has the block.
fn is_success(entry: &PeerReport) -> bool {
    matches!(entry.outcome.as_deref(), Some("accepted" | "already_had"))
}

fn missing(who: &str, what: impl Into<String>) -> Option<Problem> {
    Some(Problem { who: who.into(), false_claim: false, what: what.into() })
}

fn false_claim(who: &str, what: impl Into<String>) -> Option<Problem> {
    Some(Problem { who: who.into(), false_claim: true, what: what.into() })
}

fn pool_problem(pool: &PoolAnswer) -> Option<Problem> {
    if pool.accepted { None } else { missing("pool", format!("was answered {} and not null", pool.answer)) }
}

fn node_problem(node: &Node) -> Option<Problem> {
    match (node.called_accepted, node.has_block) {
        (true, true) => None,
        (true, false) => false_claim(&node.name, "is called accepted and does not have the block"),
        (false, _) if !node.is_awaited() => None,
        (false, true) => missing(&node.name, format!("has the block and is called {}", node.judgement)),
        (false, false) => {
            missing(&node.name, format!("does not have the block and is called {}", node.judgement))
        }
    }
}

fn peer_problem(peer: &Peer, report: &Report) -> Option<Problem> {
    let (name, kind) = (&peer.name, peer.temperament);
    if peer.called_accepted && kind.promise() == Promise::Never {
        return false_claim(name, format!("is called accepted, and a {kind} peer never takes a block"));
    }
    if peer.called_accepted && !peer.has_block {
        return false_claim(name, "is called accepted and does not have the block");
    }
    if !peer.keeps_its_word() {
        return None;
    }
    let shown = match &peer.detail {
        Some(detail) => format!("{} ({detail})", peer.outcome),
        None => peer.outcome.clone(),
    };
    if peer.observer && !peer.observes() {
        return missing(name, format!("is to observe, and is called {shown}"));
    }
    let has = if peer.has_block { "has the block" } else { "does not have the block" };
    if peer.observes() {
        let echo = report.first_echo.as_ref();
        return match echo {
            // Should it not have the block, the echo is a false claim; that is told once.
            Some(echo) if echo.peer == peer.address => None,
            Some(echo) => missing(name, format!("{has}, and the first echo is from {}", echo.peer)),
            None => missing(name, format!("{has}, and there is no echo")),
        };
    }
    if peer.called_accepted { None } else { missing(name, format!("{has} and is called {shown}")) }
}

/// An echo is a claim, too: that the network has the block.
fn echo_problem(peers: &[Peer], report: &Report) -> Option<Problem> {
    let echo = report.first_echo.as_ref()?;
    match peers.iter().find(|peer| peer.address == echo.peer) {
        Some(peer) if peer.has_block => None,
        Some(peer) => false_claim(&peer.name, "is said to have announced the block and does not have it"),
        // One of the nodes, which are peers by their names.
        None => None,
    }
}

/// Whose work a block has is a claim as well.
fn work_problem(twin: Option<&Twin>, report: &Report) -> Option<Problem> {
    let parent = twin.filter(|twin| twin.has_work);
    let Some(said) = &report.merged_with else {
        let parent = parent?;
        return missing("chain", format!("has the work of {}, which is not said", parent.hash));
    };
    match (parent, &said.chain) {
        (Some(parent), _) if said.hash != parent.hash => {
            false_claim("chain", format!("has the work of {}, and not of {}", parent.hash, said.hash))
        }
        (Some(parent), None) => {
            missing("chain", format!("has the work of a block of {}, which is not said", parent.chain))
        }
        (Some(parent), Some(chain)) if chain == parent.chain => None,
        (None, None) => None,
        (_, Some(chain)) => false_claim("chain", format!("has no work of a block that is known on {chain}")),
    }
}

fn finality(truth: &Truth, report: &Report) -> Option<Finality> {
    if truth.final_to.is_none() && report.finality.is_none() {
        return None;
    }
    let is_final = truth.final_to.as_ref().is_some_and(|known| !known.is_empty());
    let called_final = !matches!(last_word(report), AWAITED | ORPHANED);
    Some(Finality { is_final, called_final })
}

/// The words of a report for a block that is not final; any other is the chain's own for one that is.
pub(crate) const AWAITED: &str = "awaited";
pub(crate) const ORPHANED: &str = "orphaned";

fn last_word(report: &Report) -> &str {
    report.finality.as_ref().map_or(AWAITED, |finality| finality.state.as_str())
}

fn finality_problem(finality: &Finality, truth: &Truth, report: &Report) -> Option<Problem> {
    let word = last_word(report);
    match (finality.called_final, finality.is_final) {
        (true, false) => {
            false_claim("chain", format!("has not made the block final, which is called {word}"))
        }
        (true, true) => {
            let source = report.finality.as_ref()?.node.as_deref()?;
            let knows = truth.final_to.as_ref().is_some_and(|known| known.contains(source));
            if knows { None } else { false_claim(source, "is said to know that the block is final") }
        }
        (false, true) if word == ORPHANED => {
            false_claim("chain", "has made the block final, which is called orphaned")
        }
        (false, true) => missing("chain", format!("has made the block final, which is called {word}")),
        (false, false) => missing("chain", format!("has not made the block final, which is called {word}")),
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
