//! What connections tell, and what they ask for.

use std::{
    fmt,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use chain::IndexedBlock;
use futures_util::FutureExt;
use net::{Closed, Connection, DialError, Host};
use protocol::{
    PeerId,
    delivery::{Outcome, Stages, Tracker},
    headers::PeerChain,
    session::{Event, Introduction, Session, Shelf, Via},
};
use serde_json::json;
use wire::{BlockHash, Header, NetworkAddress};

use crate::{Delivery, Ended, Peer, PeerNotice, PeerSpec, Refusal, Relay};

/// How many times the chain's largest payload a lane holds.
const LANE_PAYLOADS: usize = 4;

/// By how many blocks a stranger may be behind: half a day of Dash's, a few hours of the others'.
const FAR_BEHIND: u32 = 288;

impl Relay {
    /// Connects to a peer and runs the connection until it ends; returns at once. The listener is told how it goes.
    ///
    /// The connection belongs to the relay, not to the caller: it survives whoever looks after it, and
    /// [`Peer::listen`] hands it to someone else.
    pub fn connect(
        self: &Arc<Self>,
        spec: PeerSpec,
        listener: impl Fn(PeerNotice) + Send + Sync + 'static,
    ) -> Arc<Peer> {
        let peer = self.peers.add(spec, LANE_PAYLOADS * self.chain.session_policy().max_payload);
        peer.listen(listener);
        let (relay, connected) = (self.clone(), peer.clone());
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let conversation = AssertUnwindSafe(relay.converse(&connected)).catch_unwind();
            let ended = tokio::select! {
                ended = conversation => ended.unwrap_or_else(|_| {
                    // What the peer said, or the block that it was sent, may be the cause.
                    tracing::error!(chain = relay.name(), peer = connected.name(), "a connection's task crashed");
                    relay.note_crash();
                    Ended::Closed(Closed::Io(std::io::Error::other("the connection's task crashed")))
                }),
                () = stop.cancelled() => Ended::Closed(Closed::Asked),
            };
            relay.ended(&connected, ended);
        });
        peer
    }

    async fn converse(self: &Arc<Self>, peer: &Arc<Peer>) -> Ended {
        let proxy = self.settings.proxy.as_ref().filter(|_| !peer.kind.is_own());
        let dialled = net::dial(&peer.address, proxy, self.settings.dial_timeout).await;
        if let Some(proxy) = proxy {
            self.note_proxy(proxy, dialled.as_ref().err());
        }
        let (stream, remote) = match dialled {
            Ok(connected) => connected,
            Err(error) => return error.into(),
        };
        let place = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        if let Some(other) = self.peers.at(place) {
            if !is_named(peer) {
                return Ended::Refused(Refusal::Duplicate(other.name().to_owned()));
            }
            if !is_named(&other) {
                *other.refusal.lock() = Some(Refusal::Duplicate(peer.name().to_owned()));
                other.close();
            }
        }
        *peer.remote.lock() = Some(place);
        let introduction = Introduction {
            nonce: rand::random(),
            user_agent: self.settings.user_agent.clone(),
            timestamp: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64),
            receiver: NetworkAddress::from(remote),
            start_height: self.headers.lock().tip_height().unwrap_or(0),
            gossip: self.settings.gossip,
        };
        let session = Session::new(self.chain.clone(), introduction, Instant::now());
        let connection =
            Connection { id: peer.id, lane: peer.lane.clone(), magic: self.chain.params().magic };
        let host = Arc::new(PeerHost { relay: self.clone(), peer: peer.clone() });
        let closed = net::run(stream, connection, session, self.chain.clone(), host).await;
        match peer.refusal.lock().take() {
            Some(refusal) => Ended::Refused(refusal),
            None if peer.is_ready() => Ended::Closed(closed),
            None => Ended::NotReady(closed),
        }
    }

    /// Why we want no more of a peer that has just introduced itself.
    fn refusal(&self, peer: &Peer, height: Option<u32>) -> Option<Refusal> {
        let (height, tip) = (height?, self.headers.lock().tip_height()?);
        let is_far_behind = height.saturating_add(FAR_BEHIND) < tip && !is_named(peer);
        is_far_behind.then_some(Refusal::FarBehind { height, tip })
    }

    fn ended(self: &Arc<Self>, peer: &Arc<Peer>, ended: Ended) {
        let now = Instant::now();
        peer.close();
        // Before its deliveries are told of it: whose doing it was is part of what they mean.
        *peer.ending.lock() = Some(ended.kind());
        if peer.is_ready() {
            let told = || json!({ "peer": peer.name(), "reason": ended.kind() });
            self.events.tell(self.name(), "disconnected", told);
        }
        self.peers.remove(peer.id);
        self.locks.lock().forget(peer.id);
        self.others.forget(peer.id);
        self.sightings.lock().forget(peer.id);
        for delivery in self.live() {
            let outcome = delivery.update(|state| state.tracker.disconnected(peer.id, now));
            self.settled(&delivery, peer, outcome);
        }
        match &ended {
            Ended::Closed(closed) => {
                self.metrics.peer_disconnection(closed.kind());
                match closed {
                    Closed::Stuck => self.metrics.send_timeout(),
                    Closed::Io(_) => self.metrics.socket_error(closed.kind()),
                    _ => {}
                }
                tracing::info!(chain = self.name(), peer = peer.name(), reason = %ended, "peer gone");
            }
            Ended::NotDialled(_) | Ended::NotReady(_) | Ended::Refused(_) => {
                self.metrics.connection_attempt(ended.kind());
                // That a stranger cannot be reached is nothing new; nor is, once it was told, that the proxy is down.
                if is_named(peer) && !matches!(ended, Ended::NotDialled(DialError::Proxy(..))) {
                    tracing::info!(chain = self.name(), peer = peer.name(), reason = %ended, "no connection");
                } else {
                    tracing::debug!(chain = self.name(), peer = peer.name(), reason = %ended, "no connection");
                }
            }
        }
        peer.notify(PeerNotice::Ended(Arc::new(ended)));
    }

    /// All connections, also those whose handshake is not done.
    pub fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.all()
    }

    /// Those with a finished handshake, in the order in which they are sent to.
    pub fn ready_peers(&self) -> Arc<Vec<Arc<Peer>>> {
        self.peers.ready()
    }

    /// The book has another opinion of a peer.
    pub fn set_score(&self, peer: &Peer, score: u32) {
        self.peers.set_score(peer, score);
    }

    /// The height that a peer is known or claims to have.
    pub fn peer_height(&self, peer: &Peer) -> Option<u32> {
        let headers = self.headers.lock();
        peer.chain.lock().height(&headers)
    }
}

