//! The conversation after the handshake.

use std::time::Duration;

use bytes::Bytes;
use wire::{BlockHash, Command, Header, InvItem, Message, SendCompact};

use super::{
    ConnectionId, HangUp, Node,
    connection::{Peer, Phase},
};
use crate::{Door, Temperament, Verdict, profile::Say};

/// A headers message with so many entries is no announcement, and is not asked about when it does not connect.
const MAX_ANNOUNCED: usize = 8;

/// Every how many unconnected headers messages in a row cost 20 points.
const UNCONNECTED: u32 = 10;

/// How many blocks are fetched at once after a headers message (protocol.md §4.3).
const MAX_FETCHED: usize = 16;

impl Node {
    pub(super) fn peer(&self, id: ConnectionId) -> Option<&Peer> {
        match &self.connections.get(&id)?.phase {
            Phase::Ready(peer) => Some(peer),
            _ => None,
        }
    }

    pub(super) fn peer_mut(&mut self, id: ConnectionId) -> Option<&mut Peer> {
        match &mut self.connections.get_mut(&id)?.phase {
            Phase::Ready(peer) => Some(peer),
            _ => None,
        }
    }

    pub(super) fn converse(&mut self, id: ConnectionId, message: Message, at: Duration) {
        if self.disregards(&message) {
            return;
        }
        match message {
            Message::Ping(nonce) => self.send(id, Message::Pong(nonce), at),
            Message::Pong(nonce) => {
                if let Some(peer) = self.peer_mut(id)
                    && let Some((_, since)) = peer.ping.filter(|(ours, _)| *ours == nonce)
                {
                    peer.ping = None;
                    peer.ping_time = Some(at.saturating_sub(since));
                }
            }
            Message::SendHeaders => {
                if let Some(peer) = self.peer_mut(id) {
                    peer.prefers_headers = true;
                }
            }
            Message::SendCompact(offer) => self.note_offer(id, offer),
            Message::WtxidRelay if self.greets_with(|say| matches!(say, Say::WtxidRelay)) => {
                self.hang_up(id, HangUp::LateFeature, at);
            }
            Message::SendAddrV2 if self.greets_with(|say| matches!(say, Say::SendAddrV2)) => {
                self.hang_up(id, HangUp::LateFeature, at);
            }
            Message::Inv(items) => self.hear_inventory(id, &items, at),
            Message::Headers(headers) => self.hear_headers(id, &headers, at),
            Message::Block(bytes) => self.hear_block(id, &bytes, at),
            Message::CompactBlock(compact) => self.hear_compact(id, *compact, at),
            Message::BlockTxn(answer) => self.hear_transactions(id, answer, at),
            Message::GetHeaders(request) => self.serve_headers(id, &request, at),
            Message::GetData(items) => self.serve_data(id, items, at),
            Message::GetBlockTxn(request) => self.serve_transactions(id, &request, at),
            Message::GetAddr => self.note_address_request(id, at),
            Message::Unknown { command, payload }
                if self.lock_kind().is_some_and(|kind| kind.command == command) =>
            {
                self.hear_lock(id, &payload, at);
            }
            Message::Version(_) => self.hear_second_version(id, at),
            Message::Verack => {
                let protocol = self.peer(id).map_or(0, |peer| peer.version.protocol);
                self.recite(id, self.profile.again, protocol, at);
            }
            // Transactions, addresses, what the daemon does not know: nothing happens.
            _ => {}
        }
    }

    /// What the node's temperament makes it overlook.
    pub(super) fn disregards(&self, message: &Message) -> bool {
        match self.temperament {
            Temperament::Mute | Temperament::Deaf => true,
            Temperament::Zombie => {
                matches!(
                    message,
                    Message::Block(_)
                        | Message::CompactBlock(_)
                        | Message::BlockTxn(_)
                        | Message::Headers(_)
                        | Message::Inv(_)
                ) || self.is_lock(message)
            }
            _ => false,
        }
    }

    /// A message that is none. The daemons log it and go on; too long a list costs points, too long a locator the
    /// connection (protocol.md §2.4, §2.6).
    pub(super) fn hear_nonsense(&mut self, id: ConnectionId, command: Command, kind: &str, at: Duration) {
        let too_many = kind == "too_many" && self.peer(id).is_some();
        match command {
            Command::GETHEADERS if too_many => self.hang_up(id, HangUp::LongLocator, at),
            Command::INV | Command::GETDATA | Command::HEADERS | Command::ADDR | Command::ADDRV2
                if too_many =>
            {
                self.punish(id, 20, at);
            }
            _ if self.peer(id).is_some() => self.reject_malformed(id, command, at),
            _ => {}
        }
    }

    pub(super) fn greets_with(&self, is: impl Fn(&Say) -> bool) -> bool {
        self.profile.greeting.iter().any(|step| is(&step.say))
    }

