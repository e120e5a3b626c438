//! Addresses that a session has asked for: what recorded daemons answered, and how much a peer may tell.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, BytesMut};
use wire::{AddrEntry, AddrV2Entry, Address, Command, Encode, InvItem, MAX_ADDRESSES};

use super::{allocations::Meter, replay::Heard, *};
use crate::session::GossipAddress;

const PORT: u16 = 9333;

/// A conversation that has just got past the handshake with a session that has asked for addresses.
fn gossiping() -> Talk {
    let mut talk = Talk::introduced(&REGTEST, true);
    talk.hear(Message::Version(version()));
    talk.hear(Message::Verack);
    talk
}

fn v1(ip: impl Into<Ipv6Addr>) -> AddrEntry {
    AddrEntry { time: 5, services: FULL_NODE, address: NetworkAddress { ip: ip.into(), port: PORT } }
}

fn v2(address: Address) -> AddrV2Entry {
    AddrV2Entry { time: 5, services: FULL_NODE, address, port: PORT }
}

/// So many addresses, no two the same.
fn many(count: usize) -> Message {
    let nth = |n: usize| v1(Ipv4Addr::from(0x0800_0000 + n as u32).to_ipv6_mapped());
    Message::Addr((0..count).map(nth).collect())
}

/// How many addresses were reported, and how many dropped.
fn counts(outputs: &[Output]) -> (usize, usize) {
    let (mut heard, mut dropped) = (0, 0);
    for event in events(outputs) {
        match event {
            Event::Addresses(addresses) => heard += addresses.len(),
            Event::AddressesDropped(more) => dropped += more,
            other => panic!("{other:?}"),
        }
    }
    (heard, dropped)
}

#[test]
fn addresses_are_asked_for_once_and_last_and_only_if_they_are_wanted() {
    for (gossip, expected) in [
        (true, &["sendcmpct", "sendheaders", "getheaders", "getaddr"][..]),
        (false, &["sendcmpct", "sendheaders", "getheaders"]),
    ] {
        let mut talk = Talk::introduced(&REGTEST, gossip);
        talk.hear(Message::Version(version()));
        assert_eq!(commands(&talk.hear(Message::Verack)), expected);
        for message in [Message::Verack, Message::Version(version()), many(1), Message::GetAddr] {
            assert_eq!(commands(&talk.hear(message)), Vec::<String>::new());
        }
        let later = (0..300).flat_map(|_| talk.wait(Duration::from_secs(1))).collect::<Vec<_>>();
        assert!(!commands(&later).contains(&"getaddr".to_owned()));
    }
}

#[test]
fn addresses_that_nobody_asked_for_go_no_further() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hear(many(1000)), []);
    assert_eq!(talk.hear(Message::AddrV2(vec![v2(Address::TorV3([7; 32]))])), []);
    let mut early = Talk::introduced(&REGTEST, true);
    early.hear(Message::Version(version()));
    assert_eq!(early.hear(many(1)), [], "before verack");
}

#[test]
fn what_recorded_daemons_answered_is_reported_as_they_said_it() {
    for (chain, file, command, count) in [
        (&*REGTEST, "litecoin/getaddr_addrv1.json", Command::ADDR, 27),
        (&*REGTEST, "litecoin/getaddr_addrv2.json", Command::ADDRV2, 27),
        (&*dash::DASH, "dash/getaddr_addrv1.json", Command::ADDR, 27),
        (&*dash::DASH, "dash/getaddr_addrv2.json", Command::ADDRV2, 27),
        (&*dogecoin::DOGECOIN, "dogecoin/getaddr_addrv1.json", Command::ADDR, 1),
    ] {
        let replay = replay::replay(Talk::introduced(chain, true), file, Duration::ZERO);
        let mut told = replay.heard.iter().filter(|heard| heard.command == command);
        let Some(Heard { message, outputs, .. }) = told.next() else { panic!("{file}: no answer") };
        let [Event::Addresses(addresses)] = events(outputs)[..] else { panic!("{file}: {outputs:?}") };
        assert_eq!(addresses.len(), count, "{file}");
        for address in addresses {
            assert!(matches!(address.address, Address::Ipv4(_)), "{file}: {address:?}");
            assert!(address.services.0 != 0 && address.time > 1_700_000_000, "{file}: {address:?}");
        }
        let said: Vec<SocketAddr> = match message {
            Message::Addr(entries) => entries.iter().map(|entry| entry.address.to_socket_addr()).collect(),
            Message::AddrV2(entries) => entries.iter().filter_map(AddrV2Entry::to_socket_addr).collect(),
            other => panic!("{file}: {other:?}"),
        };
        let heard: Vec<_> = addresses.iter().map(socket_addr).collect();
        assert_eq!(heard, said, "{file}");
    }
}

