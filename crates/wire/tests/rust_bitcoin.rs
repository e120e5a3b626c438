//! An independent check: what rust-bitcoin writes we read, what we write it reads, and both mean the same.

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use bitcoin::{
    Block,
    bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds},
    consensus::{deserialize, serialize},
    hashes::{Hash, sha256d},
    p2p::{
        Magic, ServiceFlags,
        address::{AddrV2, AddrV2Message, Address},
        message::{NetworkMessage, RawNetworkMessage},
        message_blockdata::{GetHeadersMessage, Inventory},
        message_compact_blocks::{BlockTxn, CmpctBlock, GetBlockTxn, SendCmpct},
        message_network::{Reject, RejectReason, VersionMessage},
    },
};
use bytes::BytesMut;
use common::{CAP, chain, segwit_block};
use tokio_util::codec::{Decoder, Encoder};
use wire::{Frame, FrameCodec, Message, Services};

const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// Lets rust-bitcoin write a message, reads and writes it with ours, and lets rust-bitcoin read that.
fn both_ways(theirs: NetworkMessage) -> Message {
    let raw = serialize(&RawNetworkMessage::new(Magic::from_bytes(MAGIC), theirs.clone()));
    let mut codec = FrameCodec::new(MAGIC);
    codec.set_limit(CAP);
    let frame = codec.decode(&mut BytesMut::from(&raw[..])).expect("a frame").expect("a whole frame");
    let Frame::Intact { command, payload } = frame else { panic!("{frame:?}") };
    assert_eq!(command.as_str(), theirs.cmd());
    let ours = Message::decode(command, payload, chain("litecoin").dialect).expect("a message");

    let mut framed = BytesMut::new();
    codec.encode((ours.command(), ours.encode()), &mut framed).expect("encodes");
    assert_eq!(framed, raw);
    let read: RawNetworkMessage = deserialize(&framed).expect("rust-bitcoin reads it");
    assert_eq!(read.payload(), &theirs);
    ours
}

fn hash(byte: u8) -> sha256d::Hash {
    let mut bytes = [byte; 32];
    bytes[0] = 1;
    sha256d::Hash::from_byte_array(bytes)
}

fn block_hash(byte: u8) -> bitcoin::BlockHash {
    bitcoin::BlockHash::from_raw_hash(hash(byte))
}

fn block() -> Block {
    let block: Block = deserialize(&segwit_block()).expect("rust-bitcoin reads it");
    assert!(block.txdata.len() > 20);
    block
}

#[test]
fn version_means_the_same() {
    let address: SocketAddr = "192.0.2.7:9333".parse().expect("an address");
    let services = ServiceFlags::from(0x100_0408);
    let theirs = VersionMessage {
        version: 70_017,
        services,
        timestamp: 1_795_172_838,
        receiver: Address::new(&address, ServiceFlags::from(9)),
        sender: Address::new(&"[2001:db8::1]:1".parse().expect("an address"), services),
        nonce: 0x1122_3344_5566_7788,
        user_agent: "/blockcast:0.1.0/".into(),
        start_height: 3_000_000,
        relay: true,
    };
    let Message::Version(ours) = both_ways(NetworkMessage::Version(theirs)) else { panic!() };
    assert_eq!((ours.protocol, ours.services, ours.timestamp), (70_017, Services(0x100_0408), 1_795_172_838));
    assert_eq!((ours.receiver.0, ours.receiver.1.to_socket_addr()), (Services(9), address));
    assert_eq!((ours.nonce(), ours.start_height()), (Some(0x1122_3344_5566_7788), Some(3_000_000)));
    assert_eq!(ours.user_agent(), "/blockcast:0.1.0/");
    let details = ours.details.expect("details");
    assert_eq!(details.sender.1.to_socket_addr(), "[2001:db8::1]:1".parse().expect("an address"));
    assert_eq!((details.relay, details.extension.len()), (Some(true), 0));
}

