//! What others see of a running chain.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use protocol::book::{Address, Calendar, Entry, Explanation, Heard, Kind, PeerBook, Priority, Rules, State};
use relay::{NodeHealth, Relay};
use serde::Serialize;

use crate::{
    AtlasError, atlas,
    peer_book::{heard, unix_now},
    store::{Found, Store},
};

/// One address of the peer book.
#[derive(Debug, Clone, Serialize)]
pub struct BookEntry {
    /// `host:port`
    pub address: String,
    /// `own`, `fixed`, `node` (a peer of a node of ours), `dns`, `seed`, `gossip`, or a word of the chain's own.
    pub source: &'static str,
    /// `idle`, `dialing` or `connected`.
    pub state: &'static str,
    /// 0 to 1000; 999999 for our own nodes.
    pub score: u32,
    /// Proven deliveries.
    pub deliveries: u64,
    /// Failed deliveries.
    pub failures: u64,
    /// Failures to connect in a row.
    pub failures_in_a_row: u32,
    /// Seconds until it may be dialled again.
    pub backoff_seconds: f64,
    /// When it was last alive, Unix seconds.
    pub last_seen: f64,
    /// Blocks of others that it announced to us.
    pub announced: u64,
}

/// The peer book in numbers.
#[derive(Debug, Clone, Default)]
pub struct BookSummary {
    /// How many addresses there are from each source.
    pub sources: BTreeMap<&'static str, usize>,
    /// How many wait for their backoff to end.
    pub in_backoff: usize,
}

impl BookSummary {
    /// How many addresses there are.
    pub fn total(&self) -> usize {
        self.sources.values().sum()
    }
}

/// What became of dials.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct DialStatistics {
    /// Dials begun.
    pub attempts: u64,
    /// Handshakes done.
    pub successes: u64,
    /// Nobody answered in time, to the dial or to the handshake.
    pub timeouts: u64,
    /// Refused.
    pub refused: u64,
    /// Any other failure.
    pub failed: u64,
    /// How often a node was asked for its peers.
    pub refreshes: u64,
    /// When a node last told its peers.
    #[serde(skip)]
    pub refreshed_at: Option<std::time::SystemTime>,
}

/// A running chain: its configuration, its relay, and what its actors last said.
#[derive(Debug)]
pub struct ChainHandle {
    /// As configured.
    pub config: config::Chain,
    /// The hot path.
    pub relay: Arc<Relay>,
    pub(crate) book: Mutex<PeerBook>,
    pub(crate) store: Store,
    /// Held while the book is saved: of two that save at once, one would rename the other's unfinished file away, or
    /// put an older book over a newer.
    saving: Mutex<()>,
    pub(crate) dials: Mutex<DialStatistics>,
    pub(crate) restarts: AtomicU64,
    pub(crate) given_up: AtomicBool,
    pub(crate) started: Instant,
    /// Where a test asks the present incarnation of the actors to crash.
    #[cfg(test)]
    pub(crate) crash: Mutex<Option<actix::Recipient<crate::broadcaster::Crash>>>,
}

impl ChainHandle {
    /// For a chain, with the peer book of the last run if there is one. Reads files.
    ///
    /// # Errors
    /// When a file that tells who is where is not in MaxMind's format.
    pub(crate) fn new(config: config::Chain, relay: Arc<Relay>, data_dir: &Path) -> Result<Self, AtlasError> {
        let store =
            Store::new(data_dir, &config.name, format!("{} {}", config.chain, config.network.as_str()));
        let calendar = Calendar { instant: Instant::now(), unix: unix_now() };
        let mut book = PeerBook::new(rules_of(&config)?, calendar, rand::random());
        // First: whom the configuration names keeps the history that the file has of it.
        for named in configured(&config) {
            book.hear(named, calendar.instant);
        }
        let book = Mutex::new(restored(book, &store, &relay, &calendar));
        Ok(Self {
            config,
            relay,
            book,
            store,
            saving: Mutex::default(),
            dials: Mutex::default(),
            restarts: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            started: Instant::now(),
            #[cfg(test)]
            crash: Mutex::default(),
        })
    }

