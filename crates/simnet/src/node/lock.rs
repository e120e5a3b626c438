//! Locks between nodes: by `inv` and `getdata`, as blocks are (D chainlock/handler.cpp, ProcessNewChainLock).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chain::{Finality, Lock, ObjectKind};
use wire::{InvItem, Message, sha256d};

use super::{ConnectionId, Node, Output};
use crate::quorum::Roster;

/// How many objects are remembered. More never are under way in a simulation that means something.
const REMEMBERED: usize = 10_000;

/// How long to wait for an object until someone else who announces it is asked (protocol.md §7).
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What a node knows of locks, besides the one that it [enforces](crate::ChainState::lock).
#[derive(Debug, Default)]
pub(super) struct Locks {
    roster: Option<Arc<Roster>>,
    /// Everything that was looked at, genuine or not, by name.
    seen: HashSet<[u8; 32]>,
    /// When what was last asked for.
    asked: HashMap<[u8; 32], Duration>,
    /// What the node itself has made up.
    forged: HashMap<[u8; 32], Bytes>,
    /// The last that came while the node was away.
    missed: Option<Bytes>,
}

impl Node {
    /// Tells it of the network's quorum. Without one it does not look at locks at all, as a dashd does not while spork 19
    /// keeps ChainLocks off.
    pub fn join(&mut self, roster: Arc<Roster>) {
        self.locks.roster = Some(roster);
    }

    /// The quorum that it was told of.
    pub fn roster(&self) -> Option<&Roster> {
        self.locks.roster.as_deref()
    }

    /// A neighbour has brought a lock. As with [blocks](Self::hear_of), nodes whose temperament does not gossip do not
    /// hear it, and one that is away gets it when it is back.
    pub fn hear_of_lock(&mut self, object: &Bytes, now: Duration) {
        self.tick(now);
        if !self.temperament.gossips() {
            return;
        }
        if self.away {
            self.locks.missed = Some(object.clone());
            return;
        }
        // From a neighbour, who is not punished if it is none.
        self.take_lock(object, now);
    }

    /// Makes the node announce an object to everybody who is connected, and give it to whoever asks, as if it were a
    /// lock. It does not believe it itself.
    pub fn forge(&mut self, object: Bytes, now: Duration) {
        self.tick(now);
        let Some(kind) = self.lock_kind() else { return };
        let id = sha256d(&object);
        self.locks.forged.insert(id, object);
        self.announce_lock(kind, id, now);
    }

    pub(super) fn lock_kind(&self) -> Option<ObjectKind> {
        self.finality().map(Finality::object)
    }

    fn finality(&self) -> Option<&dyn Finality> {
        self.profile.locking.and(self.profile.chain.finality())
    }

    /// Whether a message is a lock, by its name.
    pub(super) fn is_lock(&self, message: &Message) -> bool {
        matches!(message, Message::Unknown { command, .. } if self.lock_kind().is_some_and(|kind| kind.command == *command))
    }

    /// A peer has sent a lock, asked for or not.
    pub(super) fn hear_lock(&mut self, id: ConnectionId, object: &Bytes, at: Duration) {
        let forged = self.profile.locking.map_or(0, |locking| locking.forged);
        if self.locks.roster.is_none() {
            return;
        }
        if !self.take_lock(object, at) {
            self.punish(id, forged, at);
        }
    }

    /// Whether there is nothing wrong with it. What has been seen, and what is no newer than the best, is not looked at.
    fn take_lock(&mut self, object: &Bytes, at: Duration) -> bool {
        // A daemon logs what it cannot read, and goes on.
        let Some(Ok(lock)) = self.finality().map(|finality| finality.read(object.clone())) else {
            return true;
        };
        let id = lock.id();
        if self.locks.seen.len() >= REMEMBERED {
            self.locks.seen.clear();
        }
        let is_new = self.chain.lock().is_none_or(|best| best.height < lock.height);
        if !self.locks.seen.insert(id) || !is_new {
            return true;
        }
        if !self.is_genuine(&lock) {
            return false;
        }
        let connected = self.chain.take_lock(lock, at).unwrap_or_default();
        self.outbox.push_back(Output::Locked { object: object.clone(), at });
        if let Some(kind) = self.lock_kind() {
            self.announce_lock(kind, id, at);
        }
        if !connected.is_empty() {
            self.connected(&connected, None, at);
        }
        true
    }

    /// Made by the quorum, as can be seen by making it again.
    fn is_genuine(&self, lock: &Lock) -> bool {
        let (Some(locking), Some(roster)) = (self.profile.locking, &self.locks.roster) else { return false };
        (locking.make)(roster.key(), lock.height, &lock.block) == lock.object
    }

    fn announce_lock(&mut self, kind: ObjectKind, id: [u8; 32], at: Duration) {
        let ready: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in ready {
            let Some(peer) = self.peer_mut(connection).filter(|peer| peer.known_lock != Some(id)) else {
                continue;
            };
            peer.known_lock = Some(id);
            self.send(connection, Message::Inv(vec![InvItem { kind: kind.inv, hash: id }]), at);
        }
    }

    /// A peer says that it has these locks: those that are not known are asked for.
    pub(super) fn hear_lock_inventory(&mut self, id: ConnectionId, items: &[InvItem], at: Duration) {
        let Some(kind) = self.lock_kind() else { return };
        let mut wanted = Vec::new();
        for item in items.iter().filter(|item| item.kind == kind.inv) {
            if let Some(peer) = self.peer_mut(id) {
                peer.known_lock = Some(item.hash);
            }
            let open = self.locks.asked.get(&item.hash).is_some_and(|since| *since + ASK_AGAIN > at);
            if open || self.locks.seen.contains(&item.hash) {
                continue;
            }
            if self.locks.asked.len() >= REMEMBERED {
                self.locks.asked.clear();
            }
            self.locks.asked.insert(item.hash, at);
            wanted.push(*item);
        }
        if !wanted.is_empty() {
            self.send(id, Message::GetData(wanted), at);
        }
    }

    /// Gives away the locks among what was asked for, and leaves the others. Only the newest lock is there.
    pub(super) fn serve_locks(&mut self, id: ConnectionId, items: &mut Vec<InvItem>, at: Duration) {
        let Some(kind) = self.lock_kind() else { return };
        let best = self.chain.lock().map(|lock| (lock.id(), lock.object.clone()));
        let mut objects = Vec::new();
        items.retain(|item| {
            let genuine = best.as_ref().filter(|(name, _)| item.kind == kind.inv && *name == item.hash);
            let forged = self.locks.forged.get(&item.hash).filter(|_| item.kind == kind.inv);
            let object = genuine.map(|(_, object)| object).or(forged);
            objects.extend(object.cloned());
            object.is_none()
        });
        for payload in objects {
            self.send(id, Message::Unknown { command: kind.command, payload }, at);
        }
    }

    /// The node is back.
    pub(super) fn catch_up_with_locks(&mut self, at: Duration) {
        if let Some(object) = self.locks.missed.take() {
            self.take_lock(&object, at);
        }
    }
}
