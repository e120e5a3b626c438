//! Serving what we announced.
//!
//! Announcing without serving loses blocks: a daemon that asks for a block, or for the transactions that it lacks, and
//! gets nothing stays without it for minutes.

use std::time::{Duration, Instant};

use wire::{BlockTxn, GetBlockTxn, InvItem, Message};

use super::{Disconnect, Event, Session, Shelf, State};

/// How many block bodies a peer may ask for before it has to wait for [`REFILL`]. A daemon asks for each block once.
const BURST: u32 = 32;

/// How long it takes until another body may be asked for.
const REFILL: Duration = Duration::from_secs(1);

/// How many bodies a peer may still ask for. A `getdata` of 37 bytes can make us send megabytes; this is what keeps
/// that from being of use to anyone.
pub(super) struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_secs() / REFILL.as_secs();
        match u32::try_from(earned) {
            Ok(earned) if self.left.saturating_add(earned) < BURST => {
                self.left += earned;
                self.since += REFILL * earned;
            }
            _ => (self.left, self.since) = (BURST, now),
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
                _ => missing.push(*item),
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
}
