//! A block whose fate is followed: what the chain says of it, and what is told of that.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime},
};

use ledger::{Change, Heard, NodeReport, Place, Report, is_last_word, rank};
use protocol::{
    diagnosis::{self, Evidence},
    fate::{self, Fate, State},
    finality::Standing,
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

/// How long to wait for the word of a node that has just taken a block. Each is asked for its tip once a second.
const SAY_WITHIN: Duration = Duration::from_secs(3);

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
    /// When that delivery was received.
    received_at: Instant,
    /// When the block was received first.
    pub(crate) first_at: Instant,
    /// Whether its parent is in the active chain of the node that was asked last, where that matters.
    pub(crate) parent_in_chain: Option<bool>,
    /// Each node's last answer, and when each was last said to have taken the block.
    asked: HashMap<String, Asked>,
    taken: HashMap<String, Instant>,
    /// Whether its delivery has been written down, so that the ledger knows whose fate this is.
    pub(crate) recorded: bool,
    /// What the ledger knows of it from earlier.
    pub(crate) history: History,
    /// Whether it was received by an earlier run, and whether this one has told of a change.
    restored: bool,
    has_changed: bool,
    /// When it was last sent again because it was gone.
    sent_again: Option<Instant>,
    /// Whether there is something to weigh.
    dirty: bool,
}

/// When a node was asked where it has a block.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Its tip then: where nothing has changed, there is nothing to ask.
    tip: BlockHash,
    at: Instant,
    unix_ms: u64,
}

/// What the ledger knows of a block from before it was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// It is being asked. Until it has answered, nothing is told: it may contradict what was.
    Awaited,
    /// It cannot say now. What is told is not written over what it has.
    Unavailable,
    /// It is part of what is told. The rival, if one was told of then: when that one came this run cannot know.
    Known { rival: Option<String> },
}

