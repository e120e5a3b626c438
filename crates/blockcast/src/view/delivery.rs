//! The delivery report, for a person.

use ledger::{EchoReport, FinalityReport, Finding, MergedReport, NodeReport, PeerReport};
use serde::Deserialize;
use serde_json::Value;

use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, finding, text, time};
use crate::cli::Goal;

/// What this page shows of the daemon's report (`relay::Report`). A newer daemon may say more.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Delivery {
    chain: String,
    hash: String,
    height: Option<u32>,
    parent: String,
    merged_with: Option<MergedReport>,
    size: usize,
    source: String,
    received_unix_ms: u64,
    age_ms: f64,
    repeats: u64,
    status: String,
    durable: Option<bool>,
    durable_ms: Option<f64>,
    journal_error: Option<String>,
    inspected_ms: Option<f64>,
    findings: Vec<Finding>,
    kept_off_p2p: Option<String>,
    peers_with_block: usize,
    peers_addressed: usize,
    peers_sent_to: usize,
    first_echo: Option<EchoReport>,
    finality: Option<FinalityReport>,
    nodes: Vec<NodeReport>,
    peers: Vec<PeerReport>,
}

const NODES: [Column; 6] = [
    Column::Left("node", 24),
    Column::Left("verdict", 14),
    Column::Left("its words", 30),
    Column::Right("answered"),
    Column::Right("judged"),
    Column::Right("attempts"),
];

const PEERS: [Column; 8] = [
    Column::Left("peer", 28),
    Column::Left("outcome", 25),
    Column::Left("stage", 9),
    Column::Right("queued"),
    Column::Right("written"),
    Column::Right("acked"),
    Column::Right("processed"),
    Column::Right("outcome"),
];

impl Delivery {
    /// Whether what the caller waited for has come about. A chain without nodes has only its peers to speak for it.
    pub(crate) fn has_reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Node if self.nodes.is_empty() => self.peers_with_block > 0,
            Goal::Node => self.status == "accepted",
            Goal::Peers(wanted) => self.peers_with_block >= wanted,
        }
    }

    /// The report: what matters most comes first.
    pub(crate) fn render(&self, goal: Goal, style: Style) -> String {
        let (tone, meaning) = self.meaning();
        let mut page = format!(
            "{}  {}  {}, {} bytes\n  {meaning}\n",
            style.paint(tone, &text::clean(&self.last_word().unwrap_or(&self.status).to_uppercase())),
            text::clean(&self.hash),
            self.height.map_or_else(|| "height unknown".into(), |height| format!("height {height}")),
            self.size,
        );
        if let (Goal::Peers(wanted), false) = (goal, self.has_reached(goal)) {
            let have = self.peers_with_block;
            let missed =
                format!("Not reached in time: {wanted} peers with the block; {have} are proven to have it.");
            line(&mut page, format_args!("  {}", style.paint(Tone::Doubtful, &missed)));
        }
        page.push('\n');
        self.facts(&mut page);
        if !self.findings.is_empty() {
            line(&mut page, format_args!("\n{}", style.heading("Findings")));
            page.push_str(&finding::list(&self.findings, style));
        }
        self.node_table(&mut page, style);
        page.push_str(&peer_table(&self.peers, "Peers", style));
        page
    }

    /// The chain's last word, if it has spoken: it counts for more than what nodes make of the block.
    fn last_word(&self) -> Option<&str> {
        let state = self.finality.as_ref()?.state.as_str();
        (state != "awaited").then_some(state)
    }

    /// What the status means for whoever found the block.
    fn meaning(&self) -> (Tone, &'static str) {
        match self.last_word() {
            Some("orphaned") => {
                return (
                    Tone::Bad,
                    "The chain has another block in its place, for good, whatever nodes said before.",
                );
            }
            Some(_) => return (Tone::Good, "The chain has it for good."),
            None => {}
        }
        match self.status.as_str() {
            "accepted" => (Tone::Good, "A node of yours has it in its active chain."),
            "inconclusive" => {
                (Tone::Doubtful, "A node of yours has it, but not in its active chain: a rival may be ahead.")
            }
            "refused" => (Tone::Bad, "Your nodes refuse it; their words and our findings say why."),
            "unanswered" => {
                (Tone::Bad, "No node of yours has said that it has it. Look at the nodes: blockcast status")
            }
            _ if self.nodes.is_empty() && self.peers_with_block > 0 => {
                (Tone::Good, "No node is configured; peers are proven to have it.")
            }
            "pending" => {
                (Tone::Doubtful, "No verdict yet. The delivery goes on; submit it again to look at it.")
            }
            _ => (Tone::Doubtful, "This version of the command does not know that word."),
        }
    }

    fn facts(&self, page: &mut String) {
        let mut fact = |name: &str, what: String| line(page, format_args!("  {name:<10} {what}"));
        fact("chain", format!("{}, handed in by {}", text::clean(&self.chain), text::clean(&self.source)));
        fact("parent", text::clean(&self.parent));
        if let Some(merged) = &self.merged_with {
            fact("mined with", merged_with(merged));
        }
        let again = match self.repeats {
            0 => String::new(),
            repeats => format!("; handed in again since: {repeats}"),
        };
        let received = time::utc_ms(self.received_unix_ms);
        fact("received", format!("{received}, {} ago{again}", text::span(self.age_ms / 1000.0)));
        fact(
            "on disk",
            match (self.durable, &self.journal_error) {
                (Some(true), _) => format!("after {:.1} ms", self.durable_ms.unwrap_or_default()),
                (Some(false), why) => {
                    let why = why.as_deref().unwrap_or("no reason given");
                    format!("NO: {}. It was sent all the same", text::clean(why))
                }
                (None, _) => "not known yet".into(),
            },
        );
        fact(
            "inspected",
            match self.inspected_ms {
                None => "not yet".into(),
                Some(ms) if self.findings.is_empty() => format!("after {ms:.1} ms, nothing found"),
                Some(ms) => format!("after {ms:.1} ms, {}", text::count(self.findings.len(), "finding")),
            },
        );
        fact(
            "peers",
            match &self.kept_off_p2p {
                Some(why) => format!("none is sent the block: {}", text::clean(why)),
                None => {
                    let (with, all) = (self.peers_with_block, text::count(self.peers_addressed, "peer"));
                    format!("{with} of {all} proven to have it; sent to {}", self.peers_sent_to)
                }
            },
        );
        fact(
            "echo",
            match &self.first_echo {
                None => "none yet".into(),
                Some(echo) => {
                    format!(
                        "after {:.1} ms from {}, who had not been sent it",
                        echo.ms,
                        text::clean(&echo.peer)
                    )
                }
            },
        );
        if let Some(finality) = &self.finality {
            fact("last word", last_word(finality));
        }
    }

    fn node_table(&self, page: &mut String, style: Style) {
        if self.nodes.is_empty() {
            return;
        }
        let mut table = Table::new(&NODES);
        let mut notes = String::new();
        for node in &self.nodes {
            let (words, note) = words(node);
            if let Some(note) = note {
                line(&mut notes, format_args!("  {}: {}", text::clean(&node.node), text::clean(&note)));
            }
            let judgement = node.judgement.as_deref().unwrap_or("pending");
            table.row([
                Cell::from(node.node.as_str()),
                Cell::toned(judgement, tone_of_node(judgement)),
                words.into(),
                text::ms(node.answered_ms).into(),
                text::ms(node.judged_ms).into(),
                node.attempts.to_string().into(),
            ]);
        }
        line(page, format_args!("\n{}", style.heading("Nodes (times in ms since it was received)")));
        page.push_str(&table.render(style));
        page.push_str(&notes);
    }
}

