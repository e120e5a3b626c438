//! Every word of every node: each delivery's verdict by each of them.

use ledger::Block;

use super::super::table::{Cell, Column, Table};
use super::super::text::line;
use super::super::{Style, delivery, text};
use super::{number, numbered};

/// How many characters of a node's words have room in the table; longer ones are below it.
const WORDS: usize = 36;

const VERDICTS: [Column; 7] = [
    Column::Left("node", 24),
    Column::Left("delivery", 8),
    Column::Left("verdict", 14),
    Column::Left("its words", WORDS),
    Column::Right("answered"),
    Column::Right("judged"),
    Column::Right("attempts"),
];

/// The table, and below it the words that are too long for it; nothing if no node was asked.
pub(super) fn render(block: &Block, style: Style) -> String {
    let mut table = Table::new(&VERDICTS);
    let mut notes = String::new();
    let names = names(block);
    for name in &names {
        for (delivery, report) in numbered(block) {
            for node in report.nodes.iter().filter(|node| node.node == *name) {
                let (words, note) = delivery::words(node);
                let of = delivery.map(|number| format!(", #{number}")).unwrap_or_default();
                let whole = (words.chars().count() > WORDS).then(|| words.clone());
                for note in whole.into_iter().chain(note) {
                    let (name, note) = (text::clean(name), text::clean(&note));
                    line(&mut notes, format_args!("  {name}{of}: {note}"));
                }
                let judgement = node.judgement.as_deref().unwrap_or("pending");
                table.row([
                    Cell::from(node.node.as_str()),
                    number(delivery),
                    Cell::toned(judgement, delivery::tone_of_node(judgement)),
                    words.into(),
                    text::ms(node.answered_ms).into(),
                    text::ms(node.judged_ms).into(),
                    node.attempts.to_string().into(),
                ]);
            }
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let heading = style.heading("Verdicts (times in ms since the delivery began)");
    format!("\n{heading}\n{}{notes}", table.render(style))
}

/// The nodes that were asked, in the order in which they appear.
fn names(block: &Block) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for node in block.deliveries.iter().flat_map(|report| &report.nodes) {
        if !names.contains(&node.node.as_str()) {
            names.push(&node.node);
        }
    }
    names
}
