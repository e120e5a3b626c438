//! Peers that ask: for what cannot be, for more than they read, or for nothing.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use chain::{IndexedBlock, TransactionEntry};
use net::{Closed, Packet, Plan};
use protocol::session::{Disconnect, Event, Via};
use wire::{
    BlockHash, BlockTxn, Command, CompactBlock, Encode, GetBlockTxn, Header, InvItem, Message, Txid, Wtxid,
    sha256d,
};

use crate::{
    allocations::Meter,
    framing::framed,
    scene::{Goods, proven},
    support::{chain, magic},
};

/// A transaction of one input and one output.
fn transaction(number: u8) -> Bytes {
    let mut bytes = vec![2, 0, 0, 0, 1];
    bytes.put_bytes(number, 36);
    bytes.put_byte_string(&[]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(1);
    bytes.put_i64_le(1);
    bytes.put_byte_string(&[0x51]);
    bytes.put_u32_le(0);
    bytes.into()
}

/// A block of this many transactions, with so many bytes behind them.
fn block(transactions: u8, tail: usize) -> Arc<IndexedBlock> {
    let header = Header::new([4; 80]);
    let mut bytes = header.fixed().to_vec();
    bytes.put_compact_size(transactions.into());
    let mut entries = Vec::new();
    for number in 0..transactions {
        let transaction = transaction(number);
        let txid = sha256d(&transaction);
        entries.push(TransactionEntry {
            offset: bytes.len() as u32,
            length: transaction.len() as u32,
            txid: Txid::from_wire(txid),
            wtxid: Wtxid::from_wire(txid),
        });
        bytes.put_slice(&transaction);
    }
    bytes.put_bytes(0, tail);
    let hash = chain().block_hash(&header);
    Arc::new(IndexedBlock { hash, header, height: None, bytes: bytes.into(), transactions: entries })
}

fn goods(block: &Arc<IndexedBlock>) -> Goods {
    Goods { block: Some(block.clone()), ..Goods::default() }
}

fn ask(block: BlockHash, indexes: Vec<u16>) -> Message {
    Message::GetBlockTxn(GetBlockTxn { block, indexes })
}

#[tokio::test]
async fn impossible_indexes_end_the_connection_or_are_dropped_and_possible_ones_are_served() {
    let block = block(3, 0);
    let (mut ours, mut peer) = proven(goods(&block), 0).await;
    peer.send(&ask(block.hash, vec![0, 2])).await;
    let answer = BlockTxn { block: block.hash, transactions: vec![transaction(0), transaction(2)] };
    assert_eq!(peer.expect(Command::BLOCKTXN).await, Message::BlockTxn(answer));
    assert_eq!(ours.event().await, Event::Served { block: block.hash });

    // No block has such places: 65,536, and one behind 65,535.
    for distances in [&[0x1_0000][..], &[0xffff, 0]] {
        let mut payload = block.hash.as_wire().to_vec();
        payload.put_compact_size(distances.len() as u64);
        distances.iter().for_each(|&distance| payload.put_compact_size(distance));
        peer.send_raw(&framed(Command::GETBLOCKTXN, &payload)).await;
        assert_eq!(ours.event().await, Event::Garbage { kind: "too_many" });
    }
    // Of a block that we do not have, any place may be meant.
    let unknown = BlockHash::from_wire([9; 32]);
    peer.send(&ask(unknown, vec![0xffff])).await;
    let missing = Message::NotFound(vec![InvItem::block(2, unknown)]);
    assert_eq!(peer.receive().await, Some(missing));

    for beyond in [3, 0xffff] {
        let (mut ours, mut peer) = proven(goods(&block), 0).await;
        peer.send(&ask(block.hash, vec![0, beyond])).await;
        let closed = ours.closed().await;
        assert!(matches!(closed, Closed::Session(Disconnect::Misbehaving(_))), "{closed}");
        assert_eq!(peer.receive().await, None, "not even the first");
    }
}

/// Thirty-two blocks of a megabyte wait for it: they share their bytes, and nobody else waits.
#[tokio::test]
async fn a_peer_that_asks_and_does_not_read_costs_no_copies_and_keeps_nobody_waiting() {
    let block = block(3, 1_000_000);
    let length = block.bytes.len();
    let (silent, mut never_reads) = proven(goods(&block), 4096).await;
    let (_ours, mut reads) = proven(goods(&block), 0).await;
    let request = Message::GetData(vec![InvItem::block(2, block.hash); 32]);
    let meter = Meter::start();
    never_reads.send(&request).await;
    silent.has_read_all().await;
    let waits = async {
        while silent.lane.backlog() < 25 * length {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, waits).await.expect("what it asked for waits");
    assert!(meter.peak() < length / 10, "{} bytes for {} that wait", meter.peak(), silent.lane.backlog());

    reads.send(&Message::GetData(vec![InvItem::block(2, block.hash)])).await;
    assert_eq!(reads.expect(Command::BLOCK).await, Message::Block(block.bytes.clone()));
    assert!(silent.is_running());
    silent.lane.close();
}

/// We ask it for headers, and for nothing that anybody waits for.
#[tokio::test]
async fn a_peer_that_announces_and_never_answers_keeps_nobody_waiting() {
    let goods = Goods { locator: vec![BlockHash::from_wire([3; 32])], ..Goods::default() };
    let (mut ours, mut peer) = proven(goods, 0).await;
    peer.expect(Command::GETHEADERS).await;
    let compact = CompactBlock {
        header: Header::new([5; 80]),
        nonce: 1,
        short_ids: vec![[1; 6]; 1000],
        prefilled: Vec::new(),
        extension: Bytes::new(),
    };
    let block = chain().block_hash(&compact.header);
    let announced = |via| Event::Announced { block, via };
    peer.send(&Message::Inv(vec![InvItem::block(2, block)])).await;
    assert_eq!(ours.event().await, announced(Via::Inv));
    let header = compact.header.clone();
    peer.send(&Message::CompactBlock(Box::new(compact))).await;
    assert_eq!(ours.event().await, Event::Headers { headers: vec![header], via: Via::CompactBlock });
    assert_eq!(ours.event().await, announced(Via::CompactBlock));

    ours.push(Plan::control(magic(), &Message::Ping(1)));
    peer.expect(Command::PING).await;
    peer.send(&Message::Pong(1)).await;
    assert_eq!(ours.event().await, Event::Pong(1));
    assert!(ours.is_running());
}

/// Each end writes all of its frame before it reads: that only ends if our reader does not wait for our writer.
#[tokio::test]
async fn both_ends_may_send_a_frame_of_the_caps_size_at_the_same_moment() {
    let cap = chain().session_policy().max_payload;
    let (mut ours, mut peer) = proven(Goods::default(), 0).await;
    let payload = Bytes::from(vec![0x5a; cap]);
    ours.push(Plan {
        block: Some(BlockHash::from_wire([1; 32])),
        packets: vec![Packet::new(magic(), Command::BLOCK, payload.clone())],
    });
    peer.send(&Message::Block(payload.clone())).await;
    peer.send(&Message::Pong(5)).await;
    assert_eq!(ours.event().await, Event::Pong(5), "theirs is here");
    assert_eq!(peer.expect(Command::BLOCK).await, Message::Block(payload), "and ours there");
    assert!(ours.is_running());
}
