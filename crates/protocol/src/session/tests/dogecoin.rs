//! What a real dogecoind said, replayed, and what is Dogecoin's own in how we answer it.

use ::dogecoin::Dogecoin;
use chain::Network;
use wire::{Command, Reject, RejectCode, SendCompact};

use super::{
    replay::{Heard, Replay, replay},
    *,
};
use crate::session::Via;

pub(super) static DOGECOIN: LazyLock<Arc<dyn Chain>> =
    LazyLock::new(|| Arc::new(Dogecoin::new(Network::Regtest)));

/// What the recorded daemon offers: NETWORK, BLOOM, WITNESS.
const OFFERED: Services = Services(0xd);

/// Every recorded conversation of an inbound peer with dogecoind.
const RECORDINGS: [&str; 7] = [
    "handshake_inbound_full",
    "handshake_inbound_plain",
    "announce_nothing_sent",
    "announce_sendheaders",
    "announce_sendcmpct_1_v1",
    "announce_sendcmpct_1_v2",
    "getaddr_addrv1",
];

/// The recorded daemon in conversation with a session that knows no chain yet.
fn heard_by_a_stranger(file: &str) -> Replay {
    let mut talk = Talk::on(&DOGECOIN);
    talk.shelf.locator.clear();
    replay(talk, &format!("dogecoin/{file}.json"), Duration::ZERO)
}

/// The same, with a session that knows one and can ask.
fn heard(file: &str) -> Replay {
    replay(Talk::on(&DOGECOIN), &format!("dogecoin/{file}.json"), Duration::ZERO)
}

/// A conversation with a daemon that introduces itself as the recorded one does.
fn ready() -> Talk {
    Talk::ready_on(&DOGECOIN, VersionMessage { protocol: 70_015, services: OFFERED, ..version() })
}

/// What was said in answer to the messages of this kind, and the blocks that were found meanwhile.
fn announced(file: &str, command: Command) -> (Vec<Vec<Output>>, Vec<BlockHash>) {
    let Replay { heard, blocks, .. } = heard(file);
    let heard = heard.into_iter().filter(|heard| heard.command == command);
    (heard.map(|heard| heard.outputs).collect(), blocks)
}

#[test]
fn our_version_offers_nothing_and_ends_with_the_relay_flag() {
    let opening = heard("handshake_inbound_plain").opening;
    let unspecified = [0; 8 + 16 + 2];
    let expected = [
        &70_015_i32.to_le_bytes()[..],
        &[0; 8],
        &1_795_000_000_i64.to_le_bytes(),
        &unspecified,
        &unspecified,
        &OUR_NONCE.to_le_bytes(),
        b"\x10/Blockcast:test/",
        &7_u32.to_le_bytes(),
        &[0], // relay
    ];
    assert_eq!(Message::Version(opening).encode(), expected.concat());
}

#[test]
fn before_its_verack_it_gets_version_and_verack_and_behind_it_the_rest() {
    for file in RECORDINGS {
        let mut ready = None;
        for Heard { command, outputs, .. } in heard_by_a_stranger(file).heard {
            let said = sent(&outputs);
            if command == Command::VERSION {
                // Whatever else came here would cost a point.
                assert_eq!(said, [("verack".into(), Bytes::new())], "{file}");
                assert!(events(&outputs).is_empty(), "{file}");
            } else if ready.is_none() {
                assert_eq!(command, Command::VERACK, "{file}");
                let format = Bytes::from_static(&[0, 2, 0, 0, 0, 0, 0, 0, 0]);
                let rest = [("sendcmpct".to_owned(), format), ("sendheaders".into(), Bytes::new())];
                assert_eq!(said, rest, "{file}");
                ready = events(&outputs).into_iter().find_map(|event| match event {
                    Event::Ready { protocol, services, user_agent, .. } => {
                        Some((*protocol, *services, user_agent.clone()))
                    }
                    _ => None,
                });
                assert!(ready.is_some(), "{file}: the handshake is done");
            }
            // It never asks for them, and would not know what they are.
            assert!(said.iter().all(|(command, _)| command != "sendaddrv2" && command != "addrv2"), "{file}");
        }
        assert_eq!(ready, Some((70_015, OFFERED, "/Shibetoshi:1.14.9/".into())), "{file}");
    }
}

#[test]
fn it_is_answered_and_nothing_of_what_it_says_is_a_fault() {
    for file in RECORDINGS {
        let mut pings = 0;
        for Heard { command, message, outputs } in heard(file).heard {
            assert_eq!(hangs_up(&outputs), None, "{file}: {command}");
            let faults = events(&outputs)
                .into_iter()
                .filter(|event| matches!(event, Event::Garbage { .. } | Event::Fault { .. }));
            assert_eq!(faults.count(), 0, "{file}: {command}");
            match message {
                Message::Ping(nonce) => {
                    assert_eq!(outputs[0], Output::Send(Message::Pong(nonce)), "{file}");
                    pings += 1;
                }
                Message::Addr(list) => assert_eq!((list.len(), commands(&outputs)), (1, vec![]), "{file}"),
                _ => {}
            }
        }
        assert_eq!(pings, 1, "{file}");
    }
}

#[test]
fn it_offers_both_compact_formats() {
    for file in RECORDINGS {
        let offers = heard(file).heard.into_iter().filter_map(|heard| match heard.message {
            Message::SendCompact(SendCompact { announce, version }) => Some((announce, version)),
            _ => None,
        });
        assert_eq!(offers.collect::<Vec<_>>(), [(false, 2), (false, 1)], "{file}");
    }
}

