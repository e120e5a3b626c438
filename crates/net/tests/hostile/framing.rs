//! What cannot be cut into messages, and what can but is none.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes};
use net::Closed;
use protocol::session::{Disconnect, Event};
use wire::{
    AddrEntry, AddrV2Entry, Address, Command, FrameHeader, HEADER_LEN, InvItem, Message, NetworkAddress,
    Services,
};

use crate::{
    scene::{Goods, proven, stranger},
    support::{frame, magic, version},
};

/// A frame around a payload that need not be what the command says.
pub(crate) fn framed(command: Command, payload: &[u8]) -> Vec<u8> {
    let mut bytes = FrameHeader::of(magic(), command, payload).to_wire().to_vec();
    bytes.put_slice(payload);
    bytes
}

#[tokio::test]
async fn a_message_may_be_cut_at_any_byte() {
    let (ours, mut peer) = proven(Goods::default(), 0).await;
    for cut in 1..HEADER_LEN + 8 {
        let bytes = frame(&Message::Ping(cut as u64));
        peer.send_raw(&bytes[..cut]).await;
        ours.has_read_all().await;
        peer.send_raw(&bytes[cut..]).await;
        assert_eq!(peer.expect(Command::PONG).await, Message::Pong(cut as u64));
    }
}

#[tokio::test]
async fn the_handshake_may_be_cut_at_any_byte() {
    let words = [frame(&version()), frame(&Message::Verack)].concat();
    for cut in 1..words.len() {
        let (mut ours, mut peer) = stranger().await;
        peer.send_raw(&words[..cut]).await;
        ours.has_read_all().await;
        peer.send_raw(&words[cut..]).await;
        peer.expect(Command::SENDHEADERS).await;
        assert!(matches!(ours.event().await, Event::Ready { .. }));
    }
}

#[tokio::test]
async fn a_proven_peer_that_loses_its_place_is_cut_off() {
    let ping = frame(&Message::Ping(1));
    let mut cases: Vec<Vec<u8>> = (0..4)
        .map(|place| {
            let mut bytes = ping.clone();
            bytes[place] ^= 0x20;
            bytes
        })
        .collect();
    // One byte too many, and one too few: what follows is not where it should be.
    cases.push([&ping[..], &[0], &ping].concat());
    cases.push([&ping[..ping.len() - 1], &ping, &ping].concat());
    for bytes in cases {
        let (mut ours, mut peer) = proven(Goods::default(), 0).await;
        peer.send_raw(&bytes).await;
        let closed = ours.closed().await;
        assert_eq!(closed.kind(), "bad_magic", "{closed}");
    }
}

/// A message that is none: what is wrong with it, its bytes, and the word that the metrics get for it.
type Fault = (&'static str, Vec<u8>, &'static str);

/// Faults that fit into what a stranger may say.
fn small_faults() -> Vec<Fault> {
    let command = |name: [u8; 12]| {
        let mut bytes = frame(&Message::Ping(1));
        bytes[4..16].copy_from_slice(&name);
        bytes
    };
    let mut bad_checksum = frame(&Message::Ping(1));
    bad_checksum[HEADER_LEN] ^= 1;
    let entry =
        AddrV2Entry { time: 0, services: Services(1), address: Address::Ipv4(Ipv4Addr::LOCALHOST), port: 1 };
    let mut odd_address = Message::AddrV2(vec![entry.clone()]).encode().to_vec();
    // Count 1, time 4, services 1, network 1, and then the length.
    odd_address[7] = 5;
    let unknown = Address::Other { network: 99, bytes: vec![0; 513].into() };
    let long_address = Message::AddrV2(vec![AddrV2Entry { address: unknown, ..entry }]);
    vec![
        ("a wrong checksum", bad_checksum, "bad_checksum"),
        ("a byte behind the command's NUL", command(*b"ping\0\0\0\0\0\0\0x"), "bad_command"),
        ("a command that is not printable", command(*b"pi\x7fg\0\0\0\0\0\0\0\0"), "bad_command"),
        ("an IPv4 address of five bytes", framed(Command::ADDRV2, &odd_address), "invalid"),
        ("an address of 513 bytes", frame(&long_address), "too_many"),
        ("a length in too many bytes", framed(Command::INV, &[0xfd, 0, 0]), "non_canonical"),
        ("a list that ends early", framed(Command::INV, &[2, 0, 0, 0]), "truncated"),
        ("bytes behind the end", framed(Command::VERACK, &[0]), "trailing"),
    ]
}

