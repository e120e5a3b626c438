//! The chain's last word on our blocks, where it has one besides work.
//!
//! Each node of ours is asked for the newest lock: on a schedule, when its tip changes, and when a peer says that there is
//! a new one. What the node answers is the truth: it makes our block final, or dead; it is what is passed on to peers;
//! and it shows which peers had made something up. See [`protocol::finality`] for the rules.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chain::{Finality, Finding, Lock, NodeError, NodeReply};
use net::Plan;
use protocol::{
    delivery::WithheldReason,
    finality::{Claimed, Confirmed, Standing},
};
use rpc::RpcError;
use serde_json::Value;
use tokio::time::sleep;
use wire::{BlockHash, InvItem, Message};

use crate::{Delivery, Node, NodeHealth, Peer, PeerNotice, Relay, Source, delivery::Fate};

/// The shortest time between two questions to a node, whatever peers say.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);

/// How many faults a connection survives that only the relay can see.
const FAULTS: u32 = 8;

/// How often a node is asked while a block of ours waits for the chain's last word, and while none does.
const SCHEDULE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

impl Relay {
    /// Keeps asking a node of ours for the newest lock, for as long as it is polled; returns at once on a chain without
    /// locks.
    pub async fn watch_finality(self: Arc<Self>, node: Arc<Node>) {
        let Some(finality) = self.chain.finality() else { return };
        let mut hints = self.lock_hints.subscribe();
        let mut complaint = None;
        loop {
            hints.mark_unchanged();
            self.ask_for_lock(finality, &node, &mut complaint).await;
            sleep(AT_MOST_EVERY).await;
            let awaited = |delivery: &Arc<Delivery>| {
                delivery.read(|state| state.fate.is_none() && !state.is_refused_for_good())
            };
            let awaited = self.live().iter().any(awaited);
            tokio::select! {
                // The sender is the relay's own, and we hold the relay.
                _ = hints.changed() => {}
                () = sleep(if awaited { SCHEDULE.0 } else { SCHEDULE.1 }) => {}
            }
        }
    }

    /// There may be a new lock: nodes are asked now and not on schedule.
    pub(crate) fn hint_at_lock(&self) {
        self.lock_hints.send_modify(|count| *count += 1);
    }

    /// The newest lock that a node of ours confirmed, and which node did so first.
    pub fn newest_lock(&self) -> Option<(Lock, String)> {
        let locks = self.locks.lock();
        locks.newest().map(|(lock, node)| (lock.clone(), node.to_owned()))
    }

    async fn ask_for_lock(
        self: &Arc<Self>,
        finality: &dyn Finality,
        node: &Arc<Node>,
        complaint: &mut Option<String>,
    ) {
        // A node that is on another network, for instance, is not usable: its locks would kill our blocks.
        if node.status().health != NodeHealth::Up {
            return;
        }
        let call = finality.call();
        let reply = match answer_of(node.client().call::<Value>(call.method, call.params).await) {
            Ok(reply) => reply,
            Err(error) => {
                self.metrics.node_error(node.name(), error.kind());
                tracing::debug!(chain = self.name(), node = node.name(), %error, "no word about what is final");
                return;
            }
        };
        match finality.answer(reply) {
            Ok(lock) => {
                *complaint = None;
                if let Some(lock) = lock {
                    self.locked(finality, node, lock).await;
                }
            }
            Err(error) => {
                self.metrics.node_error(node.name(), "finality");
                let error = error.to_string();
                if complaint.as_ref() != Some(&error) {
                    tracing::warn!(
                        chain = self.name(),
                        node = node.name(),
                        error,
                        "cannot tell what is final"
                    );
                    *complaint = Some(error);
                }
            }
        }
    }