#[test]
fn small_messages_mean_the_same() {
    assert_eq!(both_ways(NetworkMessage::Verack), Message::Verack);
    assert_eq!(both_ways(NetworkMessage::SendHeaders), Message::SendHeaders);
    assert_eq!(both_ways(NetworkMessage::SendAddrV2), Message::SendAddrV2);
    assert_eq!(both_ways(NetworkMessage::WtxidRelay), Message::WtxidRelay);
    assert_eq!(both_ways(NetworkMessage::GetAddr), Message::GetAddr);
    assert_eq!(both_ways(NetworkMessage::Ping(7)), Message::Ping(7));
    assert_eq!(both_ways(NetworkMessage::Pong(u64::MAX)), Message::Pong(u64::MAX));
    assert_eq!(both_ways(NetworkMessage::FeeFilter(1000)), Message::FeeFilter(1000));
    let theirs = SendCmpct { send_compact: true, version: 2 };
    let ours = wire::SendCompact { announce: true, version: 2 };
    assert_eq!(both_ways(NetworkMessage::SendCmpct(theirs)), Message::SendCompact(ours));
}

#[test]
fn inventories_mean_the_same() {
    let items = vec![
        Inventory::Block(block_hash(2)),
        Inventory::CompactBlock(block_hash(3)),
        Inventory::WitnessBlock(block_hash(4)),
        Inventory::Unknown { inv_type: 0x6000_0002, hash: hash(5).to_byte_array() },
    ];
    let Message::Inv(ours) = both_ways(NetworkMessage::Inv(items.clone())) else { panic!() };
    let kinds: Vec<u32> = ours.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [2, 4, 0x4000_0002, 0x6000_0002]);
    assert_eq!(ours[0].block_hash().to_string(), block_hash(2).to_string());
    assert_eq!(both_ways(NetworkMessage::GetData(items.clone())), Message::GetData(ours.clone()));
    assert_eq!(both_ways(NetworkMessage::NotFound(items)), Message::NotFound(ours));

    let many = vec![Inventory::Block(block_hash(6)); 300];
    let Message::Inv(ours) = both_ways(NetworkMessage::Inv(many)) else { panic!() };
    assert_eq!(ours.len(), 300);
}

#[test]
fn headers_and_their_requests_mean_the_same() {
    let theirs = GetHeadersMessage {
        version: 70_017,
        locator_hashes: vec![block_hash(1), block_hash(2)],
        stop_hash: block_hash(3),
    };
    let Message::GetHeaders(ours) = both_ways(NetworkMessage::GetHeaders(theirs)) else { panic!() };
    let locator: Vec<String> = ours.locator.iter().map(ToString::to_string).collect();
    assert_eq!(locator, [block_hash(1).to_string(), block_hash(2).to_string()]);
    assert_eq!(ours.stop.to_string(), block_hash(3).to_string());

    let header = block().header;
    let Message::Headers(ours) = both_ways(NetworkMessage::Headers(vec![header; 3])) else { panic!() };
    assert_eq!(ours.len(), 3);
    let ours = &ours[1];
    assert_eq!(ours.version(), header.version.to_consensus());
    assert_eq!(ours.parent().to_string(), header.prev_blockhash.to_string());
    assert_eq!(ours.merkle_root().to_string(), header.merkle_root.to_string());
    assert_eq!(
        (ours.time(), ours.bits(), ours.nonce()),
        (header.time, header.bits.to_consensus(), header.nonce)
    );
}

