//! The `PeerBook`: carries between the book's rules and the rest.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WeakAddr, WrapFuture};
use protocol::{
    book::{self, Kind, Limits, State},
    delivery::Outcome,
};
use relay::{Ended, Peer, PeerNotice};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    BookEntry, ChainHandle,
    broadcaster::{ChainBroadcaster, Dial},
};

/// How often to see whether someone is to be dialled.
const TICK: Duration = Duration::from_millis(500);

/// How many strangers may be dialled at the same time.
const DIALS_AT_ONCE: usize = 3;

/// The book of one chain.
pub(crate) struct PeerBook {
    chain: Arc<ChainHandle>,
    broadcaster: WeakAddr<ChainBroadcaster>,
    alive: CancellationToken,
    /// Dropped with the actor, also by a panic: then the chain's other actors go too, and all are rebuilt.
    _guard: DropGuard,
    book: book::PeerBook,
}

impl PeerBook {
    pub(crate) fn new(
        chain: Arc<ChainHandle>,
        broadcaster: WeakAddr<ChainBroadcaster>,
        alive: CancellationToken,
        live: &[Arc<Peer>],
    ) -> Self {
        let limits = Limits { max: chain.config.peers.max, dialing: DIALS_AT_ONCE };
        let (guard, now) = (alive.clone().drop_guard(), Instant::now());
        let mut book = book::PeerBook::new(limits);
        for peer in live {
            book.add(peer.address.clone(), peer.kind.clone(), now);
            // Also one that is being dialled: should it fail, the relay says so.
            book.connected(&peer.address, now);
        }
        Self { chain, broadcaster, alive, _guard: guard, book }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let dials = self.book.next_dials(now);
        if !dials.is_empty() {
            self.chain.dials.lock().attempts += dials.len() as u64;
            let scored = |(address, kind): (String, Kind)| {
                let score = self.book.get(&address).map_or(0, |entry| entry.score_at(now));
                (address, kind, score)
            };
            let dial = Dial(dials.into_iter().map(scored).collect());
            if let Some(broadcaster) = self.broadcaster.upgrade() {
                broadcaster.do_send(dial);
            }
        }
        self.publish(now);
    }

    /// Lets others see the book.
    fn publish(&self, now: Instant) {
        let entries = self.book.entries();
        let metrics = self.chain.relay.metrics();
        for source in self.chain.relay.peer_kinds() {
            metrics.peer_book_size(
                source,
                entries.iter().filter(|(_, entry)| entry.kind.as_str() == source).count(),
            );
        }
        metrics.peers_in_backoff(self.book.in_backoff(now));
        let entries = entries.into_iter().map(|(address, entry)| BookEntry {
            address: address.clone(),
            source: entry.kind.as_str(),
            state: match entry.state {
                State::Idle => "idle",
                State::Dialing => "dialing",
                State::Connected => "connected",
            },
            score: entry.score_at(now),
            deliveries: entry.deliveries,
            failures: entry.failures,
            failures_in_a_row: entry.failures_in_a_row(),
            backoff_seconds: entry.due().saturating_duration_since(now).as_secs_f64(),
        });
        *self.chain.book.lock() = entries.collect();
    }

    fn ended(&mut self, peer: &Peer, ended: &Ended, now: Instant) {
        let jitter = rand::random();
        match ended {
            Ended::Closed(_) => self.book.disconnected(&peer.address, jitter, now),
            Ended::NotDialled(_) | Ended::NotReady(_) => {
                {
                    let mut dials = self.chain.dials.lock();
                    match ended.kind() {
                        "timeout" | "handshake_timeout" => dials.timeouts += 1,
                        "refused" => dials.refused += 1,
                        _ => dials.failed += 1,
                    }
                }
                // Only while another connection works is a failed dial the peer's fault.
                let online = !self.chain.relay.ready_peers().is_empty();
                self.book.dial_failed(&peer.address, online, jitter, now);
            }
        }
    }
}

impl Actor for PeerBook {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |book, _| book.tick());
        let alive = self.alive.clone();
        ctx.spawn(actix::fut::ActorFutureExt::map(
            async move { alive.cancelled().await }.into_actor(self),
            |(), _, ctx: &mut Self::Context| ctx.stop(),
        ));
    }
}

/// Addresses, and why they are of interest.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Candidates(pub(crate) Vec<(String, Kind)>);

impl Handler<Candidates> for PeerBook {
    type Result = ();

    fn handle(&mut self, Candidates(candidates): Candidates, _: &mut Self::Context) {
        let now = Instant::now();
        for (address, kind) in candidates {
            self.book.add(address, kind, now);
        }
        self.tick();
    }
}

/// Something happened to a connection.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct News {
    pub(crate) peer: Arc<Peer>,
    pub(crate) notice: PeerNotice,
}

impl Handler<News> for PeerBook {
    type Result = ();

    fn handle(&mut self, News { peer, notice }: News, _: &mut Self::Context) {
        let now = Instant::now();
        match notice {
            PeerNotice::Ready => {
                self.chain.dials.lock().successes += 1;
                self.book.connected(&peer.address, now);
            }
            PeerNotice::Outcome(Outcome::Accepted) => self.book.delivered(&peer.address, now),
            PeerNotice::Outcome(Outcome::Rejected { .. } | Outcome::Disconnected | Outcome::TimedOut) => {
                self.book.delivery_failed(&peer.address, now);
            }
            PeerNotice::Outcome(_) | PeerNotice::Announced { .. } => {}
            PeerNotice::Fault(_) => self.book.misbehaved(&peer.address, now),
            PeerNotice::Ended(ended) => self.ended(&peer, &ended, now),
        }
        if let Some(entry) = self.book.get(&peer.address) {
            self.chain.relay.set_score(&peer, entry.score_at(now));
        }
        self.publish(now);
    }
}

#[cfg(test)]
impl Handler<crate::broadcaster::Crash> for PeerBook {
    type Result = ();

    fn handle(&mut self, _: crate::broadcaster::Crash, _: &mut Self::Context) {
        panic!("a test asked for it");
    }
}
