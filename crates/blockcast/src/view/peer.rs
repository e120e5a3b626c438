//! Peers as the daemon tells of them, in a line each: on the status page and in `blockcast peers`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::table::{Cell, Column, Table};
use super::{Style, Tone, text};

/// A chain's peers in numbers (the gateway's `/api/v1/chains`).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Summary {
    enabled: bool,
    connected: usize,
    observers: usize,
    min: usize,
    max: usize,
    pub(crate) in_book: usize,
    in_backoff: usize,
    /// How many addresses there are from each source. A daemon older than the command does not say.
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, usize>,
}

/// An address of the peer book (the gateway's `…/peers`).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Peer {
    address: String,
    source: String,
    state: String,
    score: u32,
    deliveries: u64,
    failures: u64,
    backoff_seconds: f64,
    connection: Option<Connection>,
}

/// A connection to a peer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Connection {
    pub(crate) ready: bool,
    pub(crate) observer: bool,
    pub(crate) user_agent: String,
    pub(crate) round_trip_ms: Option<f64>,
    pub(crate) height: Option<u32>,
}

const PEERS: [Column; 8] = [
    Column::Left("peer", 26),
    Column::Left("kind", 10),
    Column::Left("state", 10),
    Column::Right("height"),
    Column::Right("ping"),
    Column::Right("score"),
    Column::Right("ok/bad"),
    Column::Left("software", 22),
];

impl Summary {
    /// The numbers in a sentence.
    pub(crate) fn describe(&self, style: Style) -> String {
        if !self.enabled {
            return "Peers are not enabled: blocks go to your own nodes only.".into();
        }
        let said = format!(
            "Peers: {} connected, {} of them only observed; {} to {} wanted; {} known, {} in backoff",
            self.connected, self.observers, self.min, self.max, self.in_book, self.in_backoff
        );
        style.paint(if self.connected < self.min { Tone::Doubtful } else { Tone::Plain }, &said)
    }
}

/// The peers, one a line, in the order in which they come.
pub(crate) fn table(peers: &[Peer], style: Style) -> String {
    let mut table = Table::new(&PEERS);
    for peer in peers {
        let connection = peer.connection.as_ref();
        let (state, tone) = match connection {
            Some(connection) if connection.ready => ("connected".to_owned(), Tone::Good),
            Some(_) => ("handshake".into(), Tone::Doubtful),
            None if peer.backoff_seconds > 0.0 => {
                (format!("in {}", text::span(peer.backoff_seconds)), Tone::Doubtful)
            }
            None => (peer.state.clone(), Tone::Doubtful),
        };
        let observed = connection.is_some_and(|connection| connection.observer);
        table.row([
            Cell::from(peer.address.as_str()),
            if observed { "observer" } else { peer.source.as_str() }.into(),
            Cell::toned(state, tone),
            connection.and_then(|one| one.height).map(|height| height.to_string()).unwrap_or_default().into(),
            text::ms(connection.and_then(|connection| connection.round_trip_ms)).into(),
            peer.score.to_string().into(),
            format!("{}/{}", peer.deliveries, peer.failures).into(),
            connection.map_or("", |connection| connection.user_agent.trim_matches('/')).into(),
        ]);
    }
    table.render(style)
}
