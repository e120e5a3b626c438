//! From one block to every peer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chain::IndexedBlock;
use net::{Packet, Plan, Withdrawn};
use protocol::{
    book::Kind,
    dedup::Fingerprint,
    delivery::{Outcome, WithheldReason},
};
use wire::{BlockHash, Command, GetHeaders, Message};

use crate::{Delivery, Peer, PeerNotice, Relay};

/// How long a node's own P2P push waits for its `submitblock`. Long enough for a verdict (1 MB is parsed in 42 ms),
/// short enough not to matter when the RPC hangs.
const VERDICT_HEAD_START: Duration = Duration::from_millis(250);

/// How many blocks of the chain the probe's locator names behind the parent.
const PROBE_LOCATOR: usize = 8;

/// What stands between a block and a peer.
enum Obstacle {
    /// Nothing.
    None,
    /// The peer has it already.
    HasIt,
    /// It was sent, or has an outcome.
    Settled,
    /// A reason to withhold it.
    Withhold(WithheldReason),
    /// The peer lacks the parent, which we hold.
    ParentFirst(Arc<IndexedBlock>),
}

impl Relay {
    /// Sends a sound block to every peer, best first.
    pub(crate) fn deliver_to_peers(self: &Arc<Self>, delivery: &Arc<Delivery>, block: &Arc<IndexedBlock>) {
        if let Some(other) = self.delivered_as(delivery, block) {
            tracing::info!(chain = self.name(), block = %block.hash, "another form of a block that peers already get");
            return delivery.update(|state| state.peers_by = Some(other));
        }
        self.shelve(block);
        self.withdraw_superseded(delivery, block);
        let parent_known = {
            let headers = self.headers.lock();
            headers.is_empty() || headers.contains(&delivery.parent)
        };
        if !parent_known {
            self.spawn(self.clone().find_parent(delivery.clone()));
        }
        for peer in self.peers.ready().iter() {
            self.offer(delivery, block, peer);
        }
    }

    /// The delivery that already carries this block to peers, in its canonical form or another sound one.
    fn delivered_as(&self, delivery: &Arc<Delivery>, block: &IndexedBlock) -> Option<Arc<Delivery>> {
        let canonical = Fingerprint::of(block.hash, &block.bytes);
        let known = self.recent.lock().insert(canonical, delivery.clone());
        let known = known.filter(|known| !Arc::ptr_eq(known, delivery));
        let carries = |other: &&Arc<Delivery>| {
            !Arc::ptr_eq(other, delivery)
                && other.block() == block.hash
                && other.read(|state| {
                    state.inspected.is_some() && state.kept_off_p2p.is_none() && state.peers_by.is_none()
                })
        };
        known.filter(|known| carries(&known)).or_else(|| self.live.lock().iter().find(carries).cloned())
    }

    /// No peer gets the block.
    pub(crate) fn keep_off_p2p(&self, delivery: &Arc<Delivery>, reason: WithheldReason) {
        let now = Instant::now();
        delivery.update(|state| {
            state.kept_off_p2p = Some(reason);
            for peer in self.peers.ready().iter() {
                state.tracker.withheld(peer.id, peer.name(), reason, now);
            }
        });
    }

    /// Sends a block to a peer if nothing stands between them; a node of ours gets it once its verdict is in.
    pub(crate) fn offer(
        self: &Arc<Self>,
        delivery: &Arc<Delivery>,
        block: &Arc<IndexedBlock>,
        peer: &Arc<Peer>,
    ) {
        let Kind::Own { node } = &peer.kind else { return self.push(delivery, block, peer) };
        let answered = {
            let node = node.clone();
            move |state: &crate::delivery::State| {
                state
                    .nodes
                    .iter()
                    .find(|verdict| verdict.node == node)
                    .is_none_or(|verdict| verdict.answer.is_some())
            }
        };
        let waited = delivery.since_received();
        if waited >= VERDICT_HEAD_START || delivery.read(&answered) {
            return self.push(delivery, block, peer);
        }
        let (relay, delivery, block, peer) = (self.clone(), delivery.clone(), block.clone(), peer.clone());
        self.spawn(async move {
            let verdict = delivery.until(answered);
            // Whether it came in time or not, the push follows.
            let _ = tokio::time::timeout(VERDICT_HEAD_START.saturating_sub(waited), verdict).await;
            relay.push(&delivery, &block, &peer);
        });
    }

    fn push(&self, delivery: &Arc<Delivery>, block: &Arc<IndexedBlock>, peer: &Arc<Peer>) {
        let withhold = |reason| {
            let now = Instant::now();
            delivery.update(|state| state.tracker.withheld(peer.id, peer.name(), reason, now));
        };
        match self.obstacle(delivery, block, peer) {
            Obstacle::Settled => {}
            Obstacle::Withhold(reason) => withhold(reason),
            Obstacle::HasIt => {
                let now = Instant::now();
                let outcome = delivery.update(|state| state.tracker.already_had(peer.id, peer.name(), now));
                self.settled(delivery, peer, outcome);
            }
            Obstacle::ParentFirst(parent) => {
                let packet = Packet::new(self.chain.params().magic, Command::BLOCK, parent.bytes.clone());
                let plan = Arc::new(Plan { block: None, packets: vec![packet] });
                match peer.lane.push(plan) {
                    Ok(()) => {
                        tracing::debug!(chain = self.name(), peer = peer.name(), parent = %parent.hash, "parent first");
                        self.learn(peer, parent.hash);
                        self.send(delivery, block, peer);
                    }
                    Err(_) => withhold(WithheldReason::LaneFull),
                }
            }
            Obstacle::None => self.send(delivery, block, peer),
        }
    }

