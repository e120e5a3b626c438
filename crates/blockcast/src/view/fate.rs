//! What the chain says of a block, in words.

use ledger::{Change, Fate, Place, Summary};

use super::table::Cell;
use super::{Tone, text};

/// How good or bad a state is for whoever found the block.
pub(super) fn tone(state: &str) -> Tone {
    match state {
        "active" | "confirmed" | "chainlocked" => Tone::Good,
        "orphaned" | "rejected" => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

/// How good or bad it is what a block's nodes make of it.
pub(super) fn tone_of_status(status: &str) -> Tone {
    match status {
        "accepted" => Tone::Good,
        "refused" | "unanswered" => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

/// The state for a list: how deep the block is while that counts, or who is in its place.
pub(super) fn cell(block: &Summary) -> Cell {
    let words = match (block.state.as_str(), &block.by) {
        ("active", _) => format!("active, {} deep", block.confirmations),
        ("side", Some(by)) => format!("side of {}", text::tail(by)),
        ("orphaned", Some(by)) => format!("orphaned by {}", text::tail(by)),
        (state, _) => state.to_owned(),
    };
    Cell::toned(words, tone(&block.state))
}

/// The state in a sentence.
pub(super) fn sentence(fate: &Fate) -> String {
    let rival = || fate.by.as_deref().map_or_else(|| "another block".into(), text::clean);
    let says = fate.node.as_deref().map(|node| format!(", says {}", text::clean(node))).unwrap_or_default();
    let (deep, required) = (fate.confirmations, fate.required);
    match fate.state.as_str() {
        "open" => "No node of yours has it in its active chain yet.".into(),
        "active" => format!("It is in the active chain, {deep} of {required} deep{says}."),
        "side" => {
            let rival = rival();
            format!("A rival is at its height: {rival}{says}. It is lost if that one gets {required} deep.")
        }
        "confirmed" => {
            format!("It is in the chain for good, as far as work can tell: {required} deep and more{says}.")
        }
        "orphaned" => format!("Another block is in its place for good: {}{says}.", rival()),
        "chainlocked" => format!("The chain has made it final{says}."),
        "rejected" => "Every node of yours has refused it.".into(),
        _ => "This version of the command does not know that word.".into(),
    }
}

/// A change of the state in a line.
pub(super) fn change(change: &Change) -> String {
    let by = change.by.as_deref().map(text::clean);
    let what = match (change.state.as_str(), by) {
        ("open", _) => "open: in no node's active chain".into(),
        ("active", _) => "active: it is in the active chain".into(),
        ("side", Some(by)) => format!("side: {by} is at its height"),
        ("confirmed", _) => "confirmed: it is deep enough".into(),
        ("orphaned", Some(by)) => format!("orphaned: {by} is in its place for good"),
        ("chainlocked", _) => "chainlocked: the chain has made it final".into(),
        ("rejected", _) => "rejected: every node has refused it".into(),
        (state, by) => {
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            format!("{}{by}", text::clean(state))
        }
    };
    // All nodes together are none's word.
    let node = change.node.as_deref().filter(|_| !matches!(change.state.as_str(), "open" | "rejected"));
    what + &node.map(|node| format!(", says {}", text::clean(node))).unwrap_or_default()
}

/// Where a node has it.
pub(super) fn place(place: &Place) -> Cell {
    let tone = match place.place.as_str() {
        "active" => Tone::Good,
        "invalid" => Tone::Bad,
        _ => Tone::Doubtful,
    };
    Cell::toned(place.place.as_str(), tone)
}
