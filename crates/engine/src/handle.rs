//! What others see of a running chain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use parking_lot::Mutex;
use relay::{NodeHealth, Relay};
use serde::Serialize;

/// One address of the peer book, as it was a moment ago.
#[derive(Debug, Clone, Serialize)]
pub struct BookEntry {
    /// `host:port`
    pub address: String,
    /// `own`, `fixed` or `node` (a peer of a node of ours).
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
    pub(crate) book: Mutex<Vec<BookEntry>>,
    pub(crate) dials: Mutex<DialStatistics>,
    pub(crate) restarts: AtomicU64,
    pub(crate) given_up: AtomicBool,
    pub(crate) started: Instant,
    /// Where a test asks the present incarnation of the actors to crash.
    #[cfg(test)]
    pub(crate) crash: Mutex<Option<actix::Recipient<crate::broadcaster::Crash>>>,
}

impl ChainHandle {
    pub(crate) fn new(config: config::Chain, relay: Arc<Relay>) -> Self {
        Self {
            config,
            relay,
            book: Mutex::default(),
            dials: Mutex::default(),
            restarts: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
            started: Instant::now(),
            #[cfg(test)]
            crash: Mutex::default(),
        }
    }

    /// The chain's configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The peer book, best first, at most a second old.
    pub fn book(&self) -> Vec<BookEntry> {
        self.book.lock().clone()
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

/// Whether the engine can take blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// Why not, one sentence each.
    pub reasons: Vec<String>,
}