#[test]
fn its_first_getheaders_is_answered_with_headers_that_have_their_auxpow() {
    let json = recordings::read("dogecoin/block_auxpow_tree8_parent5tx.json");
    let block = recorded_block(&DOGECOIN, "dogecoin/block_auxpow_tree8_parent5tx.json");
    let header = recordings::unhex(json["header_hex"].as_str().expect("hex"));
    assert!(header.len() > 80);
    for file in RECORDINGS {
        let mut talk = Talk::on(&DOGECOIN);
        talk.shelf.headers = vec![block.header.clone()];
        let replay = replay(talk, &format!("dogecoin/{file}.json"), Duration::ZERO);
        let question = replay.heard.iter().find(|heard| heard.command == Command::GETHEADERS);
        let answer = sent(&question.expect("it asks").outputs);
        // A number of headers, and behind each the number of its transactions, which is none.
        let expected = [&[1], &header[..], &[0]].concat();
        assert_eq!(answer.first(), Some(&("headers".into(), expected.into())), "{file}");
    }
}

#[test]
fn each_form_of_announcement_names_the_merge_mined_block_by_its_80_bytes() {
    let (by_inv, blocks) = announced("announce_nothing_sent", Command::INV);
    assert_eq!((by_inv.len(), blocks.len()), (3, 3));
    for (outputs, block) in by_inv.iter().zip(blocks) {
        assert_eq!(events(outputs), [&Event::Announced { block, via: Via::Inv }]);
    }

    let (by_headers, blocks) = announced("announce_sendheaders", Command::HEADERS);
    let mut named = Vec::new();
    for outputs in &by_headers {
        let [Event::Headers { headers, via: Via::Headers }] = events(outputs)[..] else {
            panic!("{outputs:?}")
        };
        assert!(headers.iter().all(|header| !header.extension().is_empty()), "with their auxpow");
        named.extend(headers.iter().map(|header| DOGECOIN.block_hash(header)));
    }
    assert_eq!(named, blocks);

    for file in ["announce_sendcmpct_1_v1", "announce_sendcmpct_1_v2"] {
        let (compact, blocks) = announced(file, Command::CMPCTBLOCK);
        assert_eq!((compact.len(), blocks.len()), (3, 3), "{file}");
        for (outputs, block) in compact.iter().zip(blocks) {
            let [Event::Headers { headers, via: Via::CompactBlock }, announced] = events(outputs)[..] else {
                panic!("{outputs:?}")
            };
            assert!(!headers[0].extension().is_empty(), "{file}");
            assert_eq!(DOGECOIN.block_hash(&headers[0]), block, "{file}");
            assert_eq!(announced, &Event::Announced { block, via: Via::CompactBlock }, "{file}");
            // A header that is announced is one that can be checked: its parent block has the work.
            assert_eq!(DOGECOIN.check_work(&headers[0]), Ok(()), "{file}");
        }
    }
}

#[test]
fn a_block_of_ours_is_served_with_its_auxpow() {
    let block = recorded_block(&DOGECOIN, "dogecoin/block_auxpow_simple.json");
    let mut talk = ready();
    talk.shelve(&block);
    let outputs = talk.hear(Message::GetData(vec![wire::InvItem::block(2, block.hash)]));
    let served = Output::Event(Event::Served { block: block.hash });
    assert_eq!(outputs, [Output::Send(Message::Block(block.bytes.clone())), served]);
}

/// What dogecoind said to bad blocks. The recording has each `reject` as a line, with the first six bytes of the block's
/// name: the message itself is made of it by BIP61 and protocol.md §2, with a name that begins so.
#[test]
fn every_recorded_reject_of_a_block_is_heard_with_its_reason() {
    let recording = recordings::read("dogecoin/relay_invalid_blocks.json");
    let mut reasons = std::collections::BTreeMap::new();
    for case in recording["cases"].as_array().expect("cases") {
        let lines = case["to_sender"].as_array().into_iter().flatten();
        for line in lines.filter_map(Value::as_str).filter_map(|line| line.split_once("<- reject ")) {
            let (command, rest) = line.1.split_once(" code=0x").expect("a code");
            let (code, rest) = rest.split_once(" reason=").expect("a reason");
            let (reason, name) = rest.split_once(" data=").expect("data");
            let block: Option<BlockHash> =
                (!name.is_empty()).then(|| format!("{name:0<64}").parse().expect("a hash"));
            let reject = Reject {
                command: command.to_owned().into(),
                code: RejectCode(u8::from_str_radix(code, 16).expect("a number")),
                reason: reason.to_owned().into(),
                data: block.map_or_else(Bytes::new, |block| Bytes::copy_from_slice(block.as_wire())),
            };
            let payload = Message::Reject(reject).encode();
            let message = Message::decode(Command::REJECT, payload, DOGECOIN.dialect()).expect("a reject");
            let outputs = ready().hear(message);
            match block {
                Some(block) => {
                    let rejected = Event::Rejected { block, reason: reason.into() };
                    assert_eq!(outputs, [Output::Event(rejected)], "{}", line.1);
                    *reasons.entry(reason.to_owned()).or_insert(0) += 1;
                }
                // It could not read it, and so cannot name it.
                None => assert_eq!((outputs, reason), (vec![], "error parsing message")),
            }
        }
    }
    let heard: Vec<_> = reasons.keys().map(String::as_str).collect();
    assert_eq!(
        heard,
        [
            "bad-cb-amount",
            "bad-prevblk",
            "bad-txnmrklroot",
            "high-hash",
            "late-legacy-block",
            "time-too-new",
            "time-too-old",
        ]
    );
    assert!(reasons["high-hash"] >= 4, "also for what is wrong with an auxpow: {reasons:?}");
}
