//! Answering what peers ask for.

use std::time::Duration;

use rand::Rng;
use wire::{
    AddrEntry, AddrV2Entry, Address, BlockHash, BlockTxn, GetBlockTxn, GetHeaders, InvItem, Message,
    NetworkAddress,
};

use super::{ConnectionId, Node, timers::Timer};
use crate::chainstate::Standing;

/// How deep a block may lie to be served as a compact block, and its transactions one by one (protocol.md §4.5).
const COMPACT_DEPTH: u32 = 5;
const TRANSACTIONS_DEPTH: u32 = 10;

impl Node {
    pub(super) fn serve_headers(&mut self, id: ConnectionId, request: &GetHeaders, at: Duration) {
        if self.initial_download && !self.profile.serves_in_download {
            return;
        }
        let headers = self.chain.after(&request.locator, request.stop);
        if request.locator.is_empty() && headers.is_empty() {
            return;
        }
        // An empty answer says: you have my tip.
        let told = headers.last().map(|last| self.profile.chain.block_hash(last));
        let told = told.unwrap_or_else(|| self.chain.tip());
        if let Some(peer) = self.peer_mut(id) {
            peer.best_sent = Some(told);
        }
        self.send(id, Message::Headers(headers), at);
    }

    /// A block that is not there is passed over in silence, anything else is said not to be found. Blocks are served
    /// whole in whatever form they are asked for; the daemons strip them.
    pub(super) fn serve_data(&mut self, id: ConnectionId, items: Vec<InvItem>, at: Duration) {
        let types = self.profile.chain.dialect().inv_types();
        let (blocks, mut others): (Vec<_>, Vec<_>) =
            items.into_iter().partition(|item| types.asks_for_block(item.kind));
        let compact = types.compact_block;
        for item in blocks {
            let hash = item.block_hash();
            let Some(depth) = self.served_depth(&hash) else { continue };
            let format = self.peer(id).and_then(|peer| peer.compact).map(|offer| offer.version);
            match format.filter(|_| item.kind == compact && depth <= COMPACT_DEPTH) {
                Some(version) => self.send_compact(id, hash, version, at),
                None => self.serve_block(id, &hash, at),
            }
        }
        self.serve_locks(id, &mut others, at);
        if !others.is_empty() {
            self.send(id, Message::NotFound(others), at);
        }
    }

    fn serve_block(&mut self, id: ConnectionId, hash: &BlockHash, at: Duration) {
        if let Some(bytes) = self.chain.block(hash).map(|block| block.bytes.clone()) {
            self.send(id, Message::Block(bytes), at);
        }
    }

    pub(super) fn serve_transactions(&mut self, id: ConnectionId, request: &GetBlockTxn, at: Duration) {
        let Some(depth) = self.served_depth(&request.block) else { return };
        if depth > TRANSACTIONS_DEPTH {
            return self.serve_block(id, &request.block, at);
        }
        let Some(block) = self.chain.block(&request.block) else { return };
        let transactions = request.indexes.iter().map(|index| block.transaction((*index).into())).collect();
        match transactions {
            Some(transactions) => {
                self.send(id, Message::BlockTxn(BlockTxn { block: request.block, transactions }), at);
            }
            None => self.punish(id, 100, at),
        }
    }

    /// How deep a block lies that may be served: one that is, or was, in the active chain, and whose body is there.
    fn served_depth(&self, hash: &BlockHash) -> Option<u32> {
        self.chain.block(hash).filter(|_| self.chain.standing(hash) == Some(Standing::Validated))?;
        Some(self.chain.height().saturating_sub(self.chain.height_of(hash)?))
    }

    /// Addresses are told once, and by most daemons late, so that nobody learns who knows whom since when.
    pub(super) fn note_address_request(&mut self, id: ConnectionId, at: Duration) {
        let any = !self.addresses.is_empty();
        let Some(peer) = self.peer_mut(id).filter(|peer| any && !peer.addressed) else { return };
        peer.addressed = true;
        let Some(delay) = self.profile.address_delay.clone() else { return self.tell_addresses(id, at) };
        let delay = Duration::from_secs_f64(self.rng.random_range(delay));
        self.timers.set(at + delay, Timer::Addresses(id));
    }

    pub(super) fn tell_addresses(&mut self, id: ConnectionId, at: Duration) {
        let Some(peer) = self.peer(id) else { return };
        let (time, services) = (self.chain.unix(at), self.profile.identity.services);
        let known = self.addresses.iter().take(wire::MAX_ADDRESSES);
        let message = if peer.wants_addrv2 {
            let entry = |address: &std::net::SocketAddr| {
                let (ip, port) = (address.ip(), address.port());
                let address = match ip {
                    std::net::IpAddr::V4(ip) => Address::Ipv4(ip),
                    std::net::IpAddr::V6(ip) => Address::Ipv6(ip),
                };
                AddrV2Entry { time, services, address, port }
            };
            Message::AddrV2(known.map(entry).collect())
        } else {
            let entry = |address: &std::net::SocketAddr| AddrEntry {
                time,
                services,
                address: NetworkAddress::from(*address),
            };
            Message::Addr(known.map(entry).collect())
        };
        self.send(id, message, at);
    }
}
