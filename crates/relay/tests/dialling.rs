//! Whom peers say that there is, and through what they are connected to.

#[allow(dead_code, reason = "the tests of dialling itself use all of it")]
#[path = "../../net/tests/support/socks.rs"]
mod socks;
mod support;

use std::net::Ipv4Addr;

use net::Proxy;
use protocol::book::Kind;
use relay::{Ended, PeerNotice, PeerSpec, RelaySettings};
use socks::Socks;
use support::{FakeNode, FakePeer, Manner, PATIENCE, STRANGER, World, chain, settings};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use wire::{AddrEntry, Address, Command, Message, NetworkAddress, Services};

/// So many addresses, as an `addr`.
fn addresses(count: u32) -> Message {
    let nth = |n: u32| AddrEntry {
        time: 5,
        services: Services(1),
        address: NetworkAddress { ip: Ipv4Addr::from(0x0800_0000 + n).to_ipv6_mapped(), port: 9333 },
    };
    Message::Addr((0..count).map(nth).collect())
}

/// How a connection ended that was never made.
async fn failure(world: &World, address: &str, kind: Kind) -> Ended {
    let (notices, mut inbox) = mpsc::unbounded_channel();
    let spec = PeerSpec { address: address.into(), kind, score: 100 };
    world.relay.connect(spec, move |notice| drop(notices.send(notice)));
    match timeout(PATIENCE, inbox.recv()).await.expect("an end in time") {
        Some(PeerNotice::Ended(ended)) => std::sync::Arc::into_inner(ended).expect("told to nobody else"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_looks_after_a_peer_hears_whom_it_knows_and_our_own_nodes_are_asked_too() {
    let blocks = chain(5);
    let own = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(own.address.clone()));
    let world = World::with_settings(&[&node], RelaySettings { gossip: true, ..settings() }).await;
    let stranger = FakePeer::start(Manner::Accept, 4).await;
    for (peer, kind) in [(&own, Kind::Own { node: "a".into() }), (&stranger, STRANGER)] {
        let (_, mut notices) = world.connect_and_listen(peer, kind).await;
        peer.until(|messages| messages.contains(&Message::GetAddr)).await;
        peer.say(addresses(3));
        peer.say(addresses(1000));
        peer.settle().await;
        assert_eq!(peer.received(Command::GETADDR).len(), 1);
        let mut told = Vec::new();
        while let Ok(notice) = notices.try_recv() {
            match notice {
                PeerNotice::Addresses(addresses) => told.push(addresses),
                PeerNotice::Fault(kind) => panic!("{kind}: honest daemons trickle"),
                _ => {}
            }
        }
        assert_eq!(told.iter().map(|told| told.len()).collect::<Vec<_>>(), [3, 997]);
        assert_eq!(told[0][2].address, Address::Ipv4(Ipv4Addr::from(0x0800_0002)));
    }
}

#[tokio::test]
async fn nobody_is_asked_where_gossip_is_not_wanted() {
    let world = World::with_settings(&[], settings()).await;
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let (_, mut notices) = world.connect_and_listen(&peer, STRANGER).await;
    peer.say(addresses(3));
    peer.settle().await;
    assert!(peer.received(Command::GETADDR).is_empty());
    assert!(notices.try_recv().is_err());
}

#[tokio::test]
async fn peers_are_connected_to_through_the_proxy_and_our_own_nodes_past_it() {
    let blocks = chain(5);
    let (own, peer) = (FakePeer::start(Manner::Accept, 4).await, FakePeer::start(Manner::Accept, 4).await);
    let node = FakeNode::start("a", &blocks, Some(own.address.clone()));
    let mut server = Socks::start(socks::Manner::LeadTo(peer.address.clone()), None).await;
    let proxy = Some(Proxy { address: server.address.clone(), login: None });
    let world = World::with_settings(&[&node], RelaySettings { proxy, ..settings() }).await;
    world.connect(&own, Kind::Own { node: "a".into() }).await;
    assert!(server.requests.try_recv().is_err(), "our own node is near");

    let (notices, mut inbox) = mpsc::unbounded_channel();
    let spec = PeerSpec { address: "expyuzz4wqqyqhjn.onion:9333".into(), kind: STRANGER, score: 100 };
    world.relay.connect(spec, move |notice| drop(notices.send(notice)));
    let first = timeout(PATIENCE, inbox.recv()).await.expect("a handshake in time");
    assert!(matches!(first, Some(PeerNotice::Ready)), "{first:?}");
    assert_eq!(server.requests.recv().await.as_deref(), Some("expyuzz4wqqyqhjn.onion:9333"));
    assert_eq!((own.connections(), peer.connections()), (1, 1));
}

#[tokio::test]
async fn a_proxy_that_is_down_is_not_the_peers_fault_nor_our_own_nodes_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Some(Proxy { address: address.to_string(), login: None });
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let world = World::with_settings(&[], RelaySettings { proxy, ..settings() }).await;
    for _ in 0..3 {
        assert_eq!(failure(&world, &peer.address, STRANGER).await.kind(), "proxy_down");
    }
    world.connect(&peer, Kind::Own { node: "a".into() }).await;
    assert_eq!(peer.connections(), 1, "ours, past the proxy");

    let refusing = TcpListener::bind(address).await.unwrap();
    let _server = Socks::on(refusing, socks::Manner::Answer(5), None);
    assert_eq!(failure(&world, "peer.example:1", STRANGER).await.kind(), "refused", "the proxy is back");
}
