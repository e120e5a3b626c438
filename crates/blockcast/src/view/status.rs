//! The daemon's state, for a person.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::peer::{self, Peer, Summary};
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, text};

/// How many peers of a chain are shown, best first; `blockcast peers` and the JSON form have all.
const PEERS_SHOWN: usize = 40;

/// How many blocks of a chain are shown, newest first.
const BLOCKS_SHOWN: usize = 10;

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
    blocks: Vec<Block>,
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
    peers: Summary,
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

#[derive(Debug, Clone, Deserialize)]
struct Block {
    chain: String,
    hash: String,
    height: Option<u32>,
    source: String,
    age_ms: f64,
    status: String,
    durable: Option<bool>,
    findings: Vec<super::finding::Finding>,
    peers_with_block: usize,
    peers_addressed: usize,
    first_echo: Option<Echo>,
    finality: Option<Fate>,
}

/// The chain's last word on a block.
#[derive(Debug, Clone, Deserialize)]
struct Fate {
    state: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Echo {
    ms: f64,
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

const BLOCKS: [Column; 8] = [
    Column::Left("block", 17),
    Column::Right("height"),
    Column::Right("age"),
    Column::Left("by", 10),
    Column::Left("status", 12),
    Column::Left("on disk", 7),
    Column::Right("have it"),
    Column::Right("echo ms"),
];

impl Overview {
    /// The page. `address` is where the daemon was asked.
    pub(crate) fn render(&self, address: &str, style: Style) -> String {
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
        for chain in &self.chains {
            self.chain(&mut page, chain, style);
        }
        page
    }

    fn chain(&self, page: &mut String, chain: &Chain, style: Style) {
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
        let blocks: Vec<&Block> = self.blocks.iter().filter(|block| block.chain == chain.name).collect();
        if blocks.is_empty() {
            line(page, format_args!("\n  No block is on its way, and none was in the last minutes."));
        } else {
            line(page, format_args!(""));
            page.push_str(&block_table(&blocks, style));
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
            Some(tip) => format!("tip {} {}", tip.height, short(&tip.hash)),
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

fn block_table(blocks: &[&Block], style: Style) -> String {
    let mut table = Table::new(&BLOCKS);
    for block in blocks.iter().take(BLOCKS_SHOWN) {
        // What the chain says is more than what nodes make of the block.
        let fate =
            block.finality.as_ref().map(|fate| fate.state.as_str()).filter(|state| *state != "awaited");
        let status = fate.unwrap_or(&block.status);
        let tone = match status {
            "refused" | "unanswered" | "orphaned" => Tone::Bad,
            "accepted" => Tone::Good,
            _ if fate.is_some() => Tone::Good,
            _ => Tone::Doubtful,
        };
        let (disk, disk_tone) = match block.durable {
            Some(true) => ("yes", Tone::Plain),
            Some(false) => ("NO", Tone::Bad),
            None => ("?", Tone::Doubtful),
        };
        table.row([
            Cell::from(short(&block.hash)),
            block.height.map(|height| height.to_string()).unwrap_or_default().into(),
            text::span(block.age_ms / 1000.0).into(),
            block.source.as_str().into(),
            Cell::toned(status, tone),
            Cell::toned(disk, disk_tone),
            format!("{}/{}", block.peers_with_block, block.peers_addressed).into(),
            text::ms(block.first_echo.as_ref().map(|echo| echo.ms)).into(),
        ]);
    }
    let mut page = table.render(style);
    for block in blocks.iter().take(BLOCKS_SHOWN) {
        for finding in &block.findings {
            let (hash, severity) = (short(&block.hash), text::clean(&finding.severity));
            line(&mut page, format_args!("  {hash}: {severity} {}", text::clean(&finding.check)));
        }
    }
    page
}

/// Both ends of a hash: where the work shows in the first digits, the last tell blocks apart.
fn short(hash: &str) -> String {
    let digits: Vec<char> = hash.chars().collect();
    match digits.len() {
        0..=17 => text::clean(hash),
        length => {
            text::clean(&digits[..8].iter().chain(&['…']).chain(&digits[length - 8..]).collect::<String>())
        }
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