/// Our own nodes and those whom the operator named are what they are.
fn is_named(peer: &Peer) -> bool {
    peer.kind.is_own() || peer.kind.is_fixed()
}

/// The relay as its connections see it.
struct PeerHost {
    relay: Arc<Relay>,
    peer: Arc<Peer>,
}

impl fmt::Debug for PeerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerHost")
    }
}

impl Shelf for PeerHost {
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        let ours = self.relay.shelf.lock().get(hash);
        ours.or_else(|| self.relay.foreign_block(hash))
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header> {
        let mut headers = self.relay.headers.lock().after(locator, stop);
        if self.peer.is_observer() {
            // Its announcement is to be the network's: whoever hears of a block from us takes it that we know it, and
            // does not announce it.
            let unheard =
                |delivery: &Arc<Delivery>| delivery.read(|state| state.tracker.first_echo().is_none());
            let ours: Vec<_> =
                self.relay.live().iter().filter(|ours| unheard(ours)).map(|ours| ours.block()).collect();
            let is_ours = |header: &Header| ours.contains(&self.relay.chain.block_hash(header));
            if !ours.is_empty()
                && let Some(first) = headers.iter().position(is_ours)
            {
                headers.truncate(first);
            }
        }
        headers
    }

    fn locator(&self) -> Vec<BlockHash> {
        let headers = self.relay.headers.lock();
        if headers.is_empty() { Vec::new() } else { headers.locator(self.relay.chain.params().genesis) }
    }

    fn knows(&self, hash: &BlockHash) -> bool {
        self.relay.headers.lock().contains(hash)
    }

    fn awaits(&self, block: &BlockHash) -> bool {
        self.relay.others.awaits(self.peer.id, *block)
    }

    fn object(&self, id: &[u8; 32]) -> Option<Bytes> {
        self.relay.locks.lock().object(id).map(|lock| lock.object.clone())
    }
}