fn socket_addr(address: &GossipAddress) -> SocketAddr {
    match address.address {
        Address::Ipv4(ip) => SocketAddr::new(ip.into(), address.port),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_is_reported_by_what_it_is_and_one_of_no_use_not_at_all() {
    let (ip, ipv6) = (Ipv4Addr::new(1, 2, 3, 4), Ipv6Addr::LOCALHOST);
    let reported = |address| GossipAddress { time: 5, services: FULL_NODE, address, port: PORT };
    let mut talk = gossiping();
    let heard = talk.hear(Message::Addr(vec![v1(ip.to_ipv6_mapped()), v1(ipv6)]));
    let expected = [Address::Ipv4(ip), Address::Ipv6(ipv6)].map(reported).to_vec();
    assert_eq!(events(&heard), [&Event::Addresses(expected)]);

    let kept = [Address::TorV3([1; 32]), Address::I2p([2; 32]), Address::Cjdns([0xfc; 16])];
    let of_no_use = Address::Other { network: 3, bytes: Bytes::from_static(&[0; 10]) };
    let mut told = vec![Address::Ipv6(ip.to_ipv6_mapped()), Address::Ipv4(ip), of_no_use.clone()];
    told.extend(kept.clone());
    let heard = talk.hear(Message::AddrV2(told.into_iter().map(v2).collect()));
    let mut expected = vec![reported(Address::Ipv4(ip)); 2];
    expected.extend(kept.map(reported));
    assert_eq!(events(&heard), [&Event::Addresses(expected)]);

    assert_eq!(talk.hear(Message::AddrV2(vec![v2(of_no_use); MAX_ADDRESSES])), [], "not even counted");
    assert_eq!(talk.hear(Message::Addr(Vec::new())), []);
}

#[test]
fn a_peer_may_tell_a_thousand_addresses_and_one_in_ten_seconds_and_is_not_blamed_for_more() {
    let mut talk = gossiping();
    assert_eq!(counts(&talk.hear(many(MAX_ADDRESSES))), (1000, 0), "the answer");
    assert_eq!(counts(&talk.hear(many(MAX_ADDRESSES))), (0, 1000));
    talk.now += Duration::from_secs(9);
    assert_eq!(counts(&talk.hear(many(1))), (0, 1));
    talk.now += Duration::from_secs(1);
    assert_eq!(counts(&talk.hear(many(3))), (1, 2), "whoever exceeds it loses nothing of what he has earned");
    talk.now += Duration::from_secs(50);
    assert_eq!(counts(&talk.hear(many(10))), (5, 5));
    talk.now += Duration::from_secs(365 * 24 * 3600);
    assert_eq!(counts(&talk.hear(many(MAX_ADDRESSES))), (1000, 0), "no more than that is saved up");
    assert_eq!(counts(&talk.hear(many(1))), (0, 1));
}

#[test]
fn an_endless_stream_of_addresses_is_neither_kept_nor_held_against_the_peer() {
    let mut talk = gossiping();
    let meter = Meter::start();
    let mut reported = 0;
    for _ in 0..500 {
        talk.now += Duration::from_secs(1);
        let outputs = talk.hear(many(MAX_ADDRESSES));
        assert_eq!(hangs_up(&outputs), None);
        reported += counts(&outputs).0;
    }
    assert!((1000..=1050).contains(&reported), "{reported} of 500,000");
    assert!(meter.held() < 4096, "{} bytes are kept", meter.held());
    assert!(talk.session.is_ready());
}

#[test]
fn one_address_too_many_makes_the_message_none_and_reserves_nothing() {
    for command in [Command::ADDR, Command::ADDRV2] {
        let mut payload = BytesMut::new();
        payload.put_compact_size(MAX_ADDRESSES as u64 + 1);
        payload.put_bytes(0, (MAX_ADDRESSES + 1) * 30);
        let payload = payload.freeze();
        let mut talk = gossiping();
        let meter = Meter::start();
        for attempt in 1..=10 {
            let error =
                Message::decode(command, payload.clone(), talk.chain.dialect()).expect_err("too many");
            talk.session.handle_undecodable(&error, talk.now);
            let outputs = talk.drain();
            assert_eq!(hangs_up(&outputs).is_some(), attempt == 10, "{command}: {outputs:?}");
        }
        assert!(meter.peak() < 4096, "{command}: {} bytes", meter.peak());
    }
}

#[test]
fn fifty_thousand_announcements_make_sixteen_events_and_are_not_kept() {
    for talk in [gossiping(), dash::ready()] {
        let mut talk = talk;
        let kind = talk.chain.dialect().inv_types().block;
        let nth = |n: u32| InvItem::block(kind, hash(&n.to_le_bytes()));
        let items: Vec<_> = (0..50_000).map(nth).collect();
        let meter = Meter::start();
        for _ in 0..3 {
            let outputs = talk.hear(Message::Inv(items.clone()));
            assert!(events(&outputs).len() <= 16 && commands(&outputs).len() <= 1, "{}", outputs.len());
            talk.now += Duration::from_secs(1);
        }
        assert!(meter.held() < 4096, "{} bytes are kept", meter.held());
        assert!(talk.session.is_ready());
    }
}
