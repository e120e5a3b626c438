//! From one block to every peer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chain::{Finding, IndexedBlock};
use net::{Lane, LaneFull, Packet, Plan, Withdrawn};
use protocol::{
    book::Kind,
    delivery::{Outcome, WithheldReason},
};
use serde_json::json;
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
    /// Puts a sound block into the lanes of all who are to have it now. The lanes of all peers are returned, best peer
    /// first: what they hold is still to be [sent](net::volley).
    pub(crate) fn deliver_to_peers(
        self: &Arc<Self>,
        delivery: &Arc<Delivery>,
        block: &Arc<IndexedBlock>,
    ) -> Vec<Lane> {
        if let Some(other) = self.carrier(delivery) {
            tracing::info!(chain = self.name(), block = %block.hash, "another form of a block that peers already get");
            delivery.update(|state| state.peers_by = Some(other));
            return Vec::new();
        }
        self.shelve(block);
        if self.judge_fate(delivery) {
            // A lock came in between, and looked for the block where it was not yet.
            self.shelf.lock().remove(&block.hash);
            return Vec::new();
        }
        self.withdraw_superseded(delivery, block);
        let parent_known = {
            let headers = self.headers.lock();
            headers.is_empty() || headers.contains(&delivery.parent)
        };
        if !parent_known {
            self.spawn(self.clone().find_parent(delivery.clone()));
        }
        let peers = self.peers.ready();
        peers.iter().for_each(|peer| self.offer(delivery, block, peer));
        // Whoever hands in the canonical form later joins this delivery.
        if let Some(canonical) = delivery.read(|state| state.canonical.clone()) {
            self.recent.lock().insert(block.hash, &canonical, delivery.clone());
        }
        peers.iter().map(|peer| peer.lane.clone()).collect()
    }

    /// Another delivery that already carries this block to peers, in whatever sound form, or did so until the block was
    /// kept off P2P; if there is none, this one does from now on.
    ///
    /// # Correctness
    /// Question and answer are under one lock: two forms of a block may have been inspected at the same moment, and
    /// each peer is to get the block once.
    fn carrier(&self, delivery: &Arc<Delivery>) -> Option<Arc<Delivery>> {
        let live = self.live.lock();
        let carries = |other: &&Arc<Delivery>| {
            !Arc::ptr_eq(other, delivery)
                && other.block() == delivery.block()
                && other.read(|state| state.carries)
        };
        let other = live.iter().find(carries).cloned();
        if other.is_none() {
            delivery.update(|state| state.carries = true);
        }
        other
    }

    /// No peer gets the block from now on; where it still waits in a lane, it is taken out.
    pub(crate) fn keep_off_p2p(&self, delivery: &Arc<Delivery>, reason: WithheldReason) {
        let now = Instant::now();
        let carries = delivery.update(|state| {
            state.kept_off_p2p = Some(reason);
            state.carries
        });
        for peer in self.peers.ready().iter() {
            // A form that is not carried must not pull the one that is out of a lane: they have the same name.
            let withdrawn = carries && peer.lane.withdraw(&delivery.block()) == Withdrawn::Yes;
            delivery.update(|state| {
                if withdrawn || state.tracker.may_send(peer.id) {
                    state.tracker.withheld(peer.id, peer.name(), reason, now);
                }
            });
        }
    }

    /// Sends a block to a peer if nothing stands between them; a node of ours gets it once its verdict is in. The peer's
    /// lane is to be woken afterwards.
    fn offer(self: &Arc<Self>, delivery: &Arc<Delivery>, block: &Arc<IndexedBlock>, peer: &Arc<Peer>) {
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
            peer.lane.wake();
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
            _ if self.contradicts_its_parent(delivery, block) => withhold(WithheldReason::Finding),
            Obstacle::ParentFirst(parent) => self.send(delivery, block, peer, Some(&parent)),
            Obstacle::None => self.send(delivery, block, peer, None),
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
        let parent = self.shelf.lock().get(&delivery.parent);
        let parent_comes = parent.is_some() && self.is_there_or_comes(delivery.parent, peer);
        let headers = self.headers.lock();
        let theirs = peer.chain.lock();
        if theirs.announced(&block.hash) {
            return Obstacle::HasIt;
        }
        let place = headers.height(&delivery.parent).map(|parent| parent.saturating_add(1));
        let strict = self.chain.session_policy().strictly_more_work;
        if strict && place.is_some_and(|place| theirs.known_height(&headers) >= Some(place)) {
            return Obstacle::Withhold(WithheldReason::NotMoreWork);
        }
        // While we know no headers at all, a peer's height at the handshake is the best that there is; once we do, a
        // parent that is not among them is unknown.
        let height = block.height.filter(|_| headers.is_empty()).and_then(|height| height.checked_sub(1));
        if parent_comes || theirs.has(delivery.parent, height, &headers) {
            return Obstacle::None;
        }
        match parent {
            Some(parent) if theirs.has(parent.header.parent(), None, &headers) => {
                Obstacle::ParentFirst(parent)
            }
            _ => Obstacle::Withhold(WithheldReason::ParentUnknown),
        }
    }

    /// Looks for what an inspection cannot see, because it takes the blocks before, as soon as these are known: a
    /// finding keeps the block off P2P. Looks once per delivery.
    pub(crate) fn contradicts_its_parent(&self, delivery: &Arc<Delivery>, block: &IndexedBlock) -> bool {
        if delivery.read(|state| state.held_against_parent) {
            return delivery.read(|state| state.kept_off_p2p == Some(WithheldReason::Finding));
        }
        let Some(findings) = self.against_parent(block) else { return false };
        let contradicts = !findings.is_empty();
        for finding in &findings {
            tracing::warn!(chain = self.name(), block = %block.hash, %finding, "finding");
        }
        delivery.update(|state| {
            state.held_against_parent = true;
            state.findings.extend(findings);
        });
        if contradicts {
            self.keep_off_p2p(delivery, WithheldReason::Finding);
        }
        contradicts
    }

    /// What is wrong with a block in the light of the blocks before it; `None` while its parent is not known.
    pub(crate) fn against_parent(&self, block: &IndexedBlock) -> Option<Vec<Finding>> {
        let parent = block.header.parent();
        let (height, median) = {
            let headers = self.headers.lock();
            (headers.height(&parent)?.saturating_add(1), headers.median_time_past(parent))
        };
        let time = block.header.time();
        let too_old = median.filter(|median| time <= *median).map(|median| {
            let expected = format!("a time above {median}, the median of the eleven blocks before");
            Finding::error("time-too-old", expected, time.to_string())
        });
        let misplaced = block.height.filter(|said| *said != height).map(|said| {
            Finding::error("bad-cb-height", format!("{height}, one above the parent"), said.to_string())
        });
        Some(too_old.into_iter().chain(misplaced).collect())
    }

    /// Whether a block of ours was sent to a peer, and it has it or will have it before whatever is put into its lane
    /// now.
    fn is_there_or_comes(&self, block: BlockHash, peer: &Peer) -> bool {
        self.live.lock().iter().filter(|delivery| delivery.block() == block).any(|delivery| {
            delivery.read(|state| {
                state.tracker.deliveries().iter().filter(|entry| entry.peer == peer.id).any(|entry| {
                    match &entry.outcome {
                        None | Some(Outcome::ProcessedUnproven) => entry.stages.queued.is_some(),
                        // What `settled` tells the peer's chain, perhaps only in a moment.
                        Some(outcome) => outcome.is_success(),
                    }
                })
            })
        })
    }

    /// Puts a block into a peer's lane, behind its parent if that is to come first.
    ///
    /// # Correctness
    /// The peer is claimed under the delivery's lock: the hot path, the news that a peer has the parent and the clock
    /// may all come to send the same block at the same moment.
    fn send(
        &self,
        delivery: &Arc<Delivery>,
        block: &Arc<IndexedBlock>,
        peer: &Arc<Peer>,
        parent: Option<&IndexedBlock>,
    ) {
        let plan = self.plan(delivery, block);
        let now = Instant::now();
        let claimed = delivery
            .update(|state| state.kept_off_p2p.is_none() && state.tracker.queued(peer.id, peer.name(), now));
        if !claimed {
            return;
        }
        self.metrics.delivery_stage("queued", now.saturating_duration_since(delivery.received_at));
        let pushed = match parent {
            Some(parent) => self.send_parent(delivery, parent, peer).and_then(|()| peer.lane.load(plan)),
            None => peer.lane.load(plan),
        };
        if let Err(full) = pushed {
            tracing::warn!(chain = self.name(), peer = peer.name(), block = %block.hash, %full, "withheld for now");
            delivery.update(|state| {
                state.tracker.withheld(peer.id, peer.name(), WithheldReason::LaneFull, Instant::now())
            });
        } else if peer.lane.is_closed() {
            // Whoever took note of the end may have looked before the block was queued.
            let outcome = delivery.update(|state| state.tracker.disconnected(peer.id, Instant::now()));
            self.settled(delivery, peer, outcome);
        }
    }

    fn send_parent(&self, delivery: &Delivery, parent: &IndexedBlock, peer: &Peer) -> Result<(), LaneFull> {
        let plan = delivery.parent_plan(|| {
            let packet = Packet::new(self.chain.params().magic, Command::BLOCK, parent.bytes.clone());
            Plan { block: None, packets: vec![packet] }
        });
        peer.lane.load(plan)?;
        tracing::debug!(chain = self.name(), peer = peer.name(), parent = %parent.hash, "parent first");
        peer.chain.lock().assume(parent.hash);
        Ok(())
    }

    /// The block, then the question whether it is in the peer's chain, then the ping that says that both were
    /// processed. Made once per delivery, for the first peer, and shared by all.
    fn plan(&self, delivery: &Delivery, block: &IndexedBlock) -> Arc<Plan> {
        delivery.plan(|| {
            let digest = delivery.read(|state| state.canonical.clone());
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
                    match digest {
                        Some(digest) => {
                            Packet::with_digest(magic, Command::BLOCK, block.bytes.clone(), digest.get())
                        }
                        None => Packet::new(magic, Command::BLOCK, block.bytes.clone()),
                    },
                    Packet::of(magic, &probe),
                    Packet::of(magic, &Message::Ping(delivery.barrier)),
                ],
            }
        })
    }

    /// Gives up blocks that this one has left behind: lower, and not among its ancestors.
    fn withdraw_superseded(&self, delivery: &Arc<Delivery>, block: &IndexedBlock) {
        for older in self.live().iter().filter(|older| !Arc::ptr_eq(older, delivery)) {
            let height = older.read(|state| state.height);
            let lower = height.zip(block.height).is_some_and(|(old, new)| old < new);
            let carried = older.read(|state| state.carries && state.kept_off_p2p.is_none());
            if lower && carried && self.is_beside(older.block(), delivery.parent) {
                self.keep_off_p2p(older, WithheldReason::Superseded);
            }
        }
    }

    /// Whether a block is known not to be among the ancestors of another, nor that block itself. Of blocks that the
    /// view does not know nothing is known: the one may well be the other's parent.
    fn is_beside(&self, block: BlockHash, other: BlockHash) -> bool {
        let headers = self.headers.lock();
        headers.contains(&block) && headers.contains(&other) && !headers.descends(other, block)
    }

    /// Takes a block out of a peer's lane, if not a byte of it was written.
    pub(crate) fn withdraw(&self, delivery: &Arc<Delivery>, peer: &Arc<Peer>) {
        let carries = delivery.read(|state| state.carries);
        if carries && peer.lane.withdraw(&delivery.block()) == Withdrawn::Yes {
            let outcome = delivery.update(|state| state.tracker.withdrawn(peer.id, Instant::now()));
            self.settled(delivery, peer, outcome);
        }
    }

    /// A peer's delivery has an outcome: count it, tell whoever looks after the peer.
    pub(crate) fn settled(&self, delivery: &Delivery, peer: &Arc<Peer>, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let after = delivery.since_received();
        tracing::debug!(chain = self.name(), peer = peer.name(), block = %delivery.block(), %outcome, ?after, "outcome");
        self.events.tell(self.name(), "peer", || {
            let (block, ms) = (delivery.block().to_string(), after.as_secs_f64() * 1e3);
            json!({ "block": block, "peer": peer.name(), "outcome": outcome.kind(), "detail": outcome.detail(), "ms": ms })
        });
        if outcome.is_success() {
            self.learn(peer, delivery.block());
            self.metrics.delivery_stage(outcome.kind(), after);
        }
        let written = delivery.read(|state| state.tracker.stages(peer.id).and_then(|stages| stages.written));
        peer.notify(PeerNotice::Outcome(outcome, written.map(|written| written.elapsed())));
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
                (Some(block), Some(_), None)
                    if state.peers_by.is_none() && state.tracker.may_send(peer.id) =>
                {
                    Some(block.clone())
                }
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
                peer.lane.wake();
            }
        }
    }
}