impl Host for PeerHost {
    fn event(&self, id: PeerId, event: Event, now: Instant) {
        let relay = &self.relay;
        let Some(peer) = relay.peers.get(id) else { return };
        match event {
            Event::Ready { protocol, services, user_agent, start_height } => {
                if let Some(refusal) = relay.refusal(&peer, start_height) {
                    *peer.refusal.lock() = Some(refusal);
                    return peer.close();
                }
                tracing::info!(chain = relay.name(), peer = peer.name(), user_agent, protocol, %services, start_height, "peer ready");
                peer.update_info(|info| {
                    info.protocol = protocol;
                    info.services = services.0;
                    info.user_agent = user_agent;
                });
                *peer.chain.lock() = PeerChain::new(start_height);
                relay.others.joined(&peer, now);
                relay.peers.set_ready(&peer);
                relay.metrics.connection_attempt("success");
                relay.events.tell(relay.name(), "connected", || json!({ "peer": peer.name() }));
                peer.notify(PeerNotice::Ready);
                relay.catch_up(&peer);
            }
            Event::Announced { block, via } => self.announced(&peer, block, via, now),
            Event::Headers { headers, via } => relay.headers_from(&peer, headers, via, now),
            Event::Pong(nonce) => {
                for delivery in relay.live().iter().filter(|delivery| delivery.barrier == nonce) {
                    self.stage(
                        id,
                        delivery,
                        "processed",
                        now,
                        |stages| stages.processed,
                        |tracker| tracker.pong(id, now),
                    );
                }
            }
            Event::RoundTrip(round_trip) => {
                peer.update_info(|info| info.round_trip = Some(round_trip));
                peer.notify(PeerNotice::RoundTrip(round_trip));
            }
            Event::Rejected { block, reason } => {
                tracing::warn!(chain = relay.name(), peer = peer.name(), %block, reason, "peer rejects the block");
                for delivery in relay.live().iter().filter(|delivery| delivery.block() == block) {
                    let outcome = delivery.update(|state| state.tracker.rejected(id, &reason, now));
                    relay.settled(delivery, &peer, outcome);
                }
            }
            Event::Served { block } => {
                tracing::debug!(chain = relay.name(), peer = peer.name(), %block, "served");
                relay.served(&peer, block);
            }
            Event::Block { block, payload } => relay.others.arrived(id, block, payload),
            Event::Missing { block } => relay.others.missing(id, block),
            Event::PrefersHeaders => peer.update_info(|info| info.prefers_headers = true),
            Event::OffersCompact { version, .. } => {
                peer.update_info(|info| info.compact_version = info.compact_version.max(Some(version)));
            }
            Event::ObjectAnnounced { id } => relay.lock_announced(&peer, id),
            Event::Object { payload } => relay.lock_claimed(&peer, payload),
            Event::Addresses(addresses) => {
                let count = addresses.len();
                tracing::debug!(chain = relay.name(), peer = peer.name(), count, "addresses told");
                peer.notify(PeerNotice::Addresses(addresses.into()));
            }
            Event::AddressesDropped(count) => {
                tracing::debug!(
                    chain = relay.name(),
                    peer = peer.name(),
                    count,
                    "more addresses than it may tell"
                );
            }
            Event::Fault { kind } => relay.fault(&peer, kind),
            Event::Garbage { kind } => {
                tracing::debug!(chain = relay.name(), peer = peer.name(), kind, "not a message");
                relay.metrics.socket_error(kind);
            }
        }
    }

    fn written(&self, id: PeerId, block: BlockHash, handed: Instant, now: Instant) {
        for delivery in self.relay.live().iter().filter(|delivery| delivery.block() == block) {
            self.stage(
                id,
                delivery,
                "written",
                now,
                |stages| stages.written,
                |tracker| tracker.written(id, handed, now),
            );
        }
    }

    fn acked(&self, id: PeerId, block: BlockHash, now: Instant) {
        for delivery in self.relay.live().iter().filter(|delivery| delivery.block() == block) {
            self.stage(
                id,
                delivery,
                "acked",
                now,
                |stages| stages.acked,
                |tracker| {
                    tracker.acked(id, now);
                    None
                },
            );
        }
    }

    fn sent(&self, bytes: usize) {
        self.relay.metrics.sent(bytes);
    }

    fn received(&self, bytes: usize) {
        // That our own node speaks, next to us, says nothing of the network.
        if !self.peer.kind.is_own() && self.peer.is_ready() {
            self.relay.heard.note();
        }
        self.relay.metrics.received(bytes);
    }

    fn as_shelf(&self) -> &dyn Shelf {
        self
    }
}

impl PeerHost {
    /// A peer says that it has a block.
    fn announced(&self, peer: &Arc<Peer>, block: BlockHash, via: Via, now: Instant) {
        let relay = &self.relay;
        if via.is_proof() {
            for delivery in relay.live().iter().filter(|delivery| delivery.block() == block) {
                let outcome = delivery.update(|state| state.tracker.announced(peer.id, now));
                relay.withdraw(delivery, peer);
                relay.settled(delivery, peer, outcome);
            }
        }
        if via.is_proof() {
            relay.learn(peer, block);
            relay.heard_of(peer, block, now);
        } else {
            peer.chain.lock().assume(block);
        }
        relay.catch_up(peer);
    }

    /// Notes that a delivery has passed a stage; it is counted the first time only.
    fn stage(
        &self,
        id: PeerId,
        delivery: &Delivery,
        name: &'static str,
        now: Instant,
        passed: impl Fn(Stages) -> Option<Instant>,
        note: impl FnOnce(&mut Tracker) -> Option<Outcome>,
    ) {
        let relay = &self.relay;
        let (is_new, outcome) = delivery.update(|state| {
            let before = state.tracker.stages(id).and_then(&passed);
            let outcome = note(&mut state.tracker);
            (before.is_none() && state.tracker.stages(id).and_then(&passed).is_some(), outcome)
        });
        if is_new {
            relay.metrics.delivery_stage(name, now.saturating_duration_since(delivery.received_at));
        }
        if let Some(peer) = relay.peers.get(id) {
            relay.settled(delivery, &peer, outcome);
        }
    }
}