/// What has changed.
pub(crate) struct News {
    pub(crate) before: String,
    pub(crate) state: State,
    /// Whether it is a last word, and there was never one before.
    pub(crate) is_first_word: bool,
    /// The last word that it takes back, if it is another.
    pub(crate) took_back: Option<String>,
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
            first_at: received_at,
            parent_in_chain: None,
            asked: HashMap::new(),
            taken: HashMap::new(),
            recorded: false,
            history: History::Known { rival: None },
            restored: false,
            has_changed: false,
            sent_again: None,
            dirty: true,
        }
    }

    /// A block of an earlier run, as the ledger has it. `lock` as for [`judge`](Self::judge).
    pub(crate) fn of(block: ledger::Block, required: u32, lock: Option<&'static str>) -> Option<Self> {
        let best = block.best()?.clone();
        let (hash, parent) = (block.hash.parse().ok()?, block.parent.parse().ok()?);
        let received_at = instant_of(best.received_unix_ms);
        let mut followed = Self::new(hash, parent, required, best, received_at);
        for report in &block.deliveries {
            followed.note_taken(report, instant_of(report.received_unix_ms));
        }
        (followed.recorded, followed.restored) = (true, true);
        followed.recall(block, lock);
        Some(followed)
    }

    /// Takes over what the ledger knows from earlier.
    pub(crate) fn recall(&mut self, block: ledger::Block, lock: Option<&'static str>) {
        let Some(earlier) = block.deliveries.iter().map(|report| report.received_unix_ms).min() else {
            self.history = History::Known { rival: None };
            return;
        };
        self.first_at = self.first_at.min(instant_of(earlier));
        self.height = self.height.or(block.height);
        let required = self.fate.required();
        let replays = self.told.replays.done.saturating_add(block.fate.replays.done);
        self.history = History::Known { rival: block.fate.by.clone() };
        if self.told.changes.is_empty() {
            // What an earlier run was told other than by depth, the nodes' words of this run do not tell.
            if block.fate.state == "rejected" {
                self.fate.refused(true);
            }
            if let Some(node) = block.fate.node.as_ref().filter(|_| lock == Some(block.fate.state.as_str())) {
                self.fate.locked(Standing::Final, node);
            }
            self.told = ledger::Fate { required, ..block.fate };
        } else {
            let mut changes = block.fate.changes;
            changes.append(&mut self.told.changes);
            self.told.changes = changes;
            trim(&mut self.told.changes);
        }
        self.told.replays.done = replays;
        self.dirty = true;
    }

    /// Takes over what is known of a delivery now, unless another is known to say more.
    pub(crate) fn learn(&mut self, report: Report, received_at: Instant) {
        self.height = self.height.or(report.height);
        self.note_taken(&report, received_at);
        if report.is_of_the_same(&self.report) || rank(&report.status) < rank(&self.report.status) {
            self.received_at = received_at;
            self.report = report;
            self.dirty = true;
        }
    }

    /// Which nodes have taken the block, and when.
    fn note_taken(&mut self, report: &Report, received_at: Instant) {
        let took = |node: &&NodeReport| {
            node.judgement.as_deref().is_some_and(|word| ["accepted", "inconclusive"].contains(&word))
        };
        for node in report.nodes.iter().filter(took) {
            let after = Duration::try_from_secs_f64(node.judged_ms.unwrap_or_default() / 1e3);
            let at = received_at.checked_add(after.unwrap_or_default()).unwrap_or(received_at);
            let taken = self.taken.entry(node.node.clone()).or_insert(at);
            *taken = at.max(*taken);
        }
    }

    /// Whether a node is to be asked: it was not, has moved since, or has taken the block since.
    pub(crate) fn is_due(&self, node: &str, tip: BlockHash) -> bool {
        self.asked.get(node).is_none_or(|asked| asked.tip != tip) || self.has_taken_since_asked(node)
    }

    fn has_taken_since_asked(&self, node: &str) -> bool {
        let Some(taken) = self.taken.get(node) else { return false };
        self.asked.get(node).is_none_or(|asked| asked.at <= *taken)
    }

    /// A node has said where it has the block.
    pub(crate) fn hear(&mut self, node: &str, word: fate::Word, tip: BlockHash, at: Instant, unix_ms: u64) {
        self.fate.hear(node, word);
        self.asked.insert(node.to_owned(), Asked { tip, at, unix_ms });
        self.dirty = true;
    }

    /// Something else that matters has changed: a lock, or what the nodes refuse.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Whether every node has refused the block for good, as far as it is known: of several forms of it one may have
    /// been taken.
    pub(crate) fn refused(&mut self, refused: bool) {
        self.fate.refused(refused && self.report.status == "refused");
    }

    /// Whether the block was in the hands of our nodes and is in none any more: each that took it has been asked since.
    /// Those that the configuration does not have any longer do not count. Of a block of an earlier run, which ended before
    /// it wrote down who took it, any may have.
    pub(crate) fn is_gone(&self, nodes: &[&str]) -> bool {
        let took = |node: &&&str| self.taken.contains_key(**node);
        let was_there = match self.restored && self.taken.is_empty() {
            true => nodes.iter().all(|node| self.asked.contains_key(*node)),
            false => nodes.iter().any(|node| took(&node)),
        };
        was_there
            && self.report.status != "refused"
            && self.fate.is_gone()
            && nodes.iter().filter(took).all(|node| !self.has_taken_since_asked(node))
    }

    /// Whether it may be sent again now; it is noted that it is.
    pub(crate) fn send_again(&mut self, at_most: u32, pause: Duration) -> bool {
        let rested = self.sent_again.is_none_or(|at| at.elapsed() >= pause);
        let may = rested && self.told.replays.done < at_most;
        if may {
            self.sent_again = Some(Instant::now());
            self.told.replays.done = self.told.replays.done.saturating_add(1);
            self.dirty = true;
        }
        may
    }

    /// Whether a rival is in its place that is so deep that it does not go away.
    pub(crate) fn is_lost(&self) -> bool {
        let verdict = self.fate.verdict();
        verdict.state == State::Orphaned
            && verdict.rival.is_some_and(|(_, depth)| depth >= self.fate.required())
    }

    /// Whether this run has seen the rival come, and so may say when. To a block of an earlier run that was not seen here
    /// without it, it may have come at any time.
    pub(crate) fn may_date(&self, rival: &BlockHash) -> bool {
        !self.is_of_an_earlier_run(&rival.to_string()) && (!self.restored || self.has_changed)
    }

    fn is_of_an_earlier_run(&self, rival: &str) -> bool {
        matches!(&self.history, History::Known { rival: Some(known) } if known == rival)
    }

    /// Weighs all words anew, if there is something new; `None` if nothing is to be told. `lock` is the chain's word for a
    /// block that is final by other means than work.
    pub(crate) fn judge(&mut self, lock: &'static str, rival: Option<&Sighting>) -> Option<News> {
        if !std::mem::take(&mut self.dirty) || self.history == History::Awaited {
            self.dirty |= self.history == History::Awaited;
            return None;
        }
        let verdict = self.fate.verdict();
        // A node that has not been asked yet, after a start, takes nothing back.
        if verdict.state == State::Open && self.fate.words().next().is_none() {
            return None;
        }
        if verdict.state == State::Side && self.awaits_who_took_it() {
            self.dirty = true;
            return None;
        }
        let by = verdict.rival.map(|(rival, _)| rival.to_string());
        let same_rival = by == self.told.by;
        let state = verdict.state.after(state_of(&self.told.state, lock), same_rival);
        let mut told = ledger::Fate {
            state: word(state, lock).into(),
            confirmations: verdict.confirmations,
            by: by.clone(),
            node: verdict.node.clone(),
            places: self.fate.words().map(|(node, word)| self.place(node, word)).collect(),
            ..self.told.clone()
        };
        let is_another = !same_rival && matches!(state, State::Side | State::Orphaned);
        if told.state != self.told.state || is_another {
            let now = unix_ms(SystemTime::now());
            told.since_unix_ms = now;
            let node = verdict.node.clone();
            told.changes.push(Change { unix_ms: now, state: told.state.clone(), by, node });
            self.has_changed = true;
            trim(&mut told.changes);
        }
        if !same_rival {
            told.rival_heard = None;
        }
        if verdict.rival.is_some() && told.rival_heard.is_none() {
            told.rival_heard = rival.map(|sighting| self.heard(sighting));
        }
        let lost = matches!(state, State::Side | State::Orphaned | State::Rejected);
        // What an earlier run has found out about this rival, this one knows less of.
        let stands = same_rival && told.by.as_ref().is_some_and(|rival| self.is_of_an_earlier_run(rival));
        told.diagnosis = match self.told.diagnosis.clone().filter(|_| lost && stands) {
            Some(diagnosis) => Some(diagnosis),
            None => lost.then(|| self.diagnose(state, rival)),
        };
        if told == self.told {
            return None;
        }
        let last_word = self.told.changes.iter().rev().map(|change| change.state.as_str());
        let last_word = last_word.into_iter().find(|word| state_of(word, lock).is_final()).map(str::to_owned);
        let is_new = told.state != self.told.state && state.is_final();
        let is_first_word = is_new && last_word.is_none();
        let took_back = last_word.filter(|word| is_new && *word != told.state);
        let before = std::mem::replace(&mut self.told, told).state;
        Some(News { before, state, is_first_word, took_back })
    }

    /// A node that has taken the block will have its say within a second or two, and may contradict one that was asked
    /// before it.
    fn awaits_who_took_it(&self) -> bool {
        let waits =
            |(node, at): (&String, &Instant)| self.has_taken_since_asked(node) && at.elapsed() < SAY_WITHIN;
        self.taken.iter().any(waits)
    }

    fn place(&self, node: &str, word: &fate::Word) -> Place {
        Place {
            node: node.into(),
            place: word.place.as_str().into(),
            confirmations: word.place.depth(),
            rival: word.rival.map(|(rival, _)| rival.to_string()),
            unix_ms: self.asked.get(node).map_or(0, |asked| asked.unix_ms),
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

    fn diagnose(&self, state: State, rival: Option<&Sighting>) -> ledger::Diagnosis {
        let report = &self.report;
        let refused = (state == State::Rejected).then(|| {
            let words = report.nodes.iter().filter_map(|node| Some((&node.node, node.verdict.as_ref()?)));
            words.map(|(node, words)| format!("{node}: {}", spoken(words))).collect::<Vec<_>>().join(", ")
        });
        let accepted = report.nodes.iter().filter(|node| node.judgement.as_deref() == Some("accepted"));
        let has = |outcome: &str| ["accepted", "already_had"].contains(&outcome);
        let proofs = report.peers.iter().filter(|peer| peer.outcome.as_deref().is_some_and(has));
        let proofs_ms: Vec<f64> = proofs.filter_map(|peer| peer.outcome_ms).collect();
        let evidence = Evidence {
            refused,
            finding: report.first_error().map(ToString::to_string),
            parent_in_chain: self.parent_in_chain,
            accepted_ms: accepted.filter_map(|node| node.judged_ms).reduce(f64::min),
            first_proof_ms: proofs_ms.iter().copied().reduce(f64::min),
            echo_ms: report.first_echo.as_ref().map(|echo| echo.ms),
            proofs_ms,
            addressed: report.peers_addressed,
            rival_ms: rival.map(|sighting| self.since_received(sighting.first)),
            rival_at_node_ms: rival.map(|sighting| self.since_received(sighting.at_node)),
        };
        let diagnosis::Diagnosis { cause, text, behind_ms } = diagnosis::diagnose(&evidence);
        ledger::Diagnosis { kind: cause.as_str().into(), text, behind_ms }
    }

    /// Whether there is nothing more to follow.
    pub(crate) fn is_over(&self) -> bool {
        let age = self.first_at.elapsed();
        if age >= OLDEST {
            return true;
        }
        let verdict = self.fate.verdict();
        let depth = verdict.rival.map_or(verdict.confirmations, |(_, depth)| depth);
        // What no depth has settled: a lock, or that every node refuses it.
        let is_settled = self.fate.is_locked() || verdict.state == State::Rejected;
        self.told.is_final()
            && (depth >= self.fate.required().saturating_add(BEYOND) || (is_settled && age >= SETTLED))
    }
}

/// When something was, by the wall clock's word now.
fn instant_of(unix_ms_then: u64) -> Instant {
    let age = Duration::from_millis(unix_ms(SystemTime::now()).saturating_sub(unix_ms_then));
    Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
}

/// Of too many changes those in the middle go; of last words the first stays, for it has been counted.
fn trim(changes: &mut Vec<Change>) {
    while changes.len() > CHANGES {
        let first = changes.iter().position(|change| is_last_word(&change.state));
        let middle = CHANGES / 2;
        changes.remove(if first == Some(middle) { middle + 1 } else { middle });
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

/// The state that a word is for; `open` for what no version has told.
fn state_of(told: &str, lock: &'static str) -> State {
    let states =
        [State::Active, State::Side, State::Confirmed, State::Orphaned, State::Locked, State::Rejected];
    states.into_iter().find(|state| word(*state, lock) == told).unwrap_or_default()
}

#[cfg(test)]
#[path = "followed_tests.rs"]
mod tests;