    /// A node of ours says that a block is locked.
    async fn locked(self: &Arc<Self>, finality: &dyn Finality, node: &Arc<Node>, lock: Lock) {
        self.metrics.node_final_height(node.name(), lock.height as usize);
        // A node can know that a block is locked before it has the block, and can stop to follow a lock.
        let followed = match self.find_block(node, lock.block).await {
            Ok(place) => place.is_active(),
            Err(error) => {
                tracing::debug!(chain = self.name(), node = node.name(), %error, "where the locked block is cannot be told");
                false
            }
        };
        let confirmed = {
            let headers = self.headers.lock();
            self.locks.lock().confirm(lock.clone(), node.name(), followed, &headers)
        };
        let (chain, word, block, height) = (self.name(), finality.word(), lock.block, lock.height);
        match confirmed {
            Confirmed::Known => {}
            Confirmed::Contradiction => {
                tracing::error!(chain, node = node.name(), height, %block, "our nodes contradict each other about what is {word}: no block is held to be orphaned until they agree");
                self.metrics.node_error(node.name(), "contradicting_lock");
            }
            Confirmed::Newer { forgers } => {
                tracing::debug!(chain, node = node.name(), height, %block, "newest {word} block");
                for peer in forgers.into_iter().filter_map(|id| self.peers.get(id)) {
                    self.fault(&peer, "forged_lock");
                }
                self.pass_on(finality, &lock, node);
            }
        }
        self.judge_fates();
        self.forget_rivals(lock.block);
    }

    /// Once a lock kills its rivals, they leave the header view, and with it what is served to peers.
    fn forget_rivals(&self, locked: BlockHash) {
        let mut headers = self.headers.lock();
        let Some(header) = headers.header(&locked).cloned() else { return };
        // Any rival stands as this one does, which is none.
        let rival = self.locks.lock().standing(BlockHash::ZERO, header.parent(), None, &headers);
        if matches!(rival, Standing::Dead { .. }) {
            headers.forget_rivals(&locked);
        }
    }

    /// Tells peers of a confirmed lock by its name, unless they are known to have it.
    fn pass_on(&self, finality: &dyn Finality, lock: &Lock, source: &Node) {
        let id = lock.id();
        let inv = Message::Inv(vec![InvItem { kind: finality.object().inv, hash: id }]);
        let plan = Arc::new(Plan::control(self.chain.params().magic, &inv));
        for peer in self.peers.ready().iter() {
            let is_source = peer.kind.is_own() && peer.name() == source.name();
            let lags = self
                .peer_height(peer)
                .is_some_and(|theirs| theirs.saturating_add(finality.lag()) < lock.height);
            if is_source || lags || peer.is_observer() || self.locks.lock().is_holder(peer.id) {
                continue;
            }
            match peer.lane.push(plan.clone()) {
                Ok(()) => drop(self.locks.lock().note_holder(peer.id, &id)),
                Err(full) => {
                    tracing::debug!(chain = self.name(), peer = peer.name(), %full, "lock not passed on")
                }
            }
        }
    }

    /// Holds every block on its way against the newest lock.
    pub(crate) fn judge_fates(self: &Arc<Self>) {
        for delivery in self.live() {
            self.judge_fate(&delivery);
        }
        self.judge_followed_by_lock();
    }

