//! The daemon's state, for a person.

use std::collections::BTreeMap;

use ledger::Summary;
use serde::Deserialize;

use super::availability::Availability;
use super::peer::{self, Peer};
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, fate, text};

/// How many peers of a chain are shown, best first; `blockcast peers` and the JSON form have all.
const PEERS_SHOWN: usize = 40;

/// What this page shows of what the daemon says (the gateway's `/api/v1`). A newer daemon may say more.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Overview {
    version: String,
    uptime_seconds: u64,
    pub(crate) ready: bool,
    reasons: Vec<String>,
    journal: Journal,
    chains: Vec<Chain>,
    peers: BTreeMap<String, Vec<Peer>>,
    /// The latest of each chain, newest first.
    blocks: Vec<Summary>,
    /// `null` if there is no chain whose blocks could be asked for.
    ledger: Option<Availability>,
}

#[derive(Debug, Clone, Deserialize)]
struct Journal {
    durable: bool,
    open_blocks: usize,
    unsaved_blocks: usize,
}

#[derive(Debug, Clone, Deserialize)]
struct Chain {
    name: String,
    rules: String,
    network: String,
    tip: Option<Tip>,
    finality: Option<Finality>,
    nodes: Vec<Node>,
    peers: peer::Summary,
    front_door: Option<String>,
    restarts: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Tip {
    hash: String,
    height: u32,
}

#[derive(Debug, Clone, Deserialize)]
struct Finality {
    word: String,
    block: Option<Tip>,
}

#[derive(Debug, Clone, Deserialize)]
struct Node {
    name: String,
    role: String,
    rpc: Option<String>,
    p2p: Option<String>,
    state: String,
    kind: Option<String>,
    message: Option<String>,
    since_seconds: u64,
    tip: Option<Tip>,
}

const NODES: [Column; 7] = [
    Column::Left("node", 16),
    Column::Left("role", 8),
    Column::Left("state", 24),
    Column::Right("height"),
    Column::Right("since"),
    Column::Left("rpc", 28),
    Column::Left("p2p", 22),
];

const BLOCKS: [Column; 7] = [
    Column::Left("block", 17),
    Column::Right("height"),
    Column::Right("age"),
    Column::Left("by", 10),
    Column::Left("status", 21),
    Column::Right("have it"),
    Column::Right("echo ms"),
];

impl Overview {
    /// The page. `address` is where the daemon was asked, `now` is in Unix milliseconds.
    pub(crate) fn render(&self, address: &str, now: u64, style: Style) -> String {
        let mut page = String::new();
        let (tone, word) = if self.ready { (Tone::Good, "READY") } else { (Tone::Bad, "NOT READY") };
        let (version, up) = (text::clean(&self.version), text::span(self.uptime_seconds as f64));
        line(
            &mut page,
            format_args!("{}  Blockcast {version} on {address}, up {up}", style.paint(tone, word)),
        );
        for reason in &self.reasons {
            line(&mut page, format_args!("  {}", style.paint(Tone::Bad, &text::clean(reason))));
        }
        line(&mut page, format_args!("  {}", self.journal.describe(style)));
        if let Some(note) = self.ledger.as_ref().and_then(Availability::note) {
            line(&mut page, format_args!("  {}", style.paint(Tone::Doubtful, &note)));
        }
        for chain in &self.chains {
            self.chain(&mut page, chain, now, style);
        }
        page
    }

