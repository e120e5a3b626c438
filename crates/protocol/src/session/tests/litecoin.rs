//! What a real litecoind said, replayed.

use wire::Command;

use super::{replay::Heard, *};
use crate::session::Via;

/// The recorded daemon's conversation with a session that has one header to offer.
fn replay(file: &str) -> replay::Replay {
    let mut talk = Talk::new();
    talk.shelf.headers = vec![block().header.clone()];
    replay::replay(talk, &format!("litecoin/{file}"), Duration::ZERO)
}

const RECORDINGS: [&str; 7] = [
    "handshake_inbound_full.json",
    "handshake_inbound_plain.json",
    "announce_nothing_sent.json",
    "announce_sendheaders.json",
    "announce_sendcmpct_1_v1.json",
    "announce_sendcmpct_1_v2.json",
    "announce_sendcmpct_1_v3.json",
];

#[test]
fn the_handshake_is_done_with_the_daemons_verack_and_not_before() {
    for file in RECORDINGS {
        let replay = replay(file);
        let (mut ready, mut height) = (false, None);
        for Heard { command, message, outputs } in &replay.heard {
            if let Message::Version(version) = message {
                height = version.start_height();
            }
            assert_eq!(hangs_up(outputs), None, "{file}");
            match *command {
                Command::VERSION => assert_eq!(commands(outputs), ["sendaddrv2", "verack"], "{file}"),
                Command::WTXIDRELAY | Command::SENDADDRV2 => assert_eq!(outputs, &[], "{file}"),
                Command::VERACK => {
                    ready = true;
                    assert_eq!(outputs[0], Output::RaiseLimit(32_000_000), "{file}");
                    assert_eq!(commands(outputs), ["sendcmpct", "sendheaders", "getheaders"], "{file}");
                    let expected = Event::Ready {
                        protocol: 70_016,
                        services: FULL_NODE,
                        user_agent: "/LitecoinCore:0.21.2.1/".into(),
                        start_height: height,
                    };
                    assert_eq!(events(outputs), [&expected], "{file}");
                }
                _ => assert!(ready, "{file}: {command} before verack"),
            }
        }
        assert!(replay.talk.session.is_ready(), "{file}");
    }
}

#[test]
fn every_ping_of_the_daemon_is_answered_with_its_nonce_and_its_getheaders_with_headers() {
    for file in RECORDINGS {
        let replay = replay(file);
        let (mut pings, mut questions) = (0, 0);
        for Heard { message, outputs, .. } in replay.heard {
            match message {
                Message::Ping(nonce) => {
                    pings += 1;
                    assert_eq!(outputs[0], Output::Send(Message::Pong(nonce)), "{file}");
                }
                Message::GetHeaders(_) => {
                    questions += 1;
                    let headers = Message::Headers(vec![block().header.clone()]);
                    assert_eq!(outputs[0], Output::Send(headers), "{file}");
                }
                // Answers the recording client's ping, of which this session knows nothing: someone's barrier.
                Message::Pong(nonce) => assert_eq!(events(&outputs), [&Event::Pong(nonce)], "{file}"),
                Message::SendCompact(offer) => {
                    let expected = Event::OffersCompact { announce: offer.announce, version: offer.version };
                    assert_eq!(events(&outputs), [&expected], "{file}");
                }
                _ => {}
            }
        }
        assert_eq!((pings, questions), (1, 1), "{file}");
    }
}

#[test]
fn blocks_announced_by_inv_become_events_and_are_asked_about() {
    let replay = replay("announce_nothing_sent.json");
    let announcements: Vec<_> = replay.heard.iter().filter(|heard| heard.command == Command::INV).collect();
    assert_eq!(announcements.len(), 3);
    for (heard, block) in announcements.iter().zip(&replay.blocks) {
        let announced = Event::Announced { block: *block, via: Via::Inv };
        assert_eq!(events(&heard.outputs), [&announced]);
        // The first came 155 ms after the handshake's getheaders and had to wait for the tick.
        assert_eq!(commands(&heard.outputs), ["getheaders"]);
    }
}

#[test]
fn blocks_announced_by_headers_become_events() {
    let replay = replay("announce_sendheaders.json");
    let announced: Vec<_> = replay
        .heard
        .iter()
        .filter(|heard| heard.command == Command::HEADERS)
        .flat_map(|heard| events(&heard.outputs))
        .filter_map(|event| match event {
            Event::Headers { headers, via: Via::Headers } => headers.first(),
            other => panic!("{other:?}"),
        })
        .map(|header| REGTEST.block_hash(header))
        .collect();
    assert_eq!(announced, replay.blocks);
}

#[test]
fn blocks_announced_by_compact_block_become_events_that_prove_nothing() {
    for file in RECORDINGS.iter().filter(|file| file.contains("sendcmpct")) {
        let replay = replay(file);
        let compact = replay.heard.iter().filter(|heard| heard.command == Command::CMPCTBLOCK);
        let mut blocks = replay.blocks.iter();
        for heard in compact {
            let block = *blocks.next().expect("as many as were mined");
            let [Event::Headers { headers, via: Via::CompactBlock }, announced] = events(&heard.outputs)[..]
            else {
                panic!("{file}: {:?}", heard.outputs)
            };
            assert_eq!(REGTEST.block_hash(&headers[0]), block, "{file}");
            assert_eq!(announced, &Event::Announced { block, via: Via::CompactBlock }, "{file}");
        }
        assert_eq!(blocks.next(), None, "{file}: each block was announced");
    }
    assert!(!Via::CompactBlock.is_proof() && Via::Inv.is_proof() && Via::Headers.is_proof());
}
