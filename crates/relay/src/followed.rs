//! A block whose fate is followed: what the chain says of it, and what is told of that.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use ledger::{Change, Heard, Place, Report};
use protocol::{
    diagnosis::{self, Evidence},
    fate::{self, Fate, State, Verdict},
    sightings::Sighting,
};
use wire::BlockHash;

use crate::report::unix_ms;

/// How many changes of a block's state are kept, the latest among them.
const CHANGES: usize = 100;

/// How far beyond its last word a block is followed: the depth from which a coinbase may be spent (Litecoin and Dash,
/// consensus.h). A reorganisation that goes deeper is a calamity that needs no relay to be noticed.
const BEYOND: u32 = 100;

/// How long a block is followed that has the last word but no depth: a rejected one, or what a lock has settled.
const SETTLED: Duration = Duration::from_secs(3600);

/// How long any block is followed.
const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A block whose fate is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) block: BlockHash,
    pub(crate) parent: BlockHash,
    pub(crate) height: Option<u32>,
    pub(crate) fate: Fate,
    /// What was told last.
    pub(crate) told: ledger::Fate,
    /// The delivery that says most about it, as last told: the evidence, should it not make it.
    pub(crate) report: Report,
    pub(crate) received_at: Instant,
    /// Whether its parent is in the active chain of the node that was asked last, where that matters.
    pub(crate) parent_in_chain: Option<bool>,
    /// Each node's tip when it was asked last: where nothing has changed, there is nothing to ask.
    pub(crate) asked: HashMap<String, BlockHash>,
    /// When each node said what it said, in Unix milliseconds.
    pub(crate) spoken: HashMap<String, u64>,
    /// Whether its delivery has been written down, so that the ledger knows whose fate this is.
    pub(crate) recorded: bool,
}

/// What has changed.
pub(crate) struct News {
    pub(crate) before: String,
    pub(crate) verdict: Verdict,
    /// Whether it is a last word, and there was none before.
    pub(crate) is_first_word: bool,
}

impl Followed {
    /// A block that was handed in just now.
    pub(crate) fn new(
        block: BlockHash,
        parent: BlockHash,
        required: u32,
        report: Report,
        received_at: Instant,
    ) -> Self {
        let told = ledger::Fate {
            state: word(State::Open, "").into(),
            since_unix_ms: report.received_unix_ms,
            required,
            ..ledger::Fate::default()
        };
        Self {
            block,
            parent,
            height: report.height,
            fate: Fate::new(required),
            told,
            report,
            received_at,
            parent_in_chain: None,
            asked: HashMap::new(),
            spoken: HashMap::new(),
            recorded: false,
        }
    }

    /// A block of an earlier run, as the ledger has it.
    pub(crate) fn of(block: ledger::Block, required: u32) -> Option<Self> {
        let best = block.deliveries.iter().min_by_key(|report| rank(report)).cloned()?;
        let age = unix_ms(SystemTime::now()).saturating_sub(best.received_unix_ms);
        let mut followed = Self::new(
            block.hash.parse().ok()?,
            block.parent.parse().ok()?,
            required,
            best,
            Instant::now().checked_sub(Duration::from_millis(age)).unwrap_or_else(Instant::now),
        );
        followed.height = block.height;
        followed.told = ledger::Fate { required, ..block.fate };
        followed.recorded = true;
        Some(followed)
    }

    /// Takes over what is known of a delivery now, unless another form of the block is known to be the better one.
    pub(crate) fn learn(&mut self, report: Report) {
        if rank(&report) <= rank(&self.report) || report.form == self.report.form {
            self.height = self.height.or(report.height);
            self.report = report;
        }
    }

    /// Weighs all words anew; `None` if nothing is to be told. `lock` is the chain's word for a block that is final by
    /// other means than work.
    pub(crate) fn judge(&mut self, lock: &'static str, rival: Option<&Sighting>) -> Option<News> {
        let verdict = self.fate.verdict();
        let state = word(verdict.state, lock);
        // A node that has not been asked yet, after a start, takes nothing back.
        if verdict.state == State::Open && self.fate.words().next().is_none() {
            return None;
        }
        let by = verdict.rival.map(|(rival, _)| rival.to_string());
        let mut told = ledger::Fate {
            state: state.into(),
            confirmations: verdict.confirmations,
            by: by.clone(),
            node: verdict.node.clone(),
            places: self.fate.words().map(|(node, word)| self.place(node, word)).collect(),
            ..self.told.clone()
        };
        let changed = told.state != self.told.state || told.by != self.told.by;
        if changed {
            let now = unix_ms(SystemTime::now());
            told.since_unix_ms = now;
            if told.changes.len() == CHANGES {
                told.changes.remove(CHANGES / 2);
            }
            let node = verdict.node.clone();
            told.changes.push(Change { unix_ms: now, state: state.into(), by, node });
            told.rival_heard = None;
        }
        if told.rival_heard.is_none() && verdict.rival.is_some() {
            told.rival_heard = rival.map(|sighting| self.heard(sighting));
        }
        let lost = matches!(verdict.state, State::Side | State::Orphaned | State::Rejected);
        told.diagnosis = lost.then(|| self.diagnose(&verdict, rival));
        if told == self.told {
            return None;
        }
        let is_first_word = verdict.state.is_final() && !self.told.is_final();
        let before = std::mem::replace(&mut self.told, told).state;
        Some(News { before, verdict, is_first_word })
    }