    fn chain(&self, page: &mut String, chain: &Chain, now: u64, style: Style) {
        let name = style.heading(&text::clean(&chain.name));
        line(page, format_args!("\n{name}  {}", chain.describe()));
        if !chain.nodes.is_empty() {
            line(page, format_args!(""));
            page.push_str(&nodes(&chain.nodes, style));
        }
        line(page, format_args!("\n  {}", chain.peers.describe(style)));
        let peers = self.peers.get(&chain.name).map_or(&[][..], Vec::as_slice);
        if !peers.is_empty() {
            page.push_str(&peer_table(peers, style));
        }
        let blocks: Vec<&Summary> = self.blocks.iter().filter(|block| block.chain == chain.name).collect();
        if blocks.is_empty() {
            line(page, format_args!("\n  No block is known of this chain yet."));
        } else {
            line(page, format_args!(""));
            page.push_str(&block_table(&blocks, now, style));
        }
    }
}

impl Journal {
    fn describe(&self, style: Style) -> String {
        let open = text::count(self.open_blocks, "block");
        match self.durable {
            true => format!("journal: durable, {open} open"),
            false => {
                let unsaved = text::count(self.unsaved_blocks, "block");
                style.paint(Tone::Bad, &format!("journal: NOT DURABLE, {open} open, {unsaved} not on disk"))
            }
        }
    }
}

impl Chain {
    fn describe(&self) -> String {
        let mut said = vec![format!("{} {}", self.rules, self.network)];
        said.push(match &self.tip {
            Some(tip) => format!("tip {} {}", tip.height, text::short(&tip.hash)),
            None => "tip not known yet".into(),
        });
        if let Some(Finality { word, block }) = &self.finality {
            said.push(match block {
                Some(block) => format!("{word} up to {}", block.height),
                None => format!("nothing {word} yet"),
            });
        }
        if let Some(door) = &self.front_door {
            said.push(format!("front door {door}"));
        }
        if self.restarts > 0 {
            said.push(format!("restarted after a crash: {}", self.restarts));
        }
        text::clean(&said.join(", "))
    }
}

fn nodes(nodes: &[Node], style: Style) -> String {
    let mut table = Table::new(&NODES);
    let mut notes = String::new();
    for node in nodes {
        let (state, tone) = match (node.state.as_str(), &node.kind) {
            ("up", _) => ("up".to_owned(), Tone::Good),
            ("down", Some(kind)) => (format!("down: {kind}"), Tone::Bad),
            (state, _) => (state.to_owned(), Tone::Doubtful),
        };
        table.row([
            Cell::from(node.name.as_str()),
            node.role.as_str().into(),
            Cell::toned(state, tone),
            node.tip.as_ref().map(|tip| tip.height.to_string()).unwrap_or_default().into(),
            text::span(node.since_seconds as f64).into(),
            node.rpc.as_deref().unwrap_or_default().into(),
            node.p2p.as_deref().unwrap_or_default().into(),
        ]);
        if let Some(message) = &node.message {
            let (name, message) = (text::clean(&node.name), text::clean(message));
            line(&mut notes, format_args!("  {name}: {message}"));
        }
    }
    table.render(style) + &notes
}

fn peer_table(peers: &[Peer], style: Style) -> String {
    let mut page = peer::table(&peers[..peers.len().min(PEERS_SHOWN)], style);
    if let Some(more) = peers.len().checked_sub(PEERS_SHOWN).filter(|more| *more > 0) {
        line(&mut page, format_args!("  … and {more} more: `blockcast peers --all` has them all"));
    }
    page
}

fn block_table(blocks: &[&Summary], now: u64, style: Style) -> String {
    let mut table = Table::new(&BLOCKS);
    for block in blocks {
        // What the chain says is more than what nodes make of the block.
        let status = match block.state.as_str() {
            "open" => Cell::toned(block.status.as_str(), fate::tone_of_status(&block.status)),
            _ => fate::cell(block),
        };
        table.row([
            Cell::from(text::short(&block.hash)),
            block.height.map(|height| height.to_string()).unwrap_or_default().into(),
            text::span(now.saturating_sub(block.received_unix_ms) as f64 / 1000.0).into(),
            block.source.as_str().into(),
            status,
            format!("{}/{}", block.peers_with_block, block.peers_addressed).into(),
            text::ms(block.first_echo_ms).into(),
        ]);
    }
    table.render(style)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