    /// The chain's configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The peer book, best first.
    pub fn book(&self) -> Vec<BookEntry> {
        let now = Instant::now();
        let book = self.book.lock();
        let entry = |(address, entry): (&Address, &Entry)| BookEntry {
            address: address.to_string(),
            source: entry.kind.as_str(),
            state: entry.state.as_str(),
            score: entry.score(now),
            deliveries: entry.deliveries,
            failures: entry.failures,
            failures_in_a_row: entry.failures_in_a_row(),
            backoff_seconds: entry.due().saturating_duration_since(now).as_secs_f64(),
            last_seen: entry.last_seen,
            announced: entry.announced().0,
        };
        book.ranked(now).into_iter().map(entry).collect()
    }

    /// The peer book in numbers.
    pub fn book_summary(&self, now: Instant) -> BookSummary {
        let mut summary = BookSummary::default();
        for (_, entry) in self.book.lock().iter() {
            *summary.sources.entry(entry.kind.as_str()).or_default() += 1;
            summary.in_backoff += usize::from(entry.state == State::Idle && !entry.is_due(now));
        }
        summary
    }

    /// Why a peer is where it is, if the book has it.
    pub fn explain_peer(&self, address: &Address) -> Option<Explanation> {
        self.book.lock().explain(address, Instant::now())
    }

    /// The hosts that are banned, and until when each is, Unix seconds.
    pub fn bans(&self) -> Vec<(String, f64)> {
        let book = self.book.lock();
        book.bans(Instant::now()).map(|(host, until)| (host.to_owned(), until)).collect()
    }

    /// Bans a host for a while, hangs up on it, and saves the book; says until when, Unix seconds. Blocks for as long as
    /// the disk takes.
    ///
    /// # Errors
    /// When it is a node of ours or a fixed peer: those are the configuration's to remove. Or when the book cannot be
    /// saved; the ban is in force all the same.
    pub fn ban_peer(&self, host: &str, time: Duration) -> Result<f64, BanError> {
        let until = {
            let mut book = self.book.lock();
            let named = |(address, entry): (&Address, &Entry)| {
                address.host() == host && (entry.kind.is_own() || entry.kind.is_fixed())
            };
            if book.iter().any(named) {
                return Err(BanError::Configured);
            }
            let until = book.unix(Instant::now()) + time.as_secs_f64();
            book.ban(host, until);
            until
        };
        tracing::info!(chain = self.name(), host, seconds = time.as_secs(), "host is banned");
        self.hang_up(|address| address.host() == host);
        self.try_save_book()?;
        Ok(until)
    }

    /// Lets a host back in, and saves the book. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When it was not banned, or the book cannot be saved.
    pub fn unban_peer(&self, host: &str) -> Result<(), BanError> {
        if !self.book.lock().unban(host) {
            return Err(BanError::NotBanned);
        }
        tracing::info!(chain = self.name(), host, "ban is lifted");
        self.try_save_book()?;
        Ok(())
    }

    /// Closes the connections to these.
    pub(crate) fn hang_up(&self, whom: impl Fn(Address) -> bool) {
        let live = self.relay.peers();
        live.iter().filter(|peer| peer.address.parse().is_ok_and(&whom)).for_each(|peer| peer.close());
    }

    /// Saves the book; blocks for as long as the disk takes. What fails is logged and counted.
    pub fn save_book(&self) {
        // Told already.
        let (Ok(()) | Err(_)) = self.try_save_book();
    }

    fn try_save_book(&self) -> io::Result<()> {
        let _alone = self.saving.lock();
        // The copy is made under the lock; what takes time, scoring thousands, writing them down and syncing, is not.
        let book = self.book.lock().clone();
        let file = book.to_file(self.store.chain(), Instant::now());
        let saved = self.store.save(&file);
        if let Err(error) = &saved {
            self.relay.metrics().peer_book_save_failed();
            let (chain, file) = (self.name(), self.store.path().display());
            tracing::error!(chain, %file, %error, "the peer book could not be saved; the file of the last time is still there");
        }
        saved
    }

    /// What became of dials.
    pub fn dials(&self) -> DialStatistics {
        *self.dials.lock()
    }