/// The block of another chain that has this one's work.
pub(super) fn merged_with(MergedReport { hash, chain }: &MergedReport) -> String {
    let known = match chain {
        Some(chain) => format!("which is known here, on {}", text::clean(chain)),
        None => "which is not known here".into(),
    };
    format!("{}, {known}", text::clean(hash))
}

/// What became of a block at each peer, below a heading of its own; nothing if there are none.
pub(super) fn peer_table(peers: &[PeerReport], heading: &str, style: Style) -> String {
    if peers.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&PEERS);
    for peer in peers {
        let outcome = peer.outcome.as_deref().unwrap_or("open");
        let shown = match &peer.detail {
            Some(detail) => format!("{outcome} ({detail})"),
            None => outcome.to_owned(),
        };
        let mut cells = vec![
            Cell::from(peer.peer.as_str()),
            Cell::toned(shown, tone_of_peer(outcome, peer.detail.as_deref())),
            peer.stage.as_deref().unwrap_or_default().into(),
        ];
        let times = [peer.queued_ms, peer.written_ms, peer.acked_ms, peer.processed_ms, peer.outcome_ms];
        cells.extend(times.map(|time| text::ms(time).into()));
        table.row(cells);
    }
    let heading = style.heading(&format!("{heading} (times in ms since it was received)"));
    format!("\n{heading}\n{}", table.render(style))
}

/// What the chain says of the block, who told us, and what we only heard.
fn last_word(finality: &FinalityReport) -> String {
    let said = match (finality.ms, finality.state.as_str()) {
        (None, state) => text::clean(state),
        (Some(ms), state) => format!("{} after {ms:.1} ms", text::clean(state)),
    };
    let by = finality.by.as_deref().map(|by| format!(": {} is final instead", text::clean(by)));
    let node = finality.node.as_deref().map(|node| format!(", says {}", text::clean(node)));
    let claimed = finality.claimed_ms.map(|ms| format!("; a peer said so after {ms:.1} ms"));
    [Some(said), by, node, claimed].into_iter().flatten().collect()
}

/// A node's own words in short, and in full where they are long.
pub(super) fn words(node: &NodeReport) -> (String, Option<String>) {
    let verdict = match &node.verdict {
        None => return (String::new(), None),
        Some(Value::Null) if node.judgement.is_none() => return (String::new(), None),
        Some(verdict) => verdict,
    };
    let message = verdict.get("message").and_then(Value::as_str);
    let masked = node.masked.then(|| {
        "it refused this block before and says no more than that; the reason is its first refusal, or our finding"
            .to_owned()
    });
    if let Value::String(word) = verdict {
        return (word.clone(), masked);
    }
    let short = match (verdict.get("code"), verdict.get("unanswered").and_then(Value::as_str)) {
        (Some(code), _) => format!("error {code}"),
        (None, Some(kind)) => kind.to_owned(),
        (None, None) => verdict.to_string(),
    };
    (short, message.map(str::to_owned).or(masked))
}

pub(super) fn tone_of_node(judgement: &str) -> Tone {
    match judgement {
        "accepted" => Tone::Good,
        "inconclusive" | "pending" => Tone::Doubtful,
        _ => Tone::Bad,
    }
}

fn tone_of_peer(outcome: &str, detail: Option<&str>) -> Tone {
    match (outcome, detail) {
        ("accepted" | "already_had", _) => Tone::Good,
        // It is what an observer is for.
        ("withheld", Some("observer")) => Tone::Plain,
        ("rejected" | "outraced", _) => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
