//! The story of a block, told line by line as it becomes known.

use std::collections::HashSet;

use simnet::{Minted, Temperament};

use super::words::{after, node_reason, rank, reason, size};
use super::{INDENT, line};
use crate::commands::demo::record::{Finality, Peer, Problem, Record, Twin};
use crate::view::{Style, Tone, text};

/// Columns that a list's line may take.
const WIDTH: usize = 98;

/// Columns of an outcome, the blanks behind it included.
const OUTCOME: usize = 20;

/// Tells the stories of all blocks of a run. What it has explained once it says in few words from then on.
#[derive(Debug)]
pub(crate) struct Story {
    style: Style,
    /// Outcomes that were explained, each with the temperament of the peer.
    explained: HashSet<(&'static str, String)>,
    /// Whether a whole block was told.
    experienced: bool,
    /// Whether one was that has another block's work.
    knows_twins: bool,
    /// Whether one was that became final.
    knows_finality: bool,
    /// How many of the present block's parts were told.
    told: usize,
}

/// A part of a block's story: its line as far as it is known, and whether that is all.
type Part = fn(&Story, &Record) -> (String, bool);

/// In the order in which they are told.
const PARTS: [Part; 7] =
    [Story::work, Story::pool, Story::nodes, Story::honest, Story::echo, Story::finality, Story::slow];

impl Story {
    /// Nothing was told yet.
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            explained: HashSet::new(),
            experienced: false,
            knows_twins: false,
            knows_finality: false,
            told: 0,
        }
    }

    /// The pool has found a block on this chain, and maybe another one at the same moment.
    pub(crate) fn found(
        &mut self,
        number: u32,
        chain: &str,
        block: &Minted,
        transactions: u64,
        twin: Option<&Twin>,
    ) -> String {
        self.told = 0;
        let Minted { height, bytes, hash, .. } = block;
        let transactions = text::count(usize::try_from(transactions).unwrap_or(usize::MAX), "transaction");
        let head = self.style.heading(&format!("Block {number}"));
        let size = size(bytes.len());
        let twin = twin.map(|twin| format!(" with block {}", twin.block)).unwrap_or_default();
        let found = format!("\n{head}  {chain}, found{twin} at height {height}: {size}, {transactions}\n");
        found + &line("", &hash.to_string())
    }

    /// What has become known since the last call.
    pub(crate) fn so_far(&mut self, record: &Record) -> String {
        let mut page = String::new();
        while let Some(part) = PARTS.get(self.told) {
            let (line, complete) = part(self, record);
            if !complete {
                break;
            }
            page.push_str(&line);
            self.told += 1;
        }
        page
    }

    /// The rest of these parts, as they stand when nobody waits any longer.
    pub(crate) fn rest(&mut self, record: &Record) -> String {
        let rest = PARTS.iter().skip(self.told);
        let rest = rest.map(|part| part(self, record).0).collect();
        self.told = PARTS.len();
        rest
    }

    /// Those who do not keep their word, and what it comes to.
    pub(crate) fn end(&mut self, record: &Record) -> String {
        let page = self.others(record) + &self.sum(record);
        self.experienced = true;
        self.knows_twins |= record.report.merged_with.is_some();
        self.knows_finality |= record.simulation.finality.is_some();
        page
    }

    /// What became of blocks at a peer after their stories were told.
    pub(crate) fn later(&mut self, peer: &Peer, blocks: &[u32]) -> String {
        let numbers: Vec<_> = blocks.iter().map(u32::to_string).collect();
        let noun = if blocks.len() == 1 { "block" } else { "blocks" };
        let outcome = self.style.paint(tone(peer), &text::clean(&peer.outcome));
        let reason = if self.explain(peer) { format!(": {}", reason(peer)) } else { String::new() };
        let numbers = numbers.join(", ");
        line("meanwhile", &format!("{noun} {numbers} at {} {outcome}{}", peer.name, text::clean(&reason)))
    }

    /// Notes that a peer's outcome is about to be explained; `false` if it was before.
    fn explain(&mut self, peer: &Peer) -> bool {
        self.explained.insert((peer.temperament.name(), peer.outcome.clone()))
    }

    /// Whose work it has, if not its own.
    fn work(&self, record: &Record) -> (String, bool) {
        let twin = record.simulation.twin.as_ref().filter(|twin| twin.has_work);
        let Some(said) = &record.report.merged_with else {
            let Some(_) = twin else { return (String::new(), true) };
            return (line("mined with", &self.style.paint(Tone::Bad, "nothing is said")), false);
        };
        let (tone, known) = match &said.chain {
            Some(chain) => (Tone::Good, format!("known on {}", text::clean(chain))),
            None => (Tone::Doubtful, "not known here".into()),
        };
        let mut known = self.style.paint(tone, &known);
        if let Some(twin) = twin {
            known += &format!(": block {}", twin.block);
            if !self.knows_twins {
                known += "; one find for two chains, neither waits for the other";
            }
        }
        let page = line("mined with", &text::clean(&said.hash)) + &line("", &known);
        (page, twin.is_none() || said.chain.is_some())
    }

    fn pool(&self, record: &Record) -> (String, bool) {
        let answer = &record.simulation.pool;
        let said = match answer.accepted {
            true => self.style.paint(Tone::Good, "accepted"),
            false => self.style.paint(Tone::Bad, &text::clean(&answer.answer.to_string())),
        };
        let null = if self.experienced || !answer.accepted { "" } else { " (null)" };
        let disk = match (record.report.durable, record.report.durable_ms) {
            (Some(true), Some(ms)) => format!("on disk after {}", after(ms)),
            (Some(true), None) => "on disk".into(),
            (Some(false), _) => self.style.paint(Tone::Bad, "NOT on disk"),
            (None, _) => "not on disk yet".into(),
        };
        let told = format!("is answered after {}: {said}{null}; {disk}", after(answer.ms));
        (line("pool", &told), record.report.durable.is_some())
    }

    fn nodes(&self, record: &Record) -> (String, bool) {
        let nodes: Vec<_> = record.simulation.nodes.iter().filter(|node| node.is_awaited()).collect();
        let verdicts = nodes.iter().map(|node| {
            let tone = if node.called_accepted { Tone::Good } else { Tone::Bad };
            let verdict = self.style.paint(tone, &text::clean(&node.judgement));
            let when = node.judged_ms.map(|ms| format!(" after {}", after(ms))).unwrap_or_default();
            let role = if self.experienced { String::new() } else { format!(" ({})", node.role) };
            format!("{}{role} {verdict}{when}", node.name)
        });
        let verdicts: Vec<_> = verdicts.collect();
        (line("nodes", &verdicts.join(", ")), nodes.iter().all(|node| node.judged_ms.is_some()))
    }

    fn honest(&self, record: &Record) -> (String, bool) {
        let honest = |peer: &&Peer| peer.temperament == Temperament::Honest && !peer.observer;
        self.proven("honest", record.simulation.peers.iter().filter(honest).collect())
    }

    fn slow(&self, record: &Record) -> (String, bool) {
        let slow = |peer: &&Peer| matches!(peer.temperament, Temperament::Slow { .. });
        self.proven("slow", record.simulation.peers.iter().filter(slow).collect())
    }

    /// Peers that keep their word: how many are proven to have it, and when that was.
    fn proven(&self, kind: &str, peers: Vec<&Peer>) -> (String, bool) {
        let (have, lack): (Vec<&Peer>, Vec<&Peer>) = peers.iter().partition(|peer| peer.called_accepted);
        let tone = if lack.is_empty() { Tone::Good } else { Tone::Bad };
        let count = self.style.paint(tone, &format!("{} of {}", have.len(), peers.len()));
        let say = if self.experienced { "" } else { " say that they have it" };
        let times = times(have.iter().filter_map(|peer| peer.outcome_ms).collect());
        let lacking = lack.iter().map(|peer| format!("; {} {}", peer.name, text::clean(&peer.outcome)));
        (line(kind, &format!("{count}{say}{times}{}", lacking.collect::<String>())), lack.is_empty())
    }

    fn echo(&self, record: &Record) -> (String, bool) {
        let Some(echo) = &record.report.first_echo else {
            return (line("echo", &self.style.paint(Tone::Bad, "none")), false);
        };
        let mut told = format!("after {}", after(echo.ms));
        if !self.experienced {
            let from = record.simulation.peers.iter().find(|peer| peer.address == echo.peer);
            let name = match from {
                Some(peer) if peer.observer => "the observer",
                Some(peer) => &peer.name,
                None => &text::clean(&echo.peer),
            };
            told += &format!(" {name} announces it, which was not sent it: the network has it");
        }
        (line("echo", &told), true)
    }

    /// The chain's last word, where it has one.
    fn finality(&self, record: &Record) -> (String, bool) {
        let Some(Finality { is_final, called_final }) = record.simulation.finality else {
            return (String::new(), true);
        };
        let Some(said) = &record.report.finality else {
            return (line("final", &self.style.paint(Tone::Bad, "nothing is said")), false);
        };
        let tone = if called_final && is_final { Tone::Good } else { Tone::Bad };
        let mut told = self.style.paint(tone, &said.state);
        told += &said.ms.map(|ms| format!(" after {}", after(ms))).unwrap_or_default();
        told += &said.node.as_ref().map(|node| format!(", says {}", text::clean(node))).unwrap_or_default();
        if called_final && !self.knows_finality {
            told += ": a quorum has signed it, it stays";
        }
        (line("final", &told), said.ms.is_some())
    }

    /// Those who are not waited for: at length what was not seen before, the rest in a list. Nodes come first.
    fn others(&mut self, record: &Record) -> String {
        let (mut page, mut known) = (String::new(), Vec::new());
        for node in record.simulation.nodes.iter().filter(|node| !node.is_awaited()) {
            let word = text::clean(&node.judgement);
            let tone = if node.called_accepted { Tone::Good } else { Tone::Doubtful };
            let verdict = self.style.paint(tone, &word);
            let columns = word.chars().count();
            if self.explained.insert((node.temperament.name(), format!("{} {word}", node.name))) {
                let blanks = OUTCOME.saturating_sub(columns).max(1);
                let reason = node_reason(node);
                page += &line(&node.name, &format!("{verdict}{:blanks$}{reason}", ""));
            } else {
                let late = node.judged_ms.filter(|_| node.called_accepted);
                let late = late.map(|ms| format!(" after {}", after(ms))).unwrap_or_default();
                let columns = node.name.chars().count() + 1 + columns + late.len();
                known.push((columns, format!("{} {verdict}{late}", node.name)));
            }
        }
        let others = record.simulation.peers.iter().filter(|peer| !peer.keeps_its_word());
        let mut others: Vec<_> = others.collect();
        others.sort_by_key(|peer| (rank(peer.temperament), &peer.name));
        for peer in others {
            let word = text::clean(&peer.outcome);
            let outcome = self.style.paint(tone(peer), &word);
            // Colours take no room: columns are counted by the plain word.
            let columns = word.chars().count();
            if self.explain(peer) {
                let blanks = OUTCOME.saturating_sub(columns).max(1);
                let reason = text::clean(&reason(peer));
                page += &line(&peer.name, &format!("{outcome}{:blanks$}{reason}", ""));
            } else {
                known.push((peer.name.chars().count() + 1 + columns, format!("{} {outcome}", peer.name)));
            }
        }
        page + &list("others", &known)
    }

    fn sum(&self, record: &Record) -> String {
        let simulation = &record.simulation;
        if !simulation.holds {
            return simulation.problems.iter().map(|problem| self.problem(problem)).collect();
        }
        let proven = simulation.peers.iter().filter(|peer| peer.called_accepted).count();
        let nodes = simulation.nodes.iter().filter(|node| node.called_accepted).count();
        let (peers, nodes) = (text::count(proven, "peer"), text::count(nodes, "node"));
        let truth = if self.experienced { "no false claim" } else { "the simulation agrees" };
        let truth = self.style.paint(Tone::Good, truth);
        line("so", &format!("{nodes} and {peers} proven to have it, one more by its echo; {truth}"))
    }

    fn problem(&self, problem: &Problem) -> String {
        let claim = if problem.false_claim { "FALSE CLAIM: " } else { "" };
        let what = text::clean(&format!("{claim}{} {}", problem.who, problem.what));
        line("PROBLEM", &self.style.paint(Tone::Bad, &what))
    }
}

