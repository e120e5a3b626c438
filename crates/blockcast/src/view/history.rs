//! All that is known of one block, for a person: what became of it, when what happened, and who said so.

mod timeline;
mod verdicts;

use ledger::{Block, Report, SubmissionReport};
use serde::Deserialize;

use super::availability::Availability;
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, Tone, delivery, fate, finding, text, time};

/// The daemon's answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct History {
    block: Block,
    pub(crate) ledger: Availability,
}

const DELIVERIES: [Column; 8] = [
    Column::Left("#", 4),
    Column::Left("sent (UTC)", 23),
    Column::Left("by", 10),
    Column::Right("bytes"),
    Column::Left("status", 12),
    Column::Left("on disk", 7),
    Column::Right("have it"),
    Column::Left("form", 64),
];

const SUBMISSIONS: [Column; 6] = [
    Column::Left("delivery", 8),
    Column::Left("handed in (UTC)", 23),
    Column::Left("by", 10),
    Column::Left("who", 40),
    Column::Right("answered"),
    Column::Left("was told", 60),
];

impl History {
    /// The page. `now` is in Unix milliseconds.
    pub(crate) fn render(&self, now: u64, style: Style) -> String {
        let block = &self.block;
        let mut page = headline(block, style);
        facts(&mut page, block, now, style);
        line(&mut page, format_args!("\n{}", style.heading("Timeline (after the block was received)")));
        page.push_str(&timeline::render(block, style));
        page.push_str(&verdicts::render(block, style));
        page.push_str(&places(block, style));
        page.push_str(&submissions(block, style));
        for (delivery, report) in numbered(block) {
            if !report.findings.is_empty() {
                line(&mut page, format_args!("\n{}", style.heading(&titled("Findings", delivery))));
                page.push_str(&finding::list(&report.findings, style));
            }
        }
        page.push_str(&deliveries(block, style));
        for (delivery, report) in numbered(block) {
            page.push_str(&delivery::peer_table(&report.peers, &titled("Peers", delivery), style));
        }
        page
    }
}

/// The deliveries, each with its number where there are several.
fn numbered(block: &Block) -> impl Iterator<Item = (Option<usize>, &Report)> {
    let several = block.deliveries.len() > 1;
    block.deliveries.iter().enumerate().map(move |(at, report)| (several.then_some(at + 1), report))
}

/// A delivery's number for a column; the table leaves the column out where there is only one.
fn number(delivery: Option<usize>) -> Cell {
    delivery.map(|number| format!("#{number}")).unwrap_or_default().into()
}

fn titled(title: &str, delivery: Option<usize>) -> String {
    match delivery {
        Some(number) => format!("{title} of delivery #{number}"),
        None => title.to_owned(),
    }
}

/// Unix milliseconds for a column that says that it is in UTC.
fn utc(unix_ms: u64) -> String {
    time::utc_ms(unix_ms).trim_end_matches(" UTC").to_owned()
}

fn headline(block: &Block, style: Style) -> String {
    let height = match block.height {
        Some(height) => format!("height {height}"),
        None => "height unknown".into(),
    };
    let size = block.deliveries.first().map(|first| format!(", {} bytes", first.size)).unwrap_or_default();
    let word = text::clean(&block.fate.state.to_uppercase());
    let word = style.paint(fate::tone(&block.fate.state), &word);
    let mut page = format!("{word}  {}  {height}{size}\n", text::clean(&block.hash));
    line(&mut page, format_args!("  {}", fate::sentence(&block.fate)));
    if let Some(why) = &block.fate.diagnosis {
        let kind = text::clean(&why.kind);
        let why = style.paint(Tone::Doubtful, &format!("Why: {} ({kind})", text::clean(&why.text)));
        line(&mut page, format_args!("  {why}"));
    }
    page.push('\n');
    page
}