#[test]
fn addresses_mean_the_same() {
    let entry =
        |addr, port| AddrV2Message { time: 1_795_172_838, services: ServiceFlags::from(0x409), addr, port };
    let theirs = vec![
        entry(AddrV2::Ipv4(Ipv4Addr::new(192, 0, 2, 7)), 9333),
        entry(AddrV2::Ipv6("2001:db8::1".parse().expect("an address")), 9333),
        entry(AddrV2::TorV3([3; 32]), 1),
        entry(AddrV2::I2p([4; 32]), 0),
        entry(AddrV2::Cjdns("fc00::1".parse().expect("an address")), 2),
        entry(AddrV2::Unknown(99, vec![5; 7]), 3),
    ];
    let Message::AddrV2(ours) = both_ways(NetworkMessage::AddrV2(theirs)) else { panic!() };
    assert_eq!(ours[0].to_socket_addr(), Some("192.0.2.7:9333".parse().expect("an address")));
    assert_eq!(ours[1].to_socket_addr(), Some("[2001:db8::1]:9333".parse().expect("an address")));
    assert_eq!(ours[2].to_socket_addr(), None);
    assert!(matches!(&ours[5].address, wire::Address::Other { network: 99, bytes } if bytes.len() == 7));
    assert!(ours.iter().all(|entry| entry.services == Services(0x409) && entry.time == 1_795_172_838));

    let address = Address::new(&"192.0.2.7:9333".parse().expect("an address"), ServiceFlags::NETWORK);
    let Message::Addr(ours) = both_ways(NetworkMessage::Addr(vec![(1, address)])) else { panic!() };
    assert_eq!(ours[0].address.to_socket_addr(), "192.0.2.7:9333".parse().expect("an address"));
}

#[test]
fn compact_blocks_mean_the_same() {
    let block = block();
    let last = block.txdata.len() - 1;
    let compact = HeaderAndShortIds::from_block(&block, 42, 2, &[1, 5, last]).expect("a compact block");
    let message = NetworkMessage::CmpctBlock(CmpctBlock { compact_block: compact.clone() });
    let Message::CompactBlock(ours) = both_ways(message) else { panic!() };
    let places: Vec<usize> = ours.prefilled.iter().map(|prefilled| prefilled.index.into()).collect();
    assert_eq!(places, [0, 1, 5, last], "absolute, where rust-bitcoin keeps distances");
    for prefilled in &ours.prefilled {
        assert_eq!(prefilled.transaction, serialize(&block.txdata[usize::from(prefilled.index)]));
    }
    let ids: Vec<[u8; 6]> =
        compact.short_ids.iter().map(|id| serialize(id).try_into().expect("six bytes")).collect();
    assert_eq!((ours.short_ids, ours.nonce, ours.extension.len()), (ids, 42, 0));
}

#[test]
fn missing_transactions_mean_the_same() {
    let block = block();
    let request = BlockTransactionsRequest { block_hash: block.block_hash(), indexes: vec![0, 1, 2, 7, 20] };
    let message = NetworkMessage::GetBlockTxn(GetBlockTxn { txs_request: request.clone() });
    let Message::GetBlockTxn(ours) = both_ways(message) else { panic!() };
    assert_eq!(ours.indexes, [0, 1, 2, 7, 20]);
    assert_eq!(ours.block.to_string(), block.block_hash().to_string());

    let transactions = BlockTransactions::from_request(&request, &block).expect("they are there");
    let Message::BlockTxn(ours) = both_ways(NetworkMessage::BlockTxn(BlockTxn { transactions })) else {
        panic!()
    };
    assert_eq!(ours.transactions.len(), 5);
    assert_eq!(ours.transactions[3], serialize(&block.txdata[7]));
}

#[test]
fn blocks_and_rejects_mean_the_same() {
    assert_eq!(both_ways(NetworkMessage::Block(block())), Message::Block(segwit_block()));
    let theirs = Reject {
        message: "block".into(),
        ccode: RejectReason::Invalid,
        reason: "bad-txnmrklroot".into(),
        hash: hash(9),
    };
    let Message::Reject(ours) = both_ways(NetworkMessage::Reject(theirs)) else { panic!() };
    assert_eq!((ours.reason(), ours.code.0), ("bad-txnmrklroot".into(), 0x10));
    assert_eq!(ours.block().expect("a block's").to_string(), block_hash(9).to_string());
}