    /// The first offer of a format that the daemon knows counts; a later one can only change how it wants them.
    fn note_offer(&mut self, id: ConnectionId, offer: SendCompact) {
        let newest = self.profile.compact.map_or(0, |compact| compact.usable);
        let Some(peer) = self.peer_mut(id).filter(|_| (1..=newest).contains(&offer.version)) else { return };
        if peer.compact.is_none_or(|first| first.version == offer.version) {
            peer.compact = Some(offer);
        }
    }

    fn hear_inventory(&mut self, id: ConnectionId, items: &[InvItem], at: Duration) {
        self.hear_lock_inventory(id, items, at);
        let kind = self.profile.chain.dialect().inv_types().block;
        let blocks: Vec<BlockHash> =
            items.iter().filter(|item| item.kind == kind).map(InvItem::block_hash).collect();
        for block in &blocks {
            self.note_possession(id, *block);
        }
        let unknown = blocks.iter().rev().find(|block| !self.chain.knows(block));
        if let Some(block) = unknown.filter(|block| !self.requested.contains_key(block)) {
            self.ask_for_headers(id, self.chain.best_header(), *block, at);
        }
    }

    fn hear_headers(&mut self, id: ConnectionId, headers: &[Header], at: Duration) {
        // Any answer is one, an empty one too.
        if let Some(peer) = self.peer_mut(id) {
            peer.questioned = None;
        }
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return };
        let last = self.profile.chain.block_hash(last);
        if !self.chain.knows(&first.parent()) && headers.len() < MAX_ANNOUNCED {
            self.ask_for_headers(id, self.chain.best_header(), BlockHash::ZERO, at);
            self.note_possession(id, last);
            let Some(peer) = self.peer_mut(id) else { return };
            peer.unconnected += 1;
            if peer.unconnected.is_multiple_of(UNCONNECTED) {
                self.punish(id, 20, at);
            }
            return;
        }
        let chain = &self.profile.chain;
        if headers.windows(2).any(|pair| pair[1].parent() != chain.block_hash(&pair[0])) {
            return self.punish(id, 20, at);
        }
        for header in headers {
            if let Err(refusal) = self.chain.accept_header(header, at) {
                return self.punish_for(id, &refusal, at);
            }
        }
        if let Some(peer) = self.peer_mut(id) {
            peer.unconnected = 0;
        }
        self.note_possession(id, last);
        if headers.len() == wire::MAX_HEADERS {
            self.ask_for_headers(id, last, BlockHash::ZERO, at);
        }
        self.fetch(id, last, at);
    }

    /// Asks for the blocks that lead to `last`, if it is as good as the tip and the peer is one that has whole blocks.
    fn fetch(&mut self, id: ConnectionId, last: BlockHash, at: Duration) {
        let Some(peer) = self.peer(id) else { return };
        let better = self.chain.work_at(&last) >= Some(self.chain.work());
        if !better || !(self.profile.fetches_from)(peer.version.services) {
            return;
        }
        let offered = peer.compact.map(|offer| offer.version);
        let compact = self.profile.compact.is_some_and(|compact| offered == Some(compact.usable));
        let mut missing = Vec::new();
        let mut next = last;
        while !self.chain.is_active(&next) && missing.len() <= MAX_FETCHED {
            if self.chain.block(&next).is_none() && !self.requested.contains_key(&next) {
                missing.push(next);
            }
            let Some(header) = self.chain.header(&next) else { break };
            next = header.parent();
        }
        // Too far: a daemon would begin a download, which needs more than one message to show.
        if missing.is_empty() || missing.len() > MAX_FETCHED {
            return;
        }
        let alone = missing.len() == 1 && self.requested.is_empty();
        let types = self.profile.chain.dialect().inv_types();
        let kind = if compact && alone { types.compact_block } else { types.full_block };
        self.requested.extend(missing.iter().map(|block| (*block, id)));
        let items = missing.into_iter().rev().map(|block| InvItem::block(kind, block)).collect();
        self.send(id, Message::GetData(items), at);
    }

    pub(super) fn hear_block(&mut self, id: ConnectionId, bytes: &Bytes, at: Duration) {
        if self.temperament == Temperament::Cutting {
            return self.hang_up(id, HangUp::Cut, at);
        }
        let Some(header) = bytes.first_chunk().map(|fixed| Header::new(*fixed)) else {
            return self.reject_malformed(id, Command::BLOCK, at);
        };
        let hash = self.profile.chain.block_hash(&header);
        let asked = self.requested.remove(&hash).is_some();
        match self.chain.accept(bytes, Door::Peer { asked }, at) {
            Verdict::Connected(blocks) => self.connected(&blocks, Some(id), at),
            refusal @ (Verdict::Refused(_) | Verdict::Orphan(_)) => self.refuse(id, hash, &refusal, at),
            Verdict::Undecodable => self.reject_malformed(id, Command::BLOCK, at),
            Verdict::Side | Verdict::Duplicate | Verdict::Ignored => {}
        }
    }
}