fn facts(page: &mut String, block: &Block, now: u64, style: Style) {
    let mut fact = |name: &str, what: String| line(page, format_args!("  {name:<10} {what}"));
    let ago = |at: u64| {
        let span = text::span(now.saturating_sub(at) as f64 / 1000.0);
        format!("{}, {span} ago", time::utc_ms(at))
    };
    fact("chain", text::clean(&block.chain));
    fact("parent", text::clean(&block.parent));
    if let Some(merged) = block.deliveries.iter().find_map(|report| report.merged_with.as_ref()) {
        fact("mined with", delivery::merged_with(merged));
    }
    if let Some(first) = block.deliveries.first() {
        let repeats: u64 = block.deliveries.iter().map(|report| report.repeats).sum();
        let again = if repeats > 0 { format!("; handed in again: {repeats}") } else { String::new() };
        fact("received", format!("{}, by {}{again}", ago(first.received_unix_ms), first.source.as_str()));
    }
    fact("state", format!("{} since {}", text::clean(&block.fate.state), ago(block.fate.since_unix_ms)));
    if let Some(ms) = block.fate.diagnosis.as_ref().and_then(|why| why.behind_ms) {
        let order = if ms < 0 { "behind" } else { "ahead of" };
        fact("race", format!("the rival was {} ms {order} this block", ms.unsigned_abs()));
    }
    for (delivery, report) in numbered(block) {
        let of = delivery.map(|number| format!(" (delivery #{number})")).unwrap_or_default();
        if let (Some(false), why) = (report.durable, &report.journal_error) {
            let why = text::clean(why.as_deref().unwrap_or("no reason given"));
            fact("on disk", style.paint(Tone::Bad, &format!("NO: {why}. It was sent all the same{of}")));
        }
        if let Some(why) = &report.kept_off_p2p {
            fact("peers", format!("none is sent the block: {}{of}", text::clean(why)));
        }
    }
    if let Some(best) = block.deliveries.iter().max_by_key(|report| report.peers_with_block)
        && best.peers_addressed > 0
    {
        let (with, all) = (best.peers_with_block, text::count(best.peers_addressed, "peer"));
        fact("peers", format!("{with} of {all} proven to have it; sent to {}", best.peers_sent_to));
    }
    let replays = &block.fate.replays;
    if replays.done > 0 || replays.next_unix_ms.is_some() {
        let done = text::count(replays.done as usize, "time");
        let next = replays.next_unix_ms.map(|at| format!("; next at {}", time::utc_ms(at)));
        fact("sent again", format!("{done}, as no node had it{}", next.unwrap_or_default()));
    }
    fact("bytes", if block.raw_kept { "kept: --raw FILE writes them" } else { "not kept any more" }.into());
}

const PLACES: [Column; 5] = [
    Column::Left("node", 24),
    Column::Left("place", 10),
    Column::Right("deep"),
    Column::Left("as of (UTC)", 23),
    Column::Left("instead of it", 64),
];

fn places(block: &Block, style: Style) -> String {
    if block.fate.places.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&PLACES);
    for place in &block.fate.places {
        let deep = place.confirmations;
        table.row([
            Cell::from(place.node.as_str()),
            fate::place(place),
            if deep > 0 { deep.to_string() } else { String::new() }.into(),
            utc(place.unix_ms).into(),
            place.rival.as_deref().unwrap_or_default().into(),
        ]);
    }
    format!("\n{}\n{}", style.heading("Where your nodes have it"), table.render(style))
}

fn submissions(block: &Block, style: Style) -> String {
    let mut table = Table::new(&SUBMISSIONS);
    let mut none = true;
    for (delivery, report) in numbered(block) {
        for submission in &report.submissions {
            none = false;
            let SubmissionReport { source, submitter, unix_ms, answered_unix_ms, answer } = submission;
            let after = answered_unix_ms.map(|at| at.saturating_sub(*unix_ms) as f64);
            table.row([
                number(delivery),
                utc(*unix_ms).into(),
                source.as_str().into(),
                submitter.as_deref().unwrap_or("not known").into(),
                after.map(|ms| format!("{ms:.0} ms")).unwrap_or_default().into(),
                answer.as_deref().unwrap_or("nothing yet").into(),
            ]);
        }
    }
    if none {
        return String::new();
    }
    format!("\n{}\n{}", style.heading("Submissions"), table.render(style))
}

/// Nothing if there was only one: then the page as a whole tells of it.
fn deliveries(block: &Block, style: Style) -> String {
    if block.deliveries.len() < 2 {
        return String::new();
    }
    let mut table = Table::new(&DELIVERIES);
    for (delivery, report) in numbered(block) {
        table.row([
            number(delivery),
            utc(report.received_unix_ms).into(),
            report.source.as_str().into(),
            report.size.to_string().into(),
            Cell::toned(report.status.as_str(), fate::tone_of_status(&report.status)),
            match report.durable {
                Some(true) => "yes".into(),
                Some(false) => Cell::toned("NO", Tone::Bad),
                None => "?".into(),
            },
            format!("{}/{}", report.peers_with_block, report.peers_addressed).into(),
            report.form.as_str().into(),
        ]);
    }
    format!("\n{}\n{}", style.heading("Deliveries"), table.render(style))
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