    fn obstacle(&self, delivery: &Delivery, block: &IndexedBlock, peer: &Peer) -> Obstacle {
        let (may_send, kept_off) =
            delivery.read(|state| (state.tracker.may_send(peer.id), state.kept_off_p2p));
        if !may_send {
            return Obstacle::Settled;
        }
        if let Some(reason) = kept_off {
            return Obstacle::Withhold(reason);
        }
        if peer.is_observer() {
            return Obstacle::Withhold(WithheldReason::Observer);
        }
        let headers = self.headers.lock();
        let theirs = peer.chain.lock();
        if theirs.announced(&block.hash) {
            return Obstacle::HasIt;
        }
        // While we know no headers at all, a peer's height at the handshake is the best that there is; once we do, a
        // parent that is not among them is unknown.
        let height = block.height.filter(|_| headers.is_empty()).and_then(|height| height.checked_sub(1));
        if theirs.has(delivery.parent, height, &headers) {
            return Obstacle::None;
        }
        match self.shelf.lock().get(&delivery.parent) {
            Some(parent) if theirs.has(parent.header.parent(), None, &headers) => {
                Obstacle::ParentFirst(parent)
            }
            _ => Obstacle::Withhold(WithheldReason::ParentUnknown),
        }
    }

    fn send(&self, delivery: &Arc<Delivery>, block: &Arc<IndexedBlock>, peer: &Arc<Peer>) {
        let plan = self.plan(delivery, block);
        let now = Instant::now();
        delivery.update(|state| state.tracker.queued(peer.id, peer.name(), now));
        self.metrics.delivery_stage("queued", now.saturating_duration_since(delivery.received_at));
        if let Err(full) = peer.lane.push(plan) {
            tracing::warn!(chain = self.name(), peer = peer.name(), block = %block.hash, %full, "withheld for now");
            delivery.update(|state| {
                state.tracker.withheld(peer.id, peer.name(), WithheldReason::LaneFull, Instant::now())
            });
        }
    }

    /// The block, then the question whether it is in the peer's chain, then the ping that says that both were
    /// processed. Made once per delivery: the block is hashed and framed for the first peer and shared by all.
    fn plan(&self, delivery: &Delivery, block: &IndexedBlock) -> Arc<Plan> {
        delivery.plan(|| {
            let magic = self.chain.params().magic;
            let mut locator = vec![delivery.parent];
            locator.extend(
                self.headers.lock().locator(self.chain.params().genesis).into_iter().take(PROBE_LOCATOR),
            );
            let protocol = self.chain.session_policy().protocol as u32;
            let probe = Message::GetHeaders(GetHeaders { protocol, locator, stop: BlockHash::ZERO });
            Plan {
                block: Some(block.hash),
                packets: vec![
                    Packet::new(magic, Command::BLOCK, block.bytes.clone()),
                    Packet::of(magic, &probe),
                    Packet::of(magic, &Message::Ping(delivery.barrier)),
                ],
            }
        })
    }

    /// Takes blocks out of lanes that this one has left behind: lower, and not among its ancestors.
    fn withdraw_superseded(&self, delivery: &Arc<Delivery>, block: &IndexedBlock) {
        for older in self.live().iter().filter(|older| !Arc::ptr_eq(older, delivery)) {
            let height = older.read(|state| state.height);
            let lower = height.zip(block.height).is_some_and(|(old, new)| old < new);
            if !lower || self.headers.lock().descends(delivery.parent, older.block()) {
                continue;
            }
            for peer in self.peers.ready().iter() {
                self.withdraw(older, peer);
            }
        }
    }

    /// Takes a block out of a peer's lane, if not a byte of it was written.
    pub(crate) fn withdraw(&self, delivery: &Arc<Delivery>, peer: &Arc<Peer>) {
        if peer.lane.withdraw(&delivery.block()) == Withdrawn::Yes {
            let outcome = delivery.update(|state| state.tracker.withdrawn(peer.id, Instant::now()));
            self.settled(delivery, peer, outcome);
        }
    }

    /// A peer's delivery has an outcome: count it, tell whoever looks after the peer.
    pub(crate) fn settled(&self, delivery: &Delivery, peer: &Arc<Peer>, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let after = delivery.since_received();
        tracing::debug!(chain = self.name(), peer = peer.name(), block = %delivery.block(), %outcome, ?after, "outcome");
        if outcome.is_success() {
            self.learn(peer, delivery.block());
            self.metrics.delivery_stage(outcome.kind(), after);
        }
        peer.notify(PeerNotice::Outcome(outcome));
    }

    /// The peer has this block.
    pub(crate) fn learn(&self, peer: &Peer, block: BlockHash) {
        let headers = self.headers.lock();
        peer.chain.lock().learn(block, &headers);
    }

    /// Offers a peer every block on its way that was not sent to it yet: it has just become ready, has learnt of a
    /// parent, or has room again.
    pub(crate) fn catch_up(self: &Arc<Self>, peer: &Arc<Peer>) {
        if !peer.is_ready() {
            return;
        }
        for delivery in self.live() {
            let block = delivery.read(|state| match (&state.block, state.inspected, state.kept_off_p2p) {
                (Some(block), Some(_), None) if state.peers_by.is_none() => Some(block.clone()),
                _ => None,
            });
            let Some(block) = block else { continue };
            // Someone who says that he is as high as the block has it or a rival; nothing is gained by sending it.
            let has_height = {
                let headers = self.headers.lock();
                let new = delivery.read(|state| !state.tracker.knows(peer.id));
                new && peer.chain.lock().has(block.hash, block.height, &headers)
            };
            if !has_height {
                self.offer(&delivery, &block, peer);
            }
        }
    }
}
