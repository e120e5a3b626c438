//! Telling peers of new blocks, as measured: by `inv`, by `headers` to those who asked for that and know the parent, by
//! compact block to those who asked for that.

use std::time::Duration;

use rand::Rng;
use wire::{BlockHash, InvItem, Message, SendCompact};

use super::{ConnectionId, Node, Output, compact, connection::Peer, timers::Timer};

/// How long after a block the announcements go out: the daemons' next round through their peers. A question about
/// headers right behind the block is answered before, and then there is nothing left to announce (measured.md).
const NEXT_ROUND: Duration = Duration::from_millis(1);

/// More new blocks than this are announced by the last of them, by `inv` (L net_processing.cpp, MAX_BLOCKS_TO_ANNOUNCE).
const MAX_BY_HEADER: usize = 8;

/// How many peers are asked to push compact blocks (protocol.md §4.5).
const MAX_PUSHERS: usize = 3;

impl Node {
    /// Blocks have become part of the active chain, from old to new; `source` brought the block that did it.
    pub(super) fn connected(&mut self, blocks: &[BlockHash], source: Option<ConnectionId>, at: Duration) {
        if let [block] = blocks {
            self.push_compact(*block, at);
        }
        if let Some(source) = source {
            self.promote(source, at);
        }
        for hash in blocks {
            if let Some(block) = self.chain.block(hash) {
                let block = block.bytes.clone();
                self.outbox.push_back(Output::Accepted { hash: *hash, block, at });
            }
        }
        let ready: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, c)| c.is_ready()).map(|(id, _)| *id).collect();
        for id in ready {
            if let Some(peer) = self.peer_mut(id) {
                peer.to_announce.extend_from_slice(blocks);
                self.timers.set(at + NEXT_ROUND, Timer::Announce(id));
            }
        }
        self.adopt_orphans(blocks, at);
    }

    /// Whether a peer is known to have a block: it said so, or we told it.
    fn has(&self, peer: &Peer, block: &BlockHash) -> bool {
        [peer.best_known, peer.best_sent].iter().flatten().any(|best| self.chain.descends(best, block))
    }

    /// The peer says that it has a block.
    pub(super) fn note_possession(&mut self, id: ConnectionId, block: BlockHash) {
        let Some(peer) = self.peer(id) else { return };
        // What it said before may be known by now.
        let said = [peer.best_known, peer.last_unknown, Some(block)];
        let best = said.into_iter().flatten().filter(|hash| self.chain.knows(hash));
        let best = best.max_by_key(|hash| self.chain.work_at(hash));
        let known = self.chain.knows(&block);
        if let Some(peer) = self.peer_mut(id) {
            peer.best_known = best;
            peer.last_unknown = if known { None } else { Some(block) };
        }
    }

    fn push_compact(&mut self, block: BlockHash, at: Duration) {
        let Some(parent) = self.chain.header(&block).map(wire::Header::parent) else { return };
        let wanting: Vec<(ConnectionId, u64)> = self
            .connections
            .keys()
            .filter_map(|id| {
                let peer = self.peer(*id)?;
                let offer = peer.compact.filter(|offer| offer.announce)?;
                (!self.has(peer, &block) && self.has(peer, &parent)).then_some((*id, offer.version))
            })
            .collect();
        for (id, version) in wanting {
            self.send_compact(id, block, version, at);
        }
    }

    pub(super) fn send_compact(&mut self, id: ConnectionId, block: BlockHash, version: u64, at: Duration) {
        let Some(body) = self.chain.block(&block).cloned() else { return };
        let Some(format) = self.profile.compact else { return };
        let message = compact::of(&body, version, self.rng.random(), &format);
        if let Some(peer) = self.peer_mut(id) {
            peer.best_sent = Some(block);
        }
        self.send(id, Message::CompactBlock(Box::new(message)), at);
    }

    /// Whoever brought a new block, and takes compact blocks in the usable format, is asked to push them.
    fn promote(&mut self, source: ConnectionId, at: Duration) {
        let Some(format) = self.profile.compact else { return };
        let usable = |peer: &Peer| peer.compact.is_some_and(|offer| offer.version == format.usable);
        let fit = self.peer(source).is_some_and(usable) && self.requested.is_empty();
        if !fit || self.pushers.contains(&source) {
            return;
        }
        let offer = |announce| Message::SendCompact(SendCompact { announce, version: format.usable });
        if self.pushers.len() == MAX_PUSHERS
            && let Some(oldest) = self.pushers.pop_front()
        {
            self.send(oldest, offer(false), at);
        }
        self.pushers.push_back(source);
        self.send(source, offer(true), at);
    }

    /// Announces what there is to announce (L net_processing.cpp, SendMessages).
    pub(super) fn announce(&mut self, id: ConnectionId, at: Duration) {
        let Some(peer) = self.peer_mut(id) else { return };
        let mut blocks = std::mem::take(&mut peer.to_announce);
        blocks.retain(|block| self.chain.is_active(block));
        let (Some(last), Some(peer)) = (blocks.last().copied(), self.peer(id)) else { return };
        let compact = peer.compact.filter(|offer| offer.announce).map(|offer| offer.version);
        let new: Vec<BlockHash> = blocks.iter().filter(|block| !self.has(peer, block)).copied().collect();
        let Some(first) = new.first() else { return };
        let connects = self.chain.header(first).is_some_and(|header| self.has(peer, &header.parent()));
        let prefers_headers = peer.prefers_headers;
        if !connects || blocks.len() > MAX_BY_HEADER {
            return self.announce_by_inv(id, last, at);
        }
        match compact {
            Some(version) if blocks.len() == 1 => self.send_compact(id, last, version, at),
            _ if prefers_headers => {
                let headers = new.iter().filter_map(|block| self.chain.header(block).cloned()).collect();
                if let Some(peer) = self.peer_mut(id) {
                    peer.best_sent = Some(last);
                }
                self.send(id, Message::Headers(headers), at);
            }
            _ => self.announce_by_inv(id, last, at),
        }
    }

    fn announce_by_inv(&mut self, id: ConnectionId, block: BlockHash, at: Duration) {
        let kind = self.profile.chain.dialect().inv_types().block;
        self.send(id, Message::Inv(vec![InvItem::block(kind, block)]), at);
    }
}
