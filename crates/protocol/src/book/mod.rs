//! The peer book: who exists, how good they are, and whom to dial next.
//!
//! The book holds addresses, never sockets. It is asked for addresses to dial, is told what came of each, and keeps a
//! bounded [score](Score) that decaying luck and proven deliveries move. Our own nodes stand above all that: their
//! score is shown as [`Score::OWN`], they are dialled for ever and never dropped.

mod backoff;
mod entry;
mod score;

pub use backoff::Backoff;
pub use entry::{Entry, Kind, Priority, Rank, State};
pub use score::Score;

use std::{collections::HashMap, time::Instant};

/// A peer's address as it is written in configuration and reports: `host:port`.
pub type Address = String;

/// How many addresses the book holds; the worst that is not in use makes room.
pub const CAPACITY: usize = 4096;

/// Limits on connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many peers to be connected to, own nodes not counted.
    pub max: usize,
    /// How many dials may run at the same time.
    pub dialing: usize,
}

/// The book.
#[derive(Debug)]
pub struct PeerBook {
    entries: HashMap<Address, Entry>,
    limits: Limits,
}

impl PeerBook {
    /// An empty book.
    pub fn new(limits: Limits) -> Self {
        Self { entries: HashMap::new(), limits }
    }

    /// Adds an address. One that is known already keeps its history, and takes the better of its two kinds; of two that the chain prefers, the later.
    pub fn add(&mut self, address: Address, kind: Kind, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&address) {
            return entry.heard_as(kind, now);
        }
        if self.entries.len() >= CAPACITY && !self.make_room() {
            return;
        }
        self.entries.insert(address, Entry::new(kind, now));
    }

    fn make_room(&mut self) -> bool {
        let spare =
            |(_, entry): &(&Address, &Entry)| entry.kind.is_replaceable() && entry.state == State::Idle;
        let worst =
            self.entries.iter().filter(spare).min_by_key(|(_, entry)| (entry.kind.rank(), entry.score()));
        let worst = worst.map(|(address, _)| address.clone());
        worst.is_some_and(|address| self.entries.remove(&address).is_some())
    }

    /// An address's entry.
    pub fn get(&self, address: &str) -> Option<&Entry> {
        self.entries.get(address)
    }

    /// All entries, best first.
    pub fn entries(&self) -> Vec<(&Address, &Entry)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|(a, x), (b, y)| {
            (y.kind.rank(), y.score()).cmp(&(x.kind.rank(), x.score())).then(a.cmp(b))
        });
        entries
    }

    /// How many addresses wait for their backoff to end.
    pub fn in_backoff(&self, now: Instant) -> usize {
        self.entries.values().filter(|entry| entry.state == State::Idle && !entry.is_due(now)).count()
    }

    /// Chooses whom to dial now and marks them as being dialled: own nodes always, then fixed peers by priority, then
    /// by score, as far as the limits allow.
    pub fn next_dials(&mut self, now: Instant) -> Vec<(Address, Kind)> {
        let busy = |entry: &&Entry| entry.state != State::Idle;
        let remote = |entry: &&Entry| !entry.kind.is_own();
        let in_use = self.entries.values().filter(busy).filter(remote).count();
        let dialing =
            self.entries.values().filter(remote).filter(|entry| entry.state == State::Dialing).count();
        let mut places =
            self.limits.max.saturating_sub(in_use).min(self.limits.dialing.saturating_sub(dialing));
        let due: Vec<_> = self
            .entries()
            .into_iter()
            .filter(|(_, entry)| entry.state == State::Idle && entry.is_due(now))
            .map(|(address, entry)| (address.clone(), entry.kind.clone()))
            .collect();
        let chosen: Vec<_> = due
            .into_iter()
            .filter(|(_, kind)| {
                if kind.is_own() {
                    return true;
                }
                let place = places > 0;
                places = places.saturating_sub(1);
                place
            })
            .collect();
        for (address, _) in &chosen {
            self.update(address, |entry| entry.state = State::Dialing);
        }
        chosen
    }

    fn update(&mut self, address: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(address) {
            change(entry);
        }
    }

    /// The dial or the handshake failed. `jitter` in 0..1 spreads the redials of many.
    ///
    /// A failed dial is held against a peer only while other connections work (`online`): an hour without network
    /// must not empty the book.
    pub fn dial_failed(&mut self, address: &str, online: bool, jitter: f64, now: Instant) {
        self.update(address, |entry| entry.failed(online, jitter, now));
    }

    /// The handshake is done.
    pub fn connected(&mut self, address: &str, now: Instant) {
        self.update(address, |entry| entry.connected(now));
    }

    /// A connection that had been established has ended.
    pub fn disconnected(&mut self, address: &str, jitter: f64, now: Instant) {
        self.update(address, |entry| entry.disconnected(jitter, now));
    }

    /// The peer did what no honest daemon does.
    pub fn misbehaved(&mut self, address: &str, now: Instant) {
        self.update(address, |entry| entry.misbehaved(now));
    }

    /// A block of ours is proven to have reached the peer.
    pub fn delivered(&mut self, address: &str, now: Instant) {
        self.update(address, |entry| entry.delivered(now));
    }

    /// A block of ours did not reach the peer, and it was the peer's doing.
    pub fn delivery_failed(&mut self, address: &str, now: Instant) {
        self.update(address, |entry| entry.delivery_failed(now));
    }
}

#[cfg(test)]
mod tests;