/// Lists with one entry more than the daemons allow.
fn long_lists() -> Vec<Fault> {
    let entry = AddrEntry { time: 0, services: Services(1), address: NetworkAddress::UNSPECIFIED };
    let address = Address::Ipv4(Ipv4Addr::LOCALHOST);
    let v2 = AddrV2Entry { time: 0, services: Services(1), address, port: 1 };
    let items = vec![InvItem { kind: 2, hash: [1; 32] }; 50_001];
    let mut headers = vec![0xfd];
    headers.put_u16_le(2001);
    headers.put_bytes(0, 2001 * 81);
    let mut locator = vec![0, 0, 0, 0, 102];
    locator.put_bytes(0, 103 * 32);
    vec![
        ("addr of 1,001", frame(&Message::Addr(vec![entry; 1001])), "too_many"),
        ("addrv2 of 1,001", frame(&Message::AddrV2(vec![v2; 1001])), "too_many"),
        ("inv of 50,001", frame(&Message::Inv(items.clone())), "too_many"),
        ("getdata of 50,001", frame(&Message::GetData(items)), "too_many"),
        ("headers of 2,001", framed(Command::HEADERS, &headers), "too_many"),
        ("a locator of 102", framed(Command::GETHEADERS, &locator), "too_many"),
    ]
}

#[tokio::test]
async fn what_cannot_be_understood_is_dropped_once_and_ten_times_in_a_row_is_too_often() {
    for (what, bytes, kind) in small_faults().into_iter().chain(long_lists()) {
        let (mut ours, mut peer) = proven(Goods::default(), 0).await;
        peer.send_raw(&bytes).await;
        peer.send(&Message::Ping(1)).await;
        assert_eq!(peer.expect(Command::PONG).await, Message::Pong(1), "{what}");
        assert_eq!(ours.event().await, Event::Garbage { kind }, "{what}");
        assert!(ours.is_running(), "{what}");

        // The ping was understood and has made up for it: ten more are ten in a row.
        for _ in 0..9 {
            peer.send_raw(&bytes).await;
            assert_eq!(ours.event().await, Event::Garbage { kind }, "{what}");
        }
        assert!(ours.is_running(), "{what}");
        peer.send_raw(&bytes).await;
        let closed = ours.closed().await;
        assert!(
            matches!(closed, Closed::Session(Disconnect::Garbage { kind: last }) if last == kind),
            "{what}: {closed}"
        );
    }
}

#[tokio::test]
async fn a_stranger_may_make_no_mistake() {
    for (what, bytes, kind) in small_faults() {
        for introduced in [false, true] {
            let (mut ours, mut peer) = stranger().await;
            if introduced {
                peer.send(&version()).await;
                peer.expect(Command::VERACK).await;
            }
            peer.send_raw(&bytes).await;
            let closed = ours.closed().await;
            let expected = Disconnect::Garbage { kind };
            assert!(matches!(&closed, Closed::Session(reason) if *reason == expected), "{what}: {closed}");
        }
    }
}

#[tokio::test]
async fn unknown_commands_are_ignored_however_many() {
    let (mut ours, mut peer) = proven(Goods::default(), 0).await;
    let command = Command::from_wire(*b"newfangled\0\0").expect("a name");
    let message = Message::Unknown { command, payload: Bytes::from_static(b"of no concern") };
    for _ in 0..200 {
        peer.send(&message).await;
    }
    peer.send(&Message::Pong(7)).await;
    assert_eq!(ours.event().await, Event::Pong(7), "nothing was said of the others");
}