/// First, median and last; nothing if there are none.
fn times(mut times: Vec<f64>) -> String {
    times.sort_unstable_by(f64::total_cmp);
    match times.as_slice() {
        [] => String::new(),
        [only] => format!(": after {}", after(*only)),
        [first, last] => format!(": after {} and {}", after(*first), after(*last)),
        [first, .., last] => {
            let median = after(super::median(&times));
            format!(": first after {}, median {median}, last {}", after(*first), after(*last))
        }
    }
}

/// A labelled list, in as many lines as it needs. Each entry comes with the columns that it takes.
fn list(label: &str, entries: &[(usize, String)]) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (columns, entry) in entries {
        match lines.last_mut() {
            Some((taken, line)) if INDENT + *taken + 2 + columns <= WIDTH => {
                *line += &format!(", {entry}");
                *taken += 2 + columns;
            }
            _ => lines.push((*columns, entry.clone())),
        }
    }
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(lines).map(|(label, (_, text))| line(label, &text)).collect()
}

fn tone(peer: &Peer) -> Tone {
    match peer.outcome.as_str() {
        "accepted" | "already_had" if peer.has_block => Tone::Good,
        "accepted" | "already_had" => Tone::Bad,
        "not_connected" | "withheld" => Tone::Plain,
        _ => Tone::Doubtful,
    }
}
