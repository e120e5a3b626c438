//! Compact blocks (BIP152): making them, and blocks of them.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use chain::{
    IndexedBlock, TransactionEntry,
    transaction::{self, no_other_flags},
};
use sha2::{Digest, Sha256};
use wire::{
    BlockHash, BlockTxn, CompactBlock, Encode, GetBlockTxn, Header, InvItem, Message, PrefilledTransaction,
    Reader, ShortId,
};

use super::{ConnectionId, Node};
use crate::{profile::Compact, siphash::siphash};

/// A compact block that lacks transactions: what is there, by place.
#[derive(Debug)]
pub(super) struct Partial {
    hash: BlockHash,
    header: Header,
    transactions: Vec<Option<Bytes>>,
    tail: Bytes,
}

/// A block in compact form: the coinbase, and the last transaction if something follows it, are there whole; the others
/// by short id.
pub(super) fn of(block: &IndexedBlock, version: u64, nonce: u64, format: &Compact) -> CompactBlock {
    let with_witness = version >= format.witness_from;
    let key =
        Sha256::digest([&block.header.fixed()[..], block.header.extension(), &nonce.to_le_bytes()].concat());
    let part = |at: usize| u64::from_le_bytes(key[at..at + 8].try_into().expect("eight bytes of a hash"));
    let keys = (part(0), part(8));
    let tail = block.tail();
    let last = block.transactions.len() - 1;
    let (mut short_ids, mut prefilled) = (Vec::new(), Vec::new());
    for (index, entry) in block.transactions.iter().enumerate() {
        if index == 0 || (index == last && !tail.is_empty()) {
            let whole = block.bytes.slice(entry.range());
            let transaction = if with_witness { whole } else { stripped(&whole) };
            prefilled.push(PrefilledTransaction { index: index as u16, transaction });
        } else {
            short_ids.push(short_id(keys, entry, with_witness));
        }
    }
    let extension = match format.tail_from {
        Some(from) if version >= from && tail.is_empty() => Bytes::from_static(format.no_tail),
        Some(from) if version >= from => tail,
        _ => Bytes::new(),
    };
    CompactBlock { header: block.header.clone(), nonce, short_ids, prefilled, extension }
}

fn short_id(keys: (u64, u64), entry: &TransactionEntry, with_witness: bool) -> ShortId {
    let id = if with_witness { entry.wtxid.as_wire() } else { entry.txid.as_wire() };
    let [a, b, c, d, e, f, ..] = siphash(keys, id).to_le_bytes();
    [a, b, c, d, e, f]
}

/// A transaction without witness; as it is, if it has none or is of a kind of the chain's own.
fn stripped(whole: &Bytes) -> Bytes {
    match transaction::scan(&mut Reader::new(whole), no_other_flags) {
        Ok(layout) if layout.has_witness() => {
            let mut bytes = BytesMut::with_capacity(layout.stripped_len());
            bytes.put_slice(&whole[..4]);
            bytes.put_slice(&whole[layout.body]);
            bytes.put_slice(&whole[layout.end - 4..layout.end]);
            bytes.freeze()
        }
        _ => whole.clone(),
    }
}

impl Partial {
    fn of(hash: BlockHash, compact: CompactBlock) -> Option<Self> {
        let count = compact.short_ids.len() + compact.prefilled.len();
        let mut transactions = vec![None; count];
        for prefilled in compact.prefilled {
            *transactions.get_mut(usize::from(prefilled.index))? = Some(prefilled.transaction);
        }
        Some(Self { hash, header: compact.header, transactions, tail: compact.extension })
    }

    fn missing(&self) -> Vec<u16> {
        let gaps = self.transactions.iter().enumerate().filter(|(_, transaction)| transaction.is_none());
        gaps.map(|(index, _)| index as u16).collect()
    }

    /// The whole block, if nothing is missing.
    fn whole(&self, format: &Compact) -> Option<Bytes> {
        let mut bytes = BytesMut::new();
        self.header.write(&mut bytes);
        bytes.put_compact_size(self.transactions.len() as u64);
        for transaction in &self.transactions {
            bytes.put_slice(transaction.as_ref()?);
        }
        if self.tail != format.no_tail {
            bytes.put_slice(&self.tail);
        }
        Some(bytes.freeze())
    }
}

impl Node {
    /// A compact block that nobody asked for, or that was asked for after its header came.
    pub(super) fn hear_compact(&mut self, id: ConnectionId, compact: CompactBlock, at: Duration) {
        let Some(format) = self.profile.compact else { return };
        let hash = self.profile.chain.block_hash(&compact.header);
        if !self.chain.knows(&compact.header.parent()) {
            return self.ask_for_headers(id, self.chain.best_header(), BlockHash::ZERO, at);
        }
        let negotiated = self
            .peer(id)
            .is_some_and(|peer| peer.compact.is_some_and(|offer| offer.version == format.usable));
        let has_tail = !compact.extension.is_empty();
        let in_usable_format = format.tail_from.is_none() || has_tail;
        if has_tail && !negotiated {
            // Read in another format there are bytes left over: dropped (measured.md).
            return;
        }
        if let Err(refusal) = self.chain.accept_header(&compact.header, at) {
            return self.punish_for(id, &refusal, at);
        }
        self.note_possession(id, hash);
        if self.chain.block(&hash).is_some() {
            return;
        }
        let wins = self.chain.work_at(&hash) > Some(self.chain.work());
        if !in_usable_format || !wins {
            return self.fetch_whole(id, hash, at);
        }
        let Some(partial) = Partial::of(hash, compact) else { return self.punish(id, 100, at) };
        self.requested.insert(hash, id);
        let indexes = partial.missing();
        if let Some(peer) = self.peer_mut(id) {
            peer.partial = Some(partial);
        }
        if indexes.is_empty() {
            return self.complete(id, at);
        }
        // No transactions are waiting in a simulated node's memory: it asks for all that is not there.
        self.send(id, Message::GetBlockTxn(GetBlockTxn { block: hash, indexes }), at);
    }

    fn fetch_whole(&mut self, id: ConnectionId, hash: BlockHash, at: Duration) {
        self.requested.insert(hash, id);
        let kind = self.profile.chain.dialect().inv_types().full_block;
        self.send(id, Message::GetData(vec![InvItem::block(kind, hash)]), at);
    }

    pub(super) fn hear_transactions(&mut self, id: ConnectionId, answer: BlockTxn, at: Duration) {
        let Some(partial) = self.peer_mut(id).and_then(|peer| peer.partial.as_mut()) else { return };
        if partial.hash != answer.block {
            return;
        }
        if partial.missing().len() != answer.transactions.len() {
            return self.punish(id, 100, at);
        }
        let mut given = answer.transactions.into_iter();
        for gap in partial.transactions.iter_mut().filter(|transaction| transaction.is_none()) {
            *gap = given.next();
        }
        self.complete(id, at);
    }

    /// Every transaction is there.
    fn complete(&mut self, id: ConnectionId, at: Duration) {
        let Some(format) = self.profile.compact else { return };
        let partial = self.peer_mut(id).and_then(|peer| peer.partial.take());
        if let Some(block) = partial.and_then(|partial| partial.whole(&format)) {
            self.hear_block(id, &block, at);
        }
    }
}
