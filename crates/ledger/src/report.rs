//! What is told of a delivery: one structure for REST, CLI, log, tests and the history.

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize};

/// The door that a block came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pool's JSON-RPC.
    FrontDoor,
    /// `POST /api/v1/chains/{chain}/blocks`.
    Rest,
    /// `blockcast submit`.
    Cli,
    /// The journal after a restart, or `blockcast replay`.
    Replay,
}

impl Source {
    /// Every door.
    pub const ALL: [Self; 4] = [Self::FrontDoor, Self::Rest, Self::Cli, Self::Replay];

    /// The word for reports and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FrontDoor => "front_door",
            Self::Rest => "rest",
            Self::Cli => "cli",
            Self::Replay => "replay",
        }
    }
}

/// Everything that is known of a delivery. Times are milliseconds since the block was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The chain, by its configured name.
    pub chain: String,
    /// The block.
    pub hash: String,
    /// What these very bytes are known by: their double SHA-256. A block can come in several forms.
    pub form: String,
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
    /// How long ago that is; absent where it is history.
    #[serde(default)]
    pub age_ms: f64,
    /// How often it was handed in again since.
    pub repeats: u64,
    /// By whom it was handed in, the first of them first: as many as are remembered.
    #[serde(default)]
    pub submissions: Vec<SubmissionReport>,
    /// What our nodes make of it: `accepted`, `inconclusive`, `refused`, `unanswered`, or `pending`.
    pub status: String,
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
    pub kept_off_p2p: Option<String>,
    /// Peers that are proven to have it, whether from us or not.
    pub peers_with_block: usize,
    /// Peers that it was to reach: all but observers, and none if it is kept off P2P. One that lacks the parent, or
    /// whose lane is full, counts among them.
    pub peers_addressed: usize,
    /// Peers that it was sent to: those among them that did not have it before their turn came.
    pub peers_sent_to: usize,
    /// The first announcement by a peer that it was not sent to: proof that the network has it.
    pub first_echo: Option<EchoReport>,
    /// The chain's word that it is final, by other means than work; `null` on chains that have none.
    pub finality: Option<FinalityReport>,
    /// What each node said.
    pub nodes: Vec<NodeReport>,
    /// What became of it at each peer: one entry for each connection, so a peer that has come back has several.
    pub peers: Vec<PeerReport>,
}

/// Somebody handed the block in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionReport {
    /// By which door.
    pub source: Source,
    /// Who: the login and the address of a caller, as far as they are known.
    pub submitter: Option<String>,
    /// When, in Unix milliseconds.
    pub unix_ms: u64,
    /// When the caller was answered, in Unix milliseconds; absent while that has not happened.
    pub answered_unix_ms: Option<u64>,
    /// What the caller was told: `accepted`, a reason, or an error.
    pub answer: Option<String>,
}

/// One check that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check's stable name.
    pub check: String,
    /// `warning` or `error`.
    pub severity: String,
    /// What the check wanted to see.
    pub expected: String,
    /// What it saw.
    pub found: String,
}

impl Finding {
    /// Whether it keeps the block off P2P.
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.check, self.expected, self.found)
    }
}

/// The block of another chain that has a merge-mined block's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedReport {
    /// Its name there.
    pub hash: String,
    /// The chain, by its configured name, if the block is known to us there: then two blocks of one find are on their
    /// way. A single chain's report does not know the others; whoever does fills it in.
    pub chain: Option<String>,
}

/// The first echo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EchoReport {
    /// When.
    pub ms: f64,
    /// From whom.
    pub peer: String,
}

/// The chain's word that a block is final, by the word of a node of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinalityReport {
    /// `awaited`, the chain's word for a final block (`chainlocked`), or `orphaned`.
    pub state: String,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its name.
    pub node: String,
    /// What its answer amounts to: `accepted`, `inconclusive`, `refused`, `unanswered`; `null` while it is awaited.
    pub judgement: Option<String>,
    /// Its own words: `null` for an accepted block, a word such as `duplicate`, or an error. Absent while awaited.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
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

/// A field that is there has a value, even if the value is `null`: the node's `null` is its word for yes.
fn present<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(input).map(Some)
}

/// What became of it at a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Report {
    /// How many peers there are for which this holds; one that has come back meanwhile is one peer.
    pub fn count_peers(peers: &[PeerReport], holds: impl Fn(&PeerReport) -> bool) -> usize {
        let names: HashSet<&str> =
            peers.iter().filter(|peer| holds(peer)).map(|peer| peer.peer.as_str()).collect();
        names.len()
    }

    /// The first finding that keeps the block off P2P.
    pub fn first_error(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.is_error())
    }
}