    fn place(&self, node: &str, word: &fate::Word) -> Place {
        Place {
            node: node.into(),
            place: word.place.as_str().into(),
            confirmations: word.place.depth(),
            rival: word.rival.map(|(rival, _)| rival.to_string()),
            unix_ms: self.spoken.get(node).copied().unwrap_or_default(),
        }
    }

    /// A sighting by the wall clock, by its distance from the block's receipt.
    fn heard(&self, sighting: &Sighting) -> Heard {
        let unix_ms = self.report.received_unix_ms as f64 + self.since_received(sighting.first);
        Heard { unix_ms: unix_ms.max(0.0) as u64, from: sighting.from.clone() }
    }

    /// Milliseconds since the block was received; below zero for what was before.
    fn since_received(&self, at: Instant) -> f64 {
        let (after, before) =
            (at.saturating_duration_since(self.received_at), self.received_at.saturating_duration_since(at));
        (after.as_secs_f64() - before.as_secs_f64()) * 1e3
    }

    fn diagnose(&self, verdict: &Verdict, rival: Option<&Sighting>) -> ledger::Diagnosis {
        let report = &self.report;
        let refused = (verdict.state == State::Rejected).then(|| {
            let words = report.nodes.iter().filter_map(|node| Some((&node.node, node.verdict.as_ref()?)));
            words.map(|(node, words)| format!("{node}: {}", spoken(words))).collect::<Vec<_>>().join(", ")
        });
        let accepted = report.nodes.iter().filter(|node| node.judgement.as_deref() == Some("accepted"));
        let has = |outcome: &str| ["accepted", "already_had"].contains(&outcome);
        let proofs = report.peers.iter().filter(|peer| peer.outcome.as_deref().is_some_and(has));
        let proofs_ms: Vec<f64> = proofs.filter_map(|peer| peer.outcome_ms).collect();
        // When the ledger told of the rival, an earlier run had heard of it.
        let told = self.told.rival_heard.as_ref();
        let told = told.map(|heard| heard.unix_ms as f64 - report.received_unix_ms as f64);
        let evidence = Evidence {
            refused,
            finding: report.first_error().map(ToString::to_string),
            parent_in_chain: self.parent_in_chain,
            accepted_ms: accepted.filter_map(|node| node.judged_ms).reduce(f64::min),
            first_proof_ms: proofs_ms.iter().copied().reduce(f64::min),
            echo_ms: report.first_echo.as_ref().map(|echo| echo.ms),
            proofs_ms,
            addressed: report.peers_addressed,
            rival_ms: rival.map(|sighting| self.since_received(sighting.first)).or(told),
            rival_at_node_ms: rival.map(|sighting| self.since_received(sighting.at_node)),
        };
        let diagnosis::Diagnosis { cause, text, behind_ms } = diagnosis::diagnose(&evidence);
        ledger::Diagnosis { kind: cause.as_str().into(), text, behind_ms }
    }

    /// Whether there is nothing more to follow.
    pub(crate) fn is_over(&self) -> bool {
        let age = self.received_at.elapsed();
        if age >= OLDEST {
            return true;
        }
        let verdict = self.fate.verdict();
        let depth = verdict.rival.map_or(verdict.confirmations, |(_, depth)| depth);
        self.told.is_final()
            && (depth >= self.fate.required().saturating_add(BEYOND)
                || (depth == 0 && self.told.places.is_empty() && age >= SETTLED)
                || (matches!(verdict.state, State::Rejected | State::Locked) && age >= SETTLED))
    }
}

/// A node's words without the quotes of JSON.
fn spoken(words: &serde_json::Value) -> String {
    match (words, words.get("message").and_then(|message| message.as_str())) {
        (serde_json::Value::String(word), _) => word.clone(),
        (_, Some(message)) => message.to_owned(),
        _ => words.to_string(),
    }
}

/// The word for a state. `lock` is the chain's own for what a lock makes final.
pub(crate) fn word(state: State, lock: &'static str) -> &'static str {
    match state {
        State::Open => "open",
        State::Active => "active",
        State::Side => "side",
        State::Confirmed => "confirmed",
        State::Orphaned => "orphaned",
        State::Locked => lock,
        State::Rejected => "rejected",
    }
}

/// Which of several deliveries of a block says most about it: the lowest.
fn rank(report: &Report) -> usize {
    let order = ["accepted", "inconclusive", "pending", "unanswered", "refused"];
    order.iter().position(|status| *status == report.status).unwrap_or(order.len())
}
