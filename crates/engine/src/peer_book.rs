//! The `PeerBook`: carries between the book's rules and the rest.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message, WeakAddr, WrapFuture};
use net::DialError;
use protocol::{
    book::{Address, Heard, Kind, Seeding, Source, Task},
    delivery::Outcome,
    session::GossipAddress,
};
use relay::{Ended, Ending, Peer, PeerNotice};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    ChainHandle,
    broadcaster::{ChainBroadcaster, Dial},
    seeds,
};

/// How often to see whether there is something to do. What that is the book knows; nearly always it is nothing.
const TICK: Duration = Duration::from_millis(500);

/// How often the sizes are counted for metrics.
const COUNTED: Duration = Duration::from_secs(5);

/// How often the book is saved.
const SAVED: Duration = Duration::from_secs(300);

/// While nothing was heard of any peer for this long, a failed dial is nobody's fault: there may be no network.
const PROGRESS: Duration = Duration::from_secs(60);

/// The book of one chain. The book itself is the [`ChainHandle`]'s: it outlives this actor, and others may look into it.
pub(crate) struct PeerBook {
    chain: Arc<ChainHandle>,
    broadcaster: WeakAddr<ChainBroadcaster>,
    alive: CancellationToken,
    /// Dropped with the actor, also by a panic: then the chain's other actors go too, and all are rebuilt.
    _guard: DropGuard,
    seeding: Seeding,
    /// Who is to be hung up on as soon as no block is on its way.
    parting: Vec<Address>,
    counted: Option<Instant>,
    saved: Instant,
    saving: Option<JoinHandle<()>>,
}

impl PeerBook {
    pub(crate) fn new(
        chain: Arc<ChainHandle>,
        broadcaster: WeakAddr<ChainBroadcaster>,
        alive: CancellationToken,
        live: &[Arc<Peer>],
    ) -> Self {
        let (guard, now) = (alive.clone().drop_guard(), Instant::now());
        // What happened while nobody looked after the book it was not told.
        let mut book = chain.book.lock();
        for named in live.iter().filter_map(|peer| heard(&peer.address, peer.kind.clone())) {
            book.hear(named, now);
        }
        let known = live.iter().filter_map(|peer| Some((peer.address.parse().ok()?, peer.is_ready())));
        book.adopt(known, now);
        drop(book);
        Self {
            chain,
            broadcaster,
            alive,
            _guard: guard,
            seeding: Seeding::new(now),
            parting: Vec::new(),
            counted: None,
            saved: now,
            saving: None,
        }
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.work(now);
        if self.counted.is_none_or(|counted| now >= counted + COUNTED) {
            self.counted = Some(now);
            self.count(now);
            self.seed(now, ctx);
        }
        if now >= self.saved + SAVED && self.saving.as_ref().is_none_or(JoinHandle::is_finished) {
            self.saved = now;
            let chain = self.chain.clone();
            self.saving = Some(tokio::task::spawn_blocking(move || chain.save_book()));
        }
    }

    /// Asks seeds, if the book is thin and it is time.
    fn seed(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let thin = self.chain.book.lock().is_thin(now);
        if self.seeding.is_due(thin, now) {
            tokio::spawn(seeds::ask(self.chain.clone(), ctx.address()));
        }
    }

    fn work(&mut self, now: Instant) {
        let tasks = self.chain.book.lock().work(&mut rand::rng(), now);
        let mut dials = Vec::new();
        for task in tasks {
            match task {
                Task::Dial { address, kind, score } => dials.push((address.to_string(), kind, score)),
                Task::Drop { address, reason } => {
                    tracing::info!(chain = self.chain.name(), peer = %address, reason, "peer is let go");
                    self.parting.push(address);
                }
            }
        }
        // Not while a block is on its way: it may be on its way to them.
        if !self.parting.is_empty() && !self.chain.relay.is_delivering() {
            let parting = std::mem::take(&mut self.parting);
            self.chain.hang_up(|peer| parting.contains(&peer));
        }
        if dials.is_empty() {
            return;
        }
        self.chain.dials.lock().attempts += dials.len() as u64;
        if let Some(broadcaster) = self.broadcaster.upgrade() {
            broadcaster.do_send(Dial(dials));
        }
    }

    /// Brings the gauges up to date.
    fn count(&self, now: Instant) {
        let metrics = self.chain.relay.metrics();
        let summary = self.chain.book_summary(now);
        for source in self.chain.relay.peer_kinds() {
            metrics.peer_book_size(source, summary.sources.get(source).copied().unwrap_or_default());
        }
        metrics.peers_in_backoff(summary.in_backoff);
    }

    fn ended(&self, peer: &Peer, address: &Address, ended: &Ended, now: Instant) {
        let jitter = rand::random();
        let mut book = self.chain.book.lock();
        match ended {
            // What it is it will still be in a minute.
            _ if is_unsuitable(ended) => book.unsuitable(address, now),
            // A duplicate has done nothing wrong.
            Ended::Closed(_) | Ended::Refused(_) => book.disconnected(address, jitter, now),
            Ended::NotDialled(_) | Ended::NotReady(_) => {
                let counts = is_peers_doing(ended) && self.chain.relay.has_heard_within(PROGRESS);
                book.dial_failed(address, counts, jitter, now);
            }
        }
        drop(book);
        if !matches!(ended, Ended::Closed(_)) {
            let mut dials = self.chain.dials.lock();
            match ended.kind() {
                "timeout" | "handshake_timeout" => dials.timeouts += 1,
                "refused" => dials.refused += 1,
                _ => dials.failed += 1,
            }
        }
        tracing::debug!(chain = self.chain.name(), peer = peer.name(), kind = ended.kind(), "the book knows");
    }
}

