//! The demo, for a person who sees all this for the first time: who is simulated, the story of each block, and what it
//! came to.

mod opening;
mod story;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use opening::{ChainPage, Opening};
pub(crate) use story::Story;

use crate::commands::demo::tally::Tally;
use crate::view::{Style, Tone, text};
use words::after;

/// Where the text behind a label begins.
const INDENT: usize = 14;

/// A label and what belongs to it.
fn line(label: &str, text: &str) -> String {
    format!("  {label:<10}  {text}\n")
}

/// The middle one of sorted numbers, or the mean of the two in the middle; 0 if there are none.
fn median(sorted: &[f64]) -> f64 {
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => 0.0,
        (half, 0) => f64::midpoint(sorted[half - 1], sorted[half]),
        (half, _) => sorted[half],
    }
}

/// The last lines. `under_way`: whether a block was found that was not judged any more.
pub(crate) fn closing(tally: &Tally, under_way: bool, style: Style) -> String {
    let more = if under_way { "; one more was on its way" } else { "" };
    if tally.blocks == 0 {
        return format!("\nEnded before a block could be judged{more}.\n");
    }
    let blocks = style.heading(&text::count(tally.blocks as usize, "block"));
    let verdict = match tally.holds() {
        true => style.paint(Tone::Good, "all as it should be"),
        false => style.paint(Tone::Bad, "NOT all as it should be"),
    };
    let mut page = format!("\n{blocks}  {verdict}{more}\n");
    let ((accepted, asked), (proven, due)) = (tally.nodes, tally.proven);
    page += &line("nodes", &format!("{accepted} of {asked} times accepted"));
    page += &line("peers", &format!("{proven} of {due} deliveries to honest and slow ones proven"));
    let mut honest = tally.honest_ms.clone();
    honest.sort_unstable_by(f64::total_cmp);
    if let [first, .., last] = honest.as_slice() {
        let median = after(median(&honest));
        page += &line(
            "honest",
            &format!("first after {}, median {median}, last {}", after(*first), after(*last)),
        );
    }
    let (last_word, of) = tally.finals;
    if of > 0 {
        page += &line(
            "final",
            &format!("{last_word} of {} that a quorum is to sign", text::count(of as usize, "block")),
        );
    }
    let (tone, meaning) = match (tally.false_claims(), of) {
        (0, 0) => (Tone::Good, "nobody was said to have a block who did not"),
        (0, _) => {
            (Tone::Good, "nobody was said to have a block who did not, and no block to be final that was not")
        }
        _ => (Tone::Bad, "claims that are not true, of who has a block or that one is final"),
    };
    let claims = style.paint(tone, &tally.false_claims().to_string());
    page + &line("false", &format!("{claims}: {meaning}"))
}
