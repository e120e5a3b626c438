//! Peers that do not introduce themselves, or not as they should.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use chain::Chain;
use litecoin::Litecoin;
use net::Closed;
use protocol::session::{Disconnect, Event, Session};
use tokio::time::timeout;
use wire::{Command, InvItem, Message, VersionMessage};

use crate::{
    scene::{Goods, Heard, OUR_NONCE, open, past, proven, run, session, sockets, stranger},
    support::{PATIENCE, chain, version},
};

/// The peer's `version` with a change.
fn changed(change: impl FnOnce(&mut VersionMessage)) -> Message {
    let Message::Version(mut version) = version() else { unreachable!("it is a version") };
    change(&mut version);
    Message::Version(version)
}

fn limit() -> Duration {
    Litecoin::new(chain::Network::Regtest).session_policy().handshake_timeout
}

#[tokio::test]
async fn no_handshake_in_time_ends_the_connection_whatever_else_was_said() {
    let silent: &[Message] = &[];
    let without_verack = &[version()][..];
    let chattering = &[version(), Message::Ping(1), Message::SendHeaders][..];
    for said in [silent, without_verack, chattering] {
        let late = |age: Duration| -> Session {
            let mut session = session(age);
            said.iter().for_each(|word| session.handle(word.clone(), &Goods::default(), past(age)));
            assert!(!session.is_ready());
            session
        };
        let (mut ours, mut peer) = open(late(limit()), Goods::default(), 0).await;
        let closed = ours.closed().await;
        assert!(matches!(closed, Closed::Session(Disconnect::HandshakeTimeout)), "{closed}");
        peer.expect(Command::VERSION).await;
        while peer.receive().await.is_some() {}

        // Half of the time is time enough.
        let (mut ours, mut peer) = open(late(limit() / 2), Goods::default(), 0).await;
        if said.is_empty() {
            peer.send(&version()).await;
        }
        peer.send(&Message::Verack).await;
        assert!(matches!(ours.event().await, Event::Ready { .. }));
    }
}

#[tokio::test]
async fn whatever_comes_before_version_ends_the_connection() {
    let inv = Message::Inv(vec![InvItem { kind: 2, hash: [1; 32] }]);
    for first in [Message::Ping(1), Message::Verack, Message::GetAddr, Message::SendHeaders, inv] {
        let (mut ours, mut peer) = stranger().await;
        peer.expect(Command::VERSION).await;
        peer.send(&first).await;
        let closed = ours.closed().await;
        let command = first.command().to_string();
        assert!(
            matches!(&closed, Closed::Session(Disconnect::Unexpected { command: found }) if *found == command),
            "{closed}"
        );
        assert_eq!(peer.receive().await, None, "no answer to {command}");
    }
}

#[tokio::test]
async fn a_second_version_changes_nothing() {
    // One that would be refused, if it were listened to.
    let second = changed(|version| version.protocol = 1);
    let (mut ours, mut peer) = stranger().await;
    peer.send(&version()).await;
    peer.expect(Command::VERACK).await;
    peer.send(&second).await;
    peer.send(&Message::Verack).await;
    peer.expect(Command::SENDHEADERS).await;
    let Event::Ready { protocol, .. } = ours.event().await else { panic!("not ready") };
    assert_eq!(protocol, 70_017, "the first one's");

    peer.send(&second).await;
    peer.send(&Message::Verack).await;
    peer.send(&Message::Ping(5)).await;
    assert_eq!(peer.receive().await, Some(Message::Pong(5)), "nothing was said to the others");
    assert!(ours.is_running());
}

#[tokio::test]
async fn an_old_protocol_is_refused() {
    let least = chain().session_policy().min_peer_protocol;
    for found in [least - 1, 0, -1, i32::MIN] {
        let (mut ours, mut peer) = stranger().await;
        peer.expect(Command::VERSION).await;
        peer.send(&changed(|version| version.protocol = found)).await;
        let closed = ours.closed().await;
        let expected = Disconnect::TooOld { found, least };
        assert!(matches!(&closed, Closed::Session(reason) if *reason == expected), "{closed}");
        assert_eq!(peer.receive().await, None, "no verack for {found}");
    }
    let (mut ours, mut peer) = stranger().await;
    peer.send(&changed(|version| version.protocol = least)).await;
    peer.expect(Command::VERACK).await;
    peer.send(&Message::Verack).await;
    assert!(matches!(ours.event().await, Event::Ready { .. }));
}

#[tokio::test]
async fn our_own_nonce_in_a_strangers_version_is_ourselves() {
    let (mut ours, mut peer) = stranger().await;
    let echoed = changed(|version| version.details.as_mut().expect("details").nonce = OUR_NONCE);
    peer.send(&echoed).await;
    let closed = ours.closed().await;
    assert!(matches!(closed, Closed::Session(Disconnect::OurselfConnected)), "{closed}");
}

/// Both ends are ours; with nonces of their own they are two engines, and get on with each other.
#[tokio::test]
async fn two_ends_of_one_engine_recognise_each_other() {
    for (nonces, same) in [([OUR_NONCE, OUR_NONCE], true), ([OUR_NONCE, 1], false)] {
        let (one, other) = sockets(0).await;
        let (sender, events) = mpsc::channel();
        let ends = [(one, nonces[0]), (other, nonces[1])].map(|(stream, nonce)| {
            let introduction = protocol::session::Introduction {
                nonce,
                user_agent: "/Blockcast:test/".into(),
                timestamp: 0,
                receiver: wire::NetworkAddress::UNSPECIFIED,
                start_height: 0,
                gossip: false,
            };
            let sender = sender.clone();
            let tell = move |heard| {
                if let Heard::Event(event, _) = heard {
                    // The test may be over.
                    drop(sender.send(event));
                }
            };
            run(stream, Session::new(chain(), introduction, Instant::now()), Goods::default(), tell)
        });
        if same {
            let mut recognised = 0;
            for (_, running) in ends {
                let closed = timeout(PATIENCE, running).await.expect("an end in time").expect("no panic");
                match closed {
                    Closed::Session(Disconnect::OurselfConnected) => recognised += 1,
                    // It was hung up on before it had heard the other's version.
                    Closed::ByPeer | Closed::Io(_) => {}
                    other => panic!("{other}"),
                }
            }
            assert!(recognised >= 1);
        } else {
            let mut ready = 0;
            let both = async {
                while ready < 2 {
                    ready += events.try_iter().filter(|event| matches!(event, Event::Ready { .. })).count();
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, both).await.expect("both ready in time");
            ends.iter().for_each(|(lane, _)| lane.close());
        }
    }
}

#[tokio::test]
async fn what_belongs_between_version_and_verack_does_no_harm_behind_it() {
    let (mut ours, mut peer) = proven(Goods::default(), 0).await;
    for word in [Message::SendAddrV2, Message::WtxidRelay, Message::SendHeaders, Message::GetAddr] {
        peer.send(&word).await;
    }
    peer.send(&Message::Pong(3)).await;
    assert_eq!(ours.event().await, Event::PrefersHeaders, "that one belongs behind it");
    assert_eq!(ours.event().await, Event::Pong(3));
}