/// Whether a failure to connect can be the peer's doing, and is not that of our proxy or our own machine.
fn is_peers_doing(ended: &Ended) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, NetworkDown, NetworkUnreachable};
    /// Too many open files, in this process or on this machine.
    const NO_DESCRIPTOR: [Option<i32>; 2] = [Some(24), Some(23)];
    match ended {
        Ended::NotDialled(DialError::Proxy(..)) => false,
        Ended::NotDialled(DialError::Io(_, error)) => {
            let local = matches!(error.kind(), AddrNotAvailable | NetworkDown | NetworkUnreachable);
            !local && !NO_DESCRIPTOR.contains(&error.raw_os_error())
        }
        _ => true,
    }
}

/// Whether what ended the connection will end the next one, too.
fn is_unsuitable(ended: &Ended) -> bool {
    matches!(ended.kind(), "wrong_chain" | "too_old" | "self_connect" | "missing_services" | "far_behind")
}

impl Actor for PeerBook {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, Self::tick);
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
pub(crate) struct Candidates(pub(crate) Vec<Heard>);

impl Handler<Candidates> for PeerBook {
    type Result = ();

    fn handle(&mut self, Candidates(candidates): Candidates, _: &mut Self::Context) {
        let now = Instant::now();
        {
            let mut book = self.chain.book.lock();
            for heard in candidates {
                book.hear(heard, now);
            }
        }
        self.work(now);
    }
}

/// Those that the chain's own source names, all of them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Preferred(pub(crate) Vec<Heard>);

impl Handler<Preferred> for PeerBook {
    type Result = ();

    fn handle(&mut self, Preferred(named): Preferred, _: &mut Self::Context) {
        let now = Instant::now();
        self.chain.book.lock().prefer(named, now);
        self.work(now);
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
        let Ok(address) = peer.address.parse::<Address>() else {
            return tracing::error!(
                chain = self.chain.name(),
                peer = peer.name(),
                "no address; please report this"
            );
        };
        let score = {
            let mut book = self.chain.book.lock();
            match notice {
                PeerNotice::Ready if book.get(&address).is_none() => {
                    // It was let go of while it was being dialled.
                    drop(book);
                    return peer.close();
                }
                PeerNotice::Ready => {
                    self.chain.dials.lock().successes += 1;
                    book.connected(&address, peer.info().services, Some(peer.since.elapsed()), now);
                }
                PeerNotice::RoundTrip(round_trip) => book.pinged(&address, round_trip, now),
                PeerNotice::Outcome(Outcome::Accepted, after) => book.delivered(&address, after, now),
                PeerNotice::Outcome(outcome, _) => {
                    // What we ended ourselves is nobody's fault.
                    let ours = outcome == Outcome::Disconnected && peer.ending() == Some(Ending::Us);
                    if outcome == Outcome::Disconnected && peer.ending() == Some(Ending::Peer) {
                        tracing::warn!(
                            chain = self.chain.name(),
                            peer = peer.name(),
                            "the peer hung up on a block of ours; one that cannot be reached again has banned us"
                        );
                        book.hung_up_after_block(&address);
                    }
                    let failed = matches!(
                        outcome,
                        Outcome::Rejected { .. } | Outcome::Disconnected | Outcome::TimedOut
                    );
                    if failed && !ours {
                        book.delivery_failed(&address, now);
                    }
                }
                PeerNotice::Announced { lag, .. } => book.announced(&address, lag, now),
                PeerNotice::Addresses(addresses) => {
                    for told in addresses.iter().filter_map(|told| rumour(told, &address)) {
                        book.hear(told, now);
                    }
                }
                PeerNotice::Fault(_) => book.misbehaved(&address, now),
                PeerNotice::Ended(ended) => {
                    drop(book);
                    // The next connection to it is another matter.
                    self.parting.retain(|parting| *parting != address);
                    self.ended(&peer, &address, &ended, now);
                    return self.work(now);
                }
            }
            book.get(&address).map(|entry| entry.score(now))
        };
        if let Some(score) = score {
            self.chain.relay.set_score(&peer, score);
        }
        self.work(now);
    }
}

/// A peer of a node of ours, or one that the chain's own source names, as the book hears of it.
pub(crate) fn heard(address: &str, kind: Kind) -> Option<Heard> {
    address.parse().ok().map(|address| Heard::of(address, kind))
}

/// What a peer tells of another. What our own node passes on it was told by anybody, too.
fn rumour(told: &GossipAddress, teller: &Address) -> Option<Heard> {
    Some(Heard {
        address: Address::of_gossip(&told.address, told.port)?,
        kind: Kind::Discovered(Source::Gossip),
        from: Some(teller.group()),
        seen: Some(told.time),
        services: told.services.0,
    })
}

/// Wall clock time, in Unix seconds.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}

#[cfg(test)]
impl Handler<crate::broadcaster::Crash> for PeerBook {
    type Result = ();

    fn handle(&mut self, _: crate::broadcaster::Crash, _: &mut Self::Context) {
        panic!("a test asked for it");
    }
}
