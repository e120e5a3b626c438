//! Pings, pongs, and clocks.

use std::time::Duration;

use net::Closed;
use protocol::session::{Disconnect, Event};
use wire::{Command, Message};

use crate::{
    framing::framed,
    scene::{Goods, open, past, proven_session, stranger},
    support::{PATIENCE, chain, version},
};

#[tokio::test]
async fn only_the_right_pong_is_a_round_trip() {
    let interval = chain().session_policy().ping_interval;
    let (mut ours, mut peer) = open(proven_session(interval), Goods::default(), 0).await;
    let Message::Ping(nonce) = peer.expect(Command::PING).await else { unreachable!("a ping") };
    assert!(matches!(ours.event().await, Event::Ready { .. }));

    peer.send_raw(&framed(Command::PONG, &[])).await;
    peer.send(&Message::Pong(0)).await;
    peer.send(&Message::Pong(nonce ^ 1)).await;
    peer.send_raw(&framed(Command::PONG, &nonce.to_le_bytes()[..4])).await;
    peer.send_raw(&framed(Command::PONG, &[&nonce.to_le_bytes()[..], &[0]].concat())).await;
    peer.send(&Message::Pong(nonce)).await;
    peer.send(&Message::Pong(nonce)).await;

    assert_eq!(ours.event().await, Event::Garbage { kind: "truncated" }, "no nonce");
    assert_eq!(ours.event().await, Event::Pong(0), "zero");
    assert_eq!(ours.event().await, Event::Pong(nonce ^ 1), "a wrong one");
    assert_eq!(ours.event().await, Event::Garbage { kind: "truncated" }, "half of the right one");
    assert_eq!(ours.event().await, Event::Garbage { kind: "trailing" }, "more than the right one");
    let Event::RoundTrip(time) = ours.event().await else { panic!("the right one") };
    assert!(time < PATIENCE, "it counts from the ping, not from the handshake: {time:?}");
    assert_eq!(ours.event().await, Event::Pong(nonce), "the same once more");
}

#[tokio::test]
async fn every_ping_is_answered_with_its_own_nonce() {
    let (_ours, mut peer) = open(proven_session(Duration::ZERO), Goods::default(), 0).await;
    for nonce in [0, 1, u64::MAX, 0] {
        peer.send(&Message::Ping(nonce)).await;
        assert_eq!(peer.expect(Command::PONG).await, Message::Pong(nonce));
    }
    // Before BIP31 a ping had no nonce. No pong could answer it.
    peer.send_raw(&framed(Command::PING, &[])).await;
    peer.send(&Message::Ping(2)).await;
    assert_eq!(peer.receive().await, Some(Message::Pong(2)));
}

#[tokio::test]
async fn a_ping_without_pong_ends_the_connection() {
    let policy = chain().session_policy().clone();
    let age = policy.ping_interval + policy.pong_timeout;
    let mut session = proven_session(age);
    session.tick(&Goods::default(), past(policy.pong_timeout));
    let (mut ours, mut peer) = open(session, Goods::default(), 0).await;
    let closed = ours.closed().await;
    let expected = Disconnect::PongTimeout(policy.pong_timeout);
    assert!(matches!(&closed, Closed::Session(reason) if *reason == expected), "{closed}");
    peer.expect(Command::PING).await;
    assert_eq!(peer.receive().await, None);
}

#[tokio::test]
async fn a_peers_clock_may_say_anything() {
    for timestamp in [i64::MIN, -1, 0, 1 << 32, i64::MAX] {
        let (mut ours, mut peer) = stranger().await;
        let Message::Version(mut theirs) = version() else { unreachable!("it is a version") };
        theirs.timestamp = timestamp;
        theirs.details.as_mut().expect("details").start_height = i32::MIN;
        peer.send(&Message::Version(theirs)).await;
        peer.send(&Message::Verack).await;
        let Event::Ready { start_height, .. } = ours.event().await else { panic!("not ready") };
        assert_eq!(start_height, None, "a height below zero is none");
        peer.send(&Message::Ping(1)).await;
        assert_eq!(peer.expect(Command::PONG).await, Message::Pong(1), "{timestamp}");
    }
}
