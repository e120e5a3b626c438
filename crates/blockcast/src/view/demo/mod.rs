//! The demo, for a person who sees all this for the first time: who is simulated, the story of each block, and what it
//! came to.

mod story;
#[cfg(test)]
mod tests;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use story::Story;

use crate::commands::demo::record::{Member, Part};
use crate::commands::demo::tally::Tally;
use crate::view::{Style, Tone, text};
use words::after;

/// Where the text behind a label begins.
const INDENT: usize = 14;

/// What an observer is.
const OBSERVER: &str = "honest, and never sent a block: if it announces one, the network has it";

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

/// What there is to see, and where.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) members: &'a [Member],
    /// How the program was called.
    pub(crate) program: String,
    /// Where status is served.
    pub(crate) http: SocketAddr,
    /// Whether `blockcast status` looks there by itself.
    pub(crate) is_usual: bool,
    pub(crate) front_door: SocketAddr,
    /// User and password of the front door.
    pub(crate) login: (&'a str, &'a str),
    pub(crate) config: PathBuf,
}

impl Opening<'_> {
    /// The first page.
    pub(crate) fn render(&self, style: Style) -> String {
        let peers: Vec<_> =
            self.members.iter().filter(|member| !matches!(member.part, Part::Node(_))).collect();
        let nodes = self.members.len() - peers.len();
        let mut page = format!(
            "{}\n\n\
             Simulated, in this process: a Litecoin network of {}, some of them ill, and {} of yours.\n\
             Real: the engine, its configuration, its front door, all sockets. Nothing leaves this machine.\n\n",
            style.heading("Blockcast demo: your pool finds blocks"),
            text::count(peers.len(), "peer"),
            text::count(nodes, "node"),
        );
        let mut kinds: Vec<(usize, &str, usize, String)> = Vec::new();
        for peer in &peers {
            let (rank, kind, about) = match peer.part {
                Part::Observer => (0, "observer", OBSERVER.to_owned()),
                _ => {
                    let temperament = peer.temperament;
                    (words::rank(temperament), temperament.name(), words::about(temperament))
                }
            };
            match kinds.iter_mut().find(|(_, known, ..)| *known == kind) {
                Some((_, _, count, _)) => *count += 1,
                None => kinds.push((rank, kind, 1, about)),
            }
        }
        // Honest ones first; of equals, those that are many.
        kinds.sort_by_key(|(rank, _, count, _)| (*rank, std::cmp::Reverse(*count)));
        for (_, kind, count, about) in kinds {
            page += &format!("  {count:>4} {kind:<9} {about}\n");
        }
        let names = self.members.iter().filter_map(|member| match member.part {
            Part::Node(role) => Some(format!("{} ({role})", member.name)),
            _ => None,
        });
        let names = names.collect::<Vec<_>>().join(" and ");
        page +=
            &format!("  {nodes:>4} {:<9} {names}: get each block by RPC, and are peers as well\n\n", "nodes");

        let Self { program, http, front_door, login: (user, password), config, .. } = self;
        let elsewhere = if self.is_usual { String::new() } else { format!(" --url http://{http}") };
        page += &line("status", &format!("http://{http}/broadcaster_status"));
        page += &line("", &format!("{} status{elsewhere}", text::clean(program)));
        page += &line("front door", "which a pool calls as if it were its node, and so can you:");
        let question = r#"{"method":"getblockcount"}"#;
        page += &line("", &format!("curl -u {user}:{password} -d '{question}' http://{front_door}/"));
        page += &line("config", &format!("{}, until this ends", text::clean(&config.display().to_string())));
        page
    }
}

/// Everybody who could be reached is connected.
pub(crate) fn connected(connected: usize, of: usize, took: Duration, interval: Duration) -> String {
    let took = after(took.as_secs_f64() * 1e3);
    let interval = interval.as_secs();
    format!(
        "\n{connected} of {of} peers are connected after {took}. A block is found every {interval} s; Ctrl-C ends it.\n"
    )
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
    let (tone, meaning) = match tally.false_claims() {
        0 => (Tone::Good, "nobody was said to have a block who did not"),
        _ => (Tone::Bad, "of so many it was said that they have a block, and they had not"),
    };
    let claims = style.paint(tone, &tally.false_claims().to_string());
    page + &line("false", &format!("{claims}: {meaning}"))
}
