//! What happened to a block, one thing a line, in the order of time.

use std::collections::HashMap;

use ledger::{Block, Fate, NodeReport, PeerReport, Report};

use super::super::table::{Cell, Column, Table};
use super::super::{Style, Tone, delivery, fate, text};
use super::{number, numbered, utc};

const EVENTS: [Column; 4] = [
    Column::Right("after"),
    Column::Left("UTC", 23),
    Column::Left("delivery", 8),
    // Room for a whole hash and a name.
    Column::Left("what", 140),
];

/// Something that happened.
struct Event {
    /// Unix time in milliseconds, as exact as it is known.
    at: f64,
    /// The number of the delivery that it belongs to, where there are several.
    delivery: Option<usize>,
    what: String,
    tone: Tone,
}

/// The table.
pub(super) fn render(block: &Block, style: Style) -> String {
    let mut events = Vec::new();
    for (at, (number, report)) in numbered(block).enumerate() {
        of_delivery(&mut events, number, report, at == 0);
        // The block's fate has the same, as soon as its keeper has heard of it.
        if let Some(finality) = &report.finality
            && let Some(ms) = finality.ms
            && !block.fate.changes.iter().any(|change| change.state == finality.state)
        {
            let says = finality.node.as_deref().map(|node| format!(", says {node}")).unwrap_or_default();
            let (what, tone) = (format!("{}{says}", finality.state), fate::tone(&finality.state));
            events.push(Event { at: report.received_unix_ms as f64 + ms, delivery: number, what, tone });
        }
    }
    of_fate(&mut events, &block.fate);
    events.sort_by(|a, b| a.at.total_cmp(&b.at));
    let received = block.deliveries.first().map(|first| first.received_unix_ms as f64);
    let Some(start) = received.or_else(|| events.first().map(|event| event.at)) else {
        return "  Nothing is known of it.\n".into();
    };
    let mut table = Table::new(&EVENTS);
    for event in events {
        table.row([
            Cell::from(offset(event.at - start)),
            utc(event.at.round() as u64).into(),
            number(event.delivery),
            Cell::toned(event.what, event.tone),
        ]);
    }
    table.render(style)
}

/// How long after the beginning, or before it.
fn offset(ms: f64) -> String {
    let tenths = (ms * 10.0).round();
    let (sign, size) = if tenths < 0.0 { ("-", -tenths / 10.0) } else { ("+", tenths / 10.0) };
    match size < 10_000.0 {
        true => format!("{sign}{size:.1} ms"),
        false => format!("{sign}{}", text::span(size / 1000.0)),
    }
}

fn of_delivery(events: &mut Vec<Event>, delivery: Option<usize>, report: &Report, is_first: bool) {
    let start = report.received_unix_ms as f64;
    let mut push =
        |ms: f64, tone: Tone, what: String| events.push(Event { at: start + ms, delivery, what, tone });
    let first = report.submissions.first();
    let who = first.and_then(|first| first.submitter.as_deref());
    let from = who.map(|who| format!(" from {who}")).unwrap_or_default();
    let received = if is_first { "received" } else { "sent on its way again" };
    push(0.0, Tone::Plain, format!("{received} by {}{from}", report.source.as_str()));
    if let Some((at, answer)) = first.and_then(|first| first.answered_unix_ms.zip(first.answer.as_ref())) {
        let who = who.unwrap_or("the caller");
        push(at as f64 - start, Tone::Plain, format!("{who} was told: {answer}"));
    }
    if let Some(ms) = report.durable_ms {
        push(ms, Tone::Plain, "on disk".into());
    }
    if let Some(ms) = report.inspected_ms {
        match report.findings.len() {
            0 => push(ms, Tone::Plain, "inspected, nothing found".into()),
            found => push(ms, Tone::Doubtful, format!("inspected, {}", text::count(found, "finding"))),
        }
    }
    let mut judged: Vec<(f64, &NodeReport)> =
        report.nodes.iter().filter_map(|node| Some((node.judged_ms?, node))).collect();
    judged.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (at, (ms, node)) in judged.into_iter().enumerate() {
        let judgement = node.judgement.as_deref().unwrap_or("pending");
        let (words, _) = delivery::words(node);
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let first = if at == 0 { ", the first verdict" } else { "" };
        let what = format!("{}: {judgement}{words}{first}", node.node);
        push(ms, delivery::tone_of_node(judgement), what);
    }
    for (ms, what) in of_peers(&report.peers, report.peers_addressed) {
        push(ms, Tone::Plain, what);
    }
    if let Some(echo) = &report.first_echo {
        push(echo.ms, Tone::Plain, format!("first echo: {} has it and had not been sent it", echo.peer));
    }
    if let Some(ms) = report.finality.as_ref().and_then(|finality| finality.claimed_ms) {
        push(ms, Tone::Plain, "a peer said that it is final".into());
    }
}

/// When the first, half, and the last of them had the block.
fn of_peers(peers: &[PeerReport], addressed: usize) -> Vec<(f64, String)> {
    // One that came back meanwhile has several entries; the first proof counts.
    let mut proofs: HashMap<&str, f64> = HashMap::new();
    for peer in peers {
        let proven = matches!(peer.outcome.as_deref(), Some("accepted" | "already_had"));
        if let Some(ms) = peer.outcome_ms.filter(|_| proven) {
            proofs.entry(&peer.peer).and_modify(|first| *first = first.min(ms)).or_insert(ms);
        }
    }
    let mut proofs: Vec<(f64, &str)> = proofs.into_iter().map(|(peer, ms)| (ms, peer)).collect();
    proofs.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    let mut events = Vec::new();
    let have = proofs.len();
    if let Some((ms, peer)) = proofs.first() {
        events.push((*ms, format!("first peer proven to have it: {peer}")));
    }
    let half = addressed.div_ceil(2);
    if let (true, Some((ms, _))) = (half > 1, half.checked_sub(1).and_then(|at| proofs.get(at))) {
        events.push((*ms, format!("half of the peers have it: {half} of {addressed}")));
    }
    if let (true, Some((ms, peer))) = (have > 1, proofs.last()) {
        events.push((*ms, format!("last peer proven to have it: {peer}, {have} of {addressed}")));
    }
    events
}

fn of_fate(events: &mut Vec<Event>, chain: &Fate) {
    let mut push = |at: u64, tone: Tone, what: String| {
        events.push(Event { at: at as f64, delivery: None, what, tone });
    };
    if let Some(heard) = &chain.rival_heard {
        push(heard.unix_ms, Tone::Doubtful, format!("a rival was first heard of, from {}", heard.from));
    }
    for change in &chain.changes {
        push(change.unix_ms, fate::tone(&change.state), fate::change(change));
    }
}
