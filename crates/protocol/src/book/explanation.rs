//! Why a peer is where it is.

use std::time::Instant;

use serde::Serialize;

use super::{Address, PeerBook, State, Term};

/// Everything that the book knows of one address. Times are in Unix seconds where not said otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// `host:port`.
    pub address: String,
    /// Why it is in the book.
    pub source: &'static str,
    /// `idle`, `dialing` or `connected`.
    pub state: &'static str,
    /// 0 to 1000; 999999 for our own nodes.
    pub score: u32,
    /// What the score is made of. Their sum is the score, between 0 and 1000. Empty for our own nodes.
    pub terms: Vec<Term>,
    /// How much later we should hear of blocks without it, in the mean of all blocks: what places are given for. `null` for
    /// our own nodes, and while it was seen with too few.
    pub promise_ms: Option<f64>,
    /// Why it is not dialled now; empty if nothing stands against that.
    pub obstacles: Vec<String>,
    /// Whether the present connection is there to find out what it is worth.
    pub on_trial: bool,
    /// Whether we were ever connected to it.
    pub was_connected: bool,
    /// Whether a node of ours is connected to it.
    pub known_to_node: bool,
    /// The neighbourhood that first told us of it; `null` for our own node, the configuration, or the chain.
    pub heard_from: Option<String>,
    /// Its own neighbourhood.
    pub group: String,
    /// When we first heard of it.
    pub first_seen: f64,
    /// When it was last alive, as we saw it, or else as others say.
    pub last_seen: f64,
    /// Seconds connected, all times together.
    pub uptime_seconds: u64,
    /// What it offers, as bits, in hex.
    pub services: String,
    /// Mean of late handshakes.
    pub handshake_ms: Option<f64>,
    /// Mean of late pings.
    pub ping_ms: Option<f64>,
    /// Mean time until a block of ours was in its hands.
    pub delivery_ms: Option<f64>,
    /// Proven deliveries.
    pub deliveries: u64,
    /// Failed deliveries.
    pub failures: u64,
    /// Blocks of others that it announced to us.
    pub announced: u64,
    /// Those of them that it announced before all our other peers.
    pub announced_first: u64,
    /// How often it hung up right after a block of ours.
    pub hung_up_after_block: u64,
    /// Failures to connect in a row.
    pub failures_in_a_row: u32,
    /// Seconds until it may be dialled again.
    pub backoff_seconds: f64,
    /// Until when its host is banned by the operator.
    pub banned_until: Option<f64>,
}

impl PeerBook {
    /// Explains an address of the book.
    pub fn explain(&self, address: &Address, now: Instant) -> Option<Explanation> {
        let entry = self.get(address)?;
        let (announced, announced_first) = entry.announced();
        let backoff = entry.due().saturating_duration_since(now).as_secs_f64();
        let banned_until = self.banned_until(address, now);
        let mut obstacles = Vec::new();
        if entry.state == State::Idle {
            if banned_until.is_some() {
                obstacles.push("its host is banned".to_owned());
            }
            if backoff > 0.0 {
                obstacles.push(format!("it is left alone for another {backoff:.0} s after failures"));
            }
            obstacles.extend(self.crowd(now).objection(address, entry, &self.rules, now).map(str::to_owned));
        }
        Some(Explanation {
            address: address.to_string(),
            source: entry.kind.as_str(),
            state: entry.state.as_str(),
            score: entry.score(now),
            terms: if entry.kind.is_own() { Vec::new() } else { entry.terms(now) },
            promise_ms: Some(entry)
                .filter(|entry| !entry.kind.is_own())
                .and_then(|entry| entry.promise(self.scale(), now))
                .map(|promise| promise.value),
            obstacles,
            on_trial: entry.on_trial,
            was_connected: entry.was_connected() || !entry.uptime(now).is_zero(),
            known_to_node: entry.is_known_to_node(self.unix(now)),
            heard_from: entry.heard_from.as_ref().map(ToString::to_string),
            group: address.group().to_string(),
            first_seen: entry.first_seen,
            last_seen: entry.last_seen,
            uptime_seconds: entry.uptime(now).as_secs(),
            services: format!("{:016x}", entry.services),
            handshake_ms: entry.handshake_ms(),
            ping_ms: entry.ping_ms(),
            delivery_ms: entry.delivery_ms(),
            deliveries: entry.deliveries,
            failures: entry.failures,
            announced,
            announced_first,
            hung_up_after_block: entry.hung_up_after_block(),
            failures_in_a_row: entry.failures_in_a_row(),
            backoff_seconds: backoff,
            banned_until,
        })
    }

    /// Keeps a host away for a while, whatever its ports: it is not dialled until then. Our own nodes and fixed peers
    /// are the operator's own word, and stay what they are.
    pub fn ban(&mut self, host: &str, until: f64) {
        self.bans.insert(host.to_owned(), until);
    }

    /// Lets a host back in; says whether it was banned.
    pub fn unban(&mut self, host: &str) -> bool {
        self.bans.remove(host).is_some()
    }

    /// The banned hosts, and until when each is, Unix seconds.
    pub fn bans(&self, now: Instant) -> impl Iterator<Item = (&str, f64)> {
        let unix = self.unix(now);
        self.bans.iter().filter(move |(_, until)| **until > unix).map(|(host, until)| (host.as_str(), *until))
    }

    pub(super) fn banned_until(&self, address: &Address, now: Instant) -> Option<f64> {
        if self.bans.is_empty() {
            return None;
        }
        self.bans.get(&address.host()).copied().filter(|until| *until > self.unix(now))
    }

    pub(super) fn is_banned(&self, address: &Address, now: Instant) -> bool {
        self.banned_until(address, now).is_some()
    }
}