    /// How often the chain's actors were rebuilt after a crash.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Relaxed)
    }

    /// Whether the actors crashed so often that they are not rebuilt any more.
    pub fn given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Why a block handed in now could not go anywhere, if that is so.
    pub fn without_delivery_path(&self) -> Option<String> {
        let up = |node: &Arc<relay::Node>| node.status().health == NodeHealth::Up;
        if self.relay.nodes().iter().any(up) || !self.relay.ready_peers().is_empty() {
            return None;
        }
        let nodes = self.relay.nodes().iter().map(|node| match node.status().health {
            NodeHealth::Down { kind, message } => format!("node {} is {kind} ({message})", node.name()),
            _ => format!("node {} has not answered yet", node.name()),
        });
        let nodes: Vec<_> = nodes.collect();
        let nodes = if nodes.is_empty() { "no node is configured".to_owned() } else { nodes.join("; ") };
        Some(format!("{}: no way to deliver a block: {nodes}; no peer is connected", self.name()))
    }
}

/// Why a ban was not made or lifted.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// It is a node of ours or a fixed peer.
    #[error("it is named in the configuration: remove it there")]
    Configured,
    /// There is no such ban.
    #[error("it is not banned")]
    NotBanned,
    /// It is in force until the program ends, and may not outlive that.
    #[error("it is in force, but the peer book could not be saved: {0}")]
    NotSaved(#[from] io::Error),
}

/// What the operator wants of the book.
///
/// # Errors
/// When a file that tells who is where is not in MaxMind's format.
pub(crate) fn rules_of(chain: &config::Chain) -> Result<Rules, AtlasError> {
    let (peers, diversity) = (&chain.peers, &chain.peers.diversity);
    Ok(Rules {
        max: if peers.enabled { peers.max } else { 0 },
        min: peers.min,
        dials_at_once: peers.dials_at_once,
        dials_per_cycle: peers.dials_per_cycle,
        per_group: diversity.per_group,
        per_asn: diversity.per_asn,
        per_country: diversity.per_country,
        atlas: atlas::read(diversity.asn_file.as_deref(), diversity.country_file.as_deref())?,
        local: chain.network == config::Network::Regtest,
        hidden: peers.proxy.is_some(),
    })
}

/// The addresses that the configuration names: our own nodes, and fixed peers.
pub(crate) fn configured(config: &config::Chain) -> Vec<Heard> {
    let own = config
        .nodes
        .iter()
        .filter_map(|node| Some((node.p2p.as_ref()?.to_string(), Kind::Own { node: node.name.clone() })));
    let fixed = config.peers.fixed.iter().filter(|_| config.peers.enabled).map(|peer| {
        let priority = match peer.priority {
            config::Priority::Critical => Priority::Critical,
            config::Priority::High => Priority::High,
            config::Priority::Normal => Priority::Normal,
        };
        (peer.address.to_string(), Kind::Fixed { priority })
    });
    own.chain(fixed).filter_map(|(address, kind)| heard(&address, kind)).collect()
}

/// The book with what its file has. A file that cannot be used is set aside.
fn restored(mut book: PeerBook, store: &Store, relay: &Relay, calendar: &Calendar) -> PeerBook {
    let (chain, file) = (relay.name(), store.path().display());
    match store.load(calendar.unix as u64) {
        Found::Nothing => {}
        Found::Book(found) => {
            let labels = relay.chain().peer_source().map_or(&[][..], |source| source.labels());
            let restored = book.restore(&found, labels, calendar.instant);
            let (peers, left_out) = (restored.peers, restored.left_out);
            let from = if restored.from_p2pool { "p2pool" } else { "blockcast" };
            tracing::info!(chain, %file, from, peers, left_out, "peer book is read");
        }
        Found::SetAside { why, to: Ok(to) } => {
            let to = to.display();
            tracing::error!(chain, %file, %why, %to, "the peer book cannot be used; it is set aside, and a new one begun");
        }
        Found::SetAside { why, to: Err(error) } => tracing::error!(
            chain, %file, %why, %error,
            "the peer book cannot be used, and not be set aside either; a new one is begun, and will take its place"
        ),
    }
    book
}

/// Whether the engine can take blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// Why not, one sentence each.
    pub reasons: Vec<String>,
}