    /// Holds a block against the newest lock; whether it is dead. What is known once stays: a lock is never taken back.
    pub(crate) fn judge_fate(&self, delivery: &Arc<Delivery>) -> bool {
        let Some(finality) = self.chain.finality() else { return false };
        if let Some(dead) = delivery.read(|state| state.fate.as_ref().map(Fate::is_orphaned)) {
            return dead;
        }
        let height = delivery.read(|state| state.height);
        let (standing, node) = {
            let headers = self.headers.lock();
            let locks = self.locks.lock();
            let Some((_, node)) = locks.newest() else { return false };
            let standing = locks.standing(delivery.block(), delivery.parent, height, &headers);
            (standing, node.to_owned())
        };
        let (chain, block, after) = (self.name(), delivery.block(), delivery.since_received());
        let fate = match standing {
            Standing::Open => return false,
            Standing::Final => Fate::Final { after, node },
            Standing::Dead { by } => Fate::Orphaned { by, after, node },
        };
        let is_new = delivery.update(|state| {
            let is_new = state.fate.is_none();
            state.fate.get_or_insert(fate);
            is_new
        });
        let dead = matches!(standing, Standing::Dead { .. });
        if !is_new {
            return delivery.read(|state| state.fate.as_ref().is_some_and(Fate::is_orphaned));
        }
        // Once for each block that was on its way, not for each form of it nor for what was settled before.
        let counts = delivery.read(|state| state.carries) && delivery.source != Source::Replay;
        if let Standing::Dead { by } = standing {
            tracing::error!(chain, %block, %by, ?after, "block is orphaned: another is {}", finality.word());
            if counts {
                self.metrics.block_final("orphaned", after);
            }
            self.bury(finality, delivery, by);
        } else {
            tracing::info!(chain, %block, ?after, "block is {}", finality.word());
            if counts {
                self.metrics.block_final(finality.word(), after);
            }
        }
        self.close_if_done(delivery);
        dead
    }

    /// A block is dead: no peer gets it any more, from us or on request, nor its header.
    fn bury(&self, finality: &dyn Finality, delivery: &Arc<Delivery>, by: BlockHash) {
        let block = delivery.block();
        let expected = format!("a block on the chain of {by}, which is {}", finality.word());
        let finding = Finding::error(finality.conflict(), expected, block.to_string());
        delivery.update(|state| state.findings.push(finding));
        self.shelf.lock().remove(&block);
        self.headers.lock().forget(&block);
        self.keep_off_p2p(delivery, WithheldReason::Finding);
    }

    /// A peer says that it has a lock of this name.
    pub(crate) fn lock_announced(&self, peer: &Peer, id: [u8; 32]) {
        if !self.locks.lock().note_holder(peer.id, &id) {
            self.hint_at_lock();
        }
    }

    /// A peer has sent a lock.
    pub(crate) fn lock_claimed(&self, peer: &Peer, payload: Bytes) {
        let Some(finality) = self.chain.finality() else { return };
        let lock = match finality.read(payload) {
            Ok(lock) => lock,
            Err(error) => {
                tracing::debug!(chain = self.name(), peer = peer.name(), %error, "what should be a lock is none");
                return self.fault(peer, "object_malformed");
            }
        };
        let (block, now) = (lock.block, Instant::now());
        let claimed = {
            let headers = self.headers.lock();
            self.locks.lock().claim(peer.id, lock, &headers)
        };
        match claimed {
            Claimed::Confirmed | Claimed::Stale => {}
            Claimed::Forged => self.fault(peer, "forged_lock"),
            Claimed::Hint => {
                for delivery in self.live().iter().filter(|delivery| delivery.block() == block) {
                    let after = now.saturating_duration_since(delivery.received_at);
                    delivery.update(|state| state.claimed = state.claimed.or(Some(after)));
                }
                self.hint_at_lock();
            }
        }
    }

    /// A peer does what no honest daemon does.
    pub(crate) fn fault(&self, peer: &Peer, kind: &'static str) {
        tracing::warn!(chain = self.name(), peer = peer.name(), kind, "peer misbehaves");
        self.metrics.peer_fault(kind);
        peer.notify(PeerNotice::Fault(kind));
        if peer.count_fault() >= FAULTS && !peer.kind.is_own() {
            tracing::warn!(chain = self.name(), peer = peer.name(), kind, "peer misbehaves too often");
            peer.close();
        }
    }
}

/// A node's answer, which may be a no of its own.
///
/// # Errors
/// When there was none.
pub fn answer_of(answer: Result<Value, RpcError>) -> Result<NodeReply, RpcError> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(RpcError::Rpc { code, message }) => Ok(Err(NodeError { code, message })),
        Err(error) => Err(error),
    }
}
