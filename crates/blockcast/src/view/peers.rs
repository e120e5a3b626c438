//! The peer books, for a person.

use serde::Deserialize;

use super::peer::{self, Peer, Summary};
use super::table::{Cell, Column, Table};
use super::text::line;
use super::{Style, text, time};

/// What `blockcast peers list` has asked for: a book for each chain.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Listing {
    chains: Vec<Book>,
}

/// The gateway's `…/peers` of one chain, and the chain's own summary.
#[derive(Debug, Clone, Deserialize)]
struct Book {
    chain: String,
    summary: Summary,
    /// How many addresses there are of those that were asked for.
    total: usize,
    peers: Vec<Peer>,
    bans: Vec<Ban>,
}

/// A banned host.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ban {
    host: String,
    /// Unix seconds.
    until: f64,
}

const BANS: [Column; 3] =
    [Column::Left("banned host", 45), Column::Left("until", 23), Column::Right("for another")];

impl Listing {
    /// The page. `now` is in Unix seconds.
    pub(crate) fn render(&self, now: f64, style: Style) -> String {
        let pages: Vec<_> = self.chains.iter().map(|book| book.render(now, style)).collect();
        pages.join("\n")
    }
}

impl Book {
    fn render(&self, now: f64, style: Style) -> String {
        let mut page = String::new();
        line(&mut page, format_args!("{}", style.heading(&text::clean(&self.chain))));
        line(&mut page, format_args!("  {}", self.summary.describe(style)));
        let sources = self.summary.sources.iter().map(|(source, count)| format!("{count} {source}"));
        let sources: Vec<_> = sources.collect();
        let sources = if sources.is_empty() { "nobody".to_owned() } else { text::clean(&sources.join(", ")) };
        let bans = text::count(self.bans.len(), "host");
        line(&mut page, format_args!("  Known by source: {sources}; {bans} banned"));
        line(&mut page, format_args!(""));
        if self.peers.is_empty() {
            line(&mut page, format_args!("  No peer is connected or being dialled."));
        } else {
            page.push_str(&peer::table(&self.peers, style));
        }
        if let Some(idle) = self.summary.in_book.checked_sub(self.total).filter(|idle| *idle > 0) {
            line(&mut page, format_args!("  … and {idle} without a connection: --all has them all"));
        }
        if !self.bans.is_empty() {
            line(&mut page, format_args!(""));
            page.push_str(&bans_table(&self.bans, now, style));
        }
        page
    }
}

fn bans_table(bans: &[Ban], now: f64, style: Style) -> String {
    let mut table = Table::new(&BANS);
    for ban in bans {
        table.row([
            Cell::from(ban.host.as_str()),
            time::utc(ban.until as u64).into(),
            text::span(ban.until - now).into(),
        ]);
    }
    table.render(style)
}

impl Ban {
    /// What was done, in a line.
    pub(crate) fn describe(&self, chain: &str) -> String {
        let (host, chain, until) =
            (text::clean(&self.host), text::clean(chain), time::utc(self.until as u64));
        format!("{host} is banned from {chain} until {until}\n")
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
