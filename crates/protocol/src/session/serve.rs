//! Serving what we announced, and taking the blocks that we asked for.
//!
//! Announcing without serving loses blocks: a daemon that asks for a block, or for the transactions that it lacks, and
//! gets nothing stays without it for minutes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wire::{BlockTxn, GetBlockTxn, GetHeaders, Header, InvItem, Message};

use super::{Disconnect, Event, Session, Shelf, State};

/// How many block bodies a peer may ask for before it has to wait for [`REFILL`]. A daemon asks for each block once.
const BODIES: u32 = 32;

/// How many times a peer may ask for headers before it has to wait for [`REFILL`]. A daemon asks when it connects, and
/// again when it is told of a block whose parent it lacks.
const HEADERS: u32 = 8;

/// How many objects of the chain's own kind a peer may announce before it has to wait for [`REFILL`]. A chain brings one
/// forth with each block, and a peer that has been away may announce the last few.
pub(super) const OBJECTS: u32 = 16;

/// How many faults are borne, besides one a minute: each is told to others, who have better things to do.
const FAULTS: u32 = 8;

/// How many addresses a peer may tell us: as many as a daemon lets one tell it (protocol.md §3), which is one answer to
/// our `getaddr` …
const ADDRESSES: u32 = 1000;

/// … and this long for each further one: 0.1 addresses a second.
const ADDRESS_REFILL: Duration = Duration::from_secs(10);

/// How many entries of a `notfound` are looked at. We ask for one block at a time.
const ASKED_AT_ONCE: usize = 4;

/// How long it takes until a peer may ask once more.
const REFILL: Duration = Duration::from_secs(1);

/// How often a peer may still ask for something that costs us much more than the question costs it.
pub(super) struct Allowance {
    /// What it begins with, and never exceeds.
    burst: u32,
    left: u32,
    since: Instant,
    /// How long it takes until it may once more.
    refill: Duration,
}

impl Allowance {
    fn of(burst: u32, refill: Duration, now: Instant) -> Self {
        Self { burst, left: burst, since: now, refill }
    }

    /// For what no honest daemon does. Nothing else that the peer says gives any of it back.
    pub(super) fn of_faults(now: Instant) -> Self {
        Self::of(FAULTS, Duration::from_secs(60), now)
    }

    /// For block bodies: a `getdata` of 37 bytes can make us send megabytes.
    pub(super) fn of_bodies(now: Instant) -> Self {
        Self::of(BODIES, REFILL, now)
    }

    /// For headers: a `getheaders` of 69 bytes can make us send 160 kB, and holds the header view while it is answered.
    pub(super) fn of_headers(now: Instant) -> Self {
        Self::of(HEADERS, REFILL, now)
    }

    /// For objects that a peer announces: each makes us fetch it, and ask our nodes.
    pub(super) fn of_objects(now: Instant) -> Self {
        Self::of(OBJECTS, REFILL, now)
    }

    /// For addresses that a peer tells: each may be a place in the book that an honest one does not get.
    pub(super) fn of_addresses(now: Instant) -> Self {
        Self::of(ADDRESSES, ADDRESS_REFILL, now)
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_secs() / self.refill.as_secs();
        match u32::try_from(earned) {
            Ok(earned) if self.left.saturating_add(earned) < self.burst => {
                self.left += earned;
                self.since += self.refill * earned;
            }
            _ => (self.left, self.since) = (self.burst, now),
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

impl Session {
    fn may_serve(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Ready(steady) => steady.served.take(now),
            _ => false,
        }
    }

    /// Answers even with nothing, but not beyond the allowance: the shelf is not asked then.
    pub(super) fn serve_headers(&mut self, request: &GetHeaders, shelf: &dyn Shelf, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        if steady.headers_served.take(now) {
            self.send(Message::Headers(shelf.headers_after(&request.locator, request.stop)));
        }
    }

    pub(super) fn serve_data(&mut self, items: &[InvItem], shelf: &dyn Shelf, now: Instant) {
        let mut missing = Vec::new();
        for item in items {
            let asks_for_block = self.dialect.dialect().inv_types().asks_for_block(item.kind);
            let block = asks_for_block.then(|| shelf.block(&item.block_hash())).flatten();
            match block {
                // The whole block is a fine answer to a request for a compact one (BIP152), and the only form of it
                // that cannot be refused for what it lacks.
                Some(block) if self.may_serve(now) => {
                    self.send(Message::Block(block.bytes.clone()));
                    self.emit(Event::Served { block: block.hash });
                }
                _ => match self.object_for(item, shelf) {
                    Some(object) if self.may_serve(now) => self.send(object),
                    _ => missing.push(*item),
                },
            }
        }
        if !missing.is_empty() {
            self.send(Message::NotFound(missing));
        }
    }

    pub(super) fn serve_transactions(&mut self, request: GetBlockTxn, shelf: &dyn Shelf, now: Instant) {
        let kind = self.dialect.dialect().inv_types().block;
        let missing = Message::NotFound(vec![InvItem::block(kind, request.block)]);
        let Some(block) = shelf.block(&request.block) else { return self.send(missing) };
        if !self.may_serve(now) {
            return self.send(missing);
        }
        let transactions = request.indexes.iter().map(|&index| block.transaction(index.into())).collect();
        let Some(transactions) = transactions else {
            let count = block.transactions.len();
            let why = format!("asks for a transaction beyond the {count} of block {}", request.block);
            return self.hang_up(Disconnect::Misbehaving(why));
        };
        self.send(Message::BlockTxn(BlockTxn { block: request.block, transactions }));
        self.emit(Event::Served { block: request.block });
    }

    /// A block has come. What nobody waits for is not looked at: it may be a daemon's, to whom we owe no thanks for it,
    /// but no fault either.
    pub(super) fn block_arrived(&mut self, payload: Bytes, shelf: &dyn Shelf) {
        let Some(fixed) = payload.first_chunk::<{ Header::LEN }>() else { return };
        let block = self.dialect.block_hash(&Header::new(*fixed));
        if shelf.awaits(&block) {
            self.emit(Event::Block { block, payload });
        }
    }

    /// What was asked for will not come: the peer does not have it.
    pub(super) fn blocks_missing(&mut self, items: &[InvItem], shelf: &dyn Shelf) {
        let types = self.dialect.dialect().inv_types();
        let missing = items.iter().filter(|item| types.asks_for_block(item.kind)).take(ASKED_AT_ONCE);
        let missing: Vec<_> = missing.map(InvItem::block_hash).filter(|block| shelf.awaits(block)).collect();
        missing.into_iter().for_each(|block| self.emit(Event::Missing { block }));
    }
}
