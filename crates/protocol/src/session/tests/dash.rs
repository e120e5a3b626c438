//! What a real dashd said, replayed, and what is Dash's own in how we answer it.

use ::dash::Dash;
use chain::Network;
use wire::{Command, InvItem, MAX_ADDRESSES, SendCompact};

use super::{
    replay::{Heard, Replay, replay},
    *,
};
use crate::session::Via;

pub(super) static DASH: LazyLock<Arc<dyn Chain>> = LazyLock::new(|| Arc::new(Dash::new(Network::Regtest)));

/// What the recorded daemon offers: NETWORK, BLOOM, NETWORK_LIMITED, HEADERS_COMPRESSED, P2P_V2.
const OFFERED: Services = Services(0x1c05);

/// By which protocol and service a node is told that it may compress headers (DIP25).
const HEADERS_COMPRESSED: Services = Services(1 << 11);

/// Every recorded conversation of an inbound peer with dashd. In those of `COMPRESSED` the recording client asked for
/// compressed headers, which we never do: what a node says then means nothing to us, and is no fault of the node's.
const RECORDINGS: [&str; 11] = [
    "handshake_inbound_full",
    "handshake_inbound_plain",
    "handshake_inbound_pv70230",
    "handshake_inbound_headers_compressed",
    "announce_nothing_sent",
    "announce_sendheaders",
    "announce_sendheaders2",
    "announce_sendcmpct_1_v1",
    "getaddr_addrv1",
    "getaddr_addrv2",
    "headers2_and_mnlistdiff",
];
const COMPRESSED: [&str; 2] = ["handshake_inbound_headers_compressed", "headers2_and_mnlistdiff"];

/// The recorded daemon in conversation with a session that knows no chain yet.
fn heard_by_a_stranger(file: &str, stall: Duration) -> Replay {
    let mut talk = Talk::on(&DASH);
    talk.shelf.locator.clear();
    replay(talk, &format!("dash/{file}.json"), stall)
}

/// The same, with a session that knows one and can ask.
fn heard(file: &str) -> Replay {
    replay(Talk::on(&DASH), &format!("dash/{file}.json"), Duration::ZERO)
}

/// A conversation with a daemon that introduces itself as the recorded one does.
pub(super) fn ready() -> Talk {
    Talk::ready_on(&DASH, VersionMessage { protocol: 70_240, services: OFFERED, ..version() })
}

#[test]
fn our_version_ends_with_no_challenge_and_no_masternode_and_wants_neither_transactions_nor_compression() {
    let opening = heard("handshake_inbound_plain").opening;
    assert!(!opening.services.has(HEADERS_COMPRESSED), "{}", opening.services);
    let unspecified = [0; 8 + 16 + 2];
    let expected = [
        &70_240_i32.to_le_bytes()[..],
        &[0, 4, 0, 0, 0, 0, 0, 0], // NETWORK_LIMITED, and nothing else
        &1_795_000_000_i64.to_le_bytes(),
        &unspecified,
        &unspecified,
        &OUR_NONCE.to_le_bytes(),
        b"\x10/Blockcast:test/",
        &7_u32.to_le_bytes(),
        &[0],     // relay
        &[0; 32], // the challenge that no masternode answers
        &[0],     // we are none ourselves
    ];
    assert_eq!(Message::Version(opening).encode(), expected.concat());
}

#[test]
fn the_handshake_is_the_recorded_daemons_own_and_its_messages_are_these_bytes() {
    for file in RECORDINGS {
        let replay = heard_by_a_stranger(file, Duration::ZERO);
        let mut said = Vec::new();
        for Heard { command, outputs, .. } in &replay.heard {
            match *command {
                Command::VERSION | Command::SENDADDRV2 | Command::VERACK => said.extend(sent(outputs)),
                _ => break,
            }
        }
        let expected = [
            ("sendaddrv2", &[][..]),
            ("verack", &[]),
            ("sendcmpct", &[0, 1, 0, 0, 0, 0, 0, 0, 0]), // not pushed, version 1
            ("sendheaders", &[]),
        ];
        assert_eq!(said, expected.map(|(command, payload)| (command.into(), payload.into())), "{file}");
        let ready =
            replay.heard.iter().flat_map(|heard| events(&heard.outputs)).find_map(|event| match event {
                Event::Ready { protocol, services, user_agent, .. } => {
                    Some((*protocol, *services, user_agent))
                }
                _ => None,
            });
        assert_eq!(ready, Some((70_240, OFFERED, &"/Dash Core:23.1.2/".into())), "{file}");
        assert!(replay.talk.session.is_ready(), "{file}");
    }
}

#[test]
fn its_first_getheaders_is_answered_at_once_even_by_who_knows_no_chain() {
    // Until this is answered, dashd has a question open and asks none about our `inv`s for two minutes.
    for file in RECORDINGS.iter().filter(|file| !COMPRESSED.contains(file)) {
        for with_header in [false, true] {
            let mut talk = Talk::on(&DASH);
            talk.shelf.locator.clear();
            let block = recorded_block(&DASH, "dash/block_dip3_433.json");
            talk.shelf.headers.extend(with_header.then(|| block.header.clone()));
            let expected = match with_header {
                true => [&[1], &block.bytes[..80], &[0]].concat(),
                false => vec![0],
            };
            let replay = replay(talk, &format!("dash/{file}.json"), Duration::ZERO);
            let question = replay.heard.iter().find(|heard| heard.command == Command::GETHEADERS);
            let answer = sent(&question.expect("it asks").outputs);
            assert_eq!(answer.first(), Some(&("headers".into(), expected.into())), "{file}");
        }
    }
}

#[test]
fn every_ping_is_answered_with_its_nonce() {
    for file in RECORDINGS {
        let pings = heard(file).heard.into_iter().filter_map(|heard| match heard.message {
            Message::Ping(nonce) => Some((nonce, heard.outputs)),
            _ => None,
        });
        let pings: Vec<_> = pings.collect();
        assert_eq!(pings.len(), 1, "{file}");
        for (nonce, outputs) in pings {
            assert_eq!(outputs[0], Output::Send(Message::Pong(nonce)), "{file}");
        }
    }
}

#[test]
fn nothing_that_was_recorded_draws_a_penalty_or_counts_as_garbage() {
    for file in RECORDINGS {
        for Heard { command, outputs, .. } in heard(file).heard {
            // That is the answer to a question that the recording client had, and no session of ours.
            if command.as_str() == "mnlistdiff" {
                continue;
            }
            assert_eq!(hangs_up(&outputs), None, "{file}: {command}");
            let garbage = events(&outputs).into_iter().any(|event| matches!(event, Event::Garbage { .. }));
            assert!(!garbage, "{file}: {command}");
        }
    }
}

#[test]
fn what_is_dashs_own_is_heard_without_a_word() {
    let recorded = ["senddsq", "getsporks", "govsync", "sendheaders2", "getheaders2", "headers2"];
    let mut seen = std::collections::BTreeSet::new();
    for file in RECORDINGS {
        for Heard { command, outputs, .. } in heard_by_a_stranger(file, Duration::ZERO).heard {
            if recorded.contains(&command.as_str()) {
                seen.insert(command.to_string());
                assert_eq!(outputs, [], "{file}: {command}");
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), {
        let mut recorded = recorded.to_vec();
        recorded.sort_unstable();
        recorded
    });

    // What a masternode, or a node in the middle of its own synchronisation, sends besides. No recording has one.
    let made_up = [
        ("mnauth", 32 + 48 + 96),
        ("spork", 4 + 8 + 8 + 66),
        ("qwatch", 0),
        ("qsendrecsigs", 1),
        ("ssc", 8),
        ("dsq", 200),
        ("govobj", 300),
        ("govobjvote", 150),
        ("dstx", 300),
        ("isdlock", 200),
        ("qfcommit", 300),
        ("platformban", 200),
    ];
    let mut talk = ready();
    for _ in 0..100 {
        for (name, length) in made_up {
            let message =
                Message::Unknown { command: Command::literal(name), payload: vec![0x5a; length].into() };
            assert_eq!(talk.hear(message), [], "{name}");
        }
    }
    assert!(talk.session.is_ready());
}

#[test]
fn of_all_that_is_announced_only_blocks_are_blocks() {
    let name = *hash(b"an object").as_wire();
    // Transaction, filtered block, compact block elsewhere, dead transaction lock, spork, mixing, governance, compact
    // block, commitments and their making, recovered signature, ChainLock, dead and living InstantSend locks, queue,
    // ban; and what is not known.
    let others = [1, 3, 4, 5, 6, 16, 17, 18, 20, 21, 23, 24, 25, 26, 28, 29, 30, 31, 32, 33, 34, u32::MAX];
    for kind in others {
        let mut talk = ready();
        talk.wait(Duration::from_secs(1));
        for _ in 0..50 {
            let outputs = talk.hear(Message::Inv(vec![InvItem { kind, hash: name }; 100]));
            let block = events(&outputs).into_iter().any(|event| matches!(event, Event::Announced { .. }));
            assert!(!block, "{kind}: {outputs:?}");
            // Headers are asked for after blocks only. A ChainLock may be fetched.
            assert!(!commands(&outputs).contains(&"getheaders".into()), "{kind}: {outputs:?}");
            assert_eq!(hangs_up(&outputs), None, "{kind}");
        }
    }
}

#[test]
fn instantsend_costs_a_peer_nothing_and_draws_nothing_however_much_of_it_there_is() {
    let mut talk = ready();
    for number in 0..1000_u32 {
        let items = (0..100)
            .map(|item: u32| InvItem { kind: 31, hash: wire::sha256d(&(number * 100 + item).to_le_bytes()) });
        assert_eq!(talk.hear(Message::Inv(items.collect())), []);
    }
    assert!(talk.session.is_ready());
}

#[test]
fn a_compact_block_is_asked_for_as_type_20_and_the_whole_is_the_answer() {
    let block = recorded_block(&DASH, "dash/block_20tx_dip3.json");
    let mut talk = ready();
    talk.shelve(&block);
    for kind in [2, 20] {
        let outputs = talk.hear(Message::GetData(vec![InvItem::block(kind, block.hash)]));
        let served = Output::Event(Event::Served { block: block.hash });
        assert_eq!(outputs, [Output::Send(Message::Block(block.bytes.clone())), served], "{kind}");
    }
    // The numbers by which others ask for compact blocks and for witnesses mean nothing, or something else, here.
    for kind in [1, 3, 4, 0x4000_0002, 0x6000_0002] {
        let item = InvItem::block(kind, block.hash);
        let missing = Output::Send(Message::NotFound(vec![item]));
        assert_eq!(talk.hear(Message::GetData(vec![item])), [missing], "{kind:#x}");
    }
    let request = wire::GetBlockTxn { block: block.hash, indexes: vec![0, 20] };
    let transactions = [0, 20].map(|index| block.transaction(index).expect("21 transactions"));
    let answer = wire::BlockTxn { block: block.hash, transactions: transactions.to_vec() };
    let outputs = talk.hear(Message::GetBlockTxn(request));
    assert_eq!(outputs[0], Output::Send(Message::BlockTxn(answer)));
}

#[test]
fn each_form_of_announcement_names_the_block_by_its_x11_hash() {
    let announced = |file: &str, command: Command| {
        let replay = heard(file);
        let heard = replay.heard.into_iter().filter(move |heard| heard.command == command);
        (heard.map(|heard| heard.outputs).collect::<Vec<_>>(), replay.blocks)
    };
    let (by_inv, blocks) = announced("announce_nothing_sent", Command::INV);
    assert_eq!((by_inv.len(), blocks.len()), (3, 3));
    for (outputs, block) in by_inv.iter().zip(blocks) {
        assert_eq!(events(outputs), [&Event::Announced { block, via: Via::Inv }]);
        assert_eq!(commands(outputs), ["getheaders"], "its parent is asked about");
    }

    let (by_headers, blocks) = announced("announce_sendheaders", Command::HEADERS);
    let mut named = Vec::new();
    for outputs in &by_headers {
        let [Event::Headers { headers, via: Via::Headers }] = events(outputs)[..] else {
            panic!("{outputs:?}")
        };
        named.extend(headers.iter().map(|header| DASH.block_hash(header)));
    }
    assert_eq!(named, blocks);

    let (compact, blocks) = announced("announce_sendcmpct_1_v1", Command::CMPCTBLOCK);
    assert_eq!((compact.len(), blocks.len()), (3, 3));
    for (outputs, block) in compact.iter().zip(blocks) {
        let [Event::Headers { headers, via: Via::CompactBlock }, announced] = events(outputs)[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(DASH.block_hash(&headers[0]), block);
        assert_eq!(announced, &Event::Announced { block, via: Via::CompactBlock });
    }
}

#[test]
fn the_daemon_takes_compact_blocks_of_version_1_and_says_so_once() {
    for file in RECORDINGS {
        let offers = heard(file).heard.into_iter().filter_map(|heard| match heard.message {
            Message::SendCompact(offer) => Some((offer, heard.outputs)),
            _ => None,
        });
        let [(offer, outputs)] = &offers.collect::<Vec<_>>()[..] else { panic!("{file}") };
        assert_eq!(offer, &SendCompact { announce: false, version: 1 }, "{file}");
        assert_eq!(outputs, &[Output::Event(Event::OffersCompact { announce: false, version: 1 })], "{file}");
    }
}

#[test]
fn addresses_are_heard_and_neither_answered_nor_passed_on() {
    let mut entries = 0;
    for file in RECORDINGS {
        for Heard { command, message, outputs } in heard(file).heard {
            let count = match message {
                Message::Addr(list) => list.len(),
                Message::AddrV2(list) => list.len(),
                _ => continue,
            };
            assert!((1..=MAX_ADDRESSES).contains(&count), "{file}: {count}");
            assert_eq!((commands(&outputs), hangs_up(&outputs)), (vec![], None), "{file}: {command}");
            entries += count;
        }
    }
    assert!(entries >= 100, "{entries}");
}

/// How late a dashd's message may come for no reason of its peer's: the longest that was measured.
fn longest_stall() -> Duration {
    let recording = recordings::read("dash/outgoing_stall_500ms.json");
    let runs = recording["runs"].as_array().expect("runs").iter();
    let longest = runs
        .flat_map(|run| run.as_object().expect("a run").values())
        .filter_map(|series| series["max_ms"].as_f64());
    let longest = longest.fold(0.0, f64::max);
    assert!((500.0..600.0).contains(&longest), "{longest}");
    Duration::from_secs_f64(longest / 1e3)
}

#[test]
fn stalls_of_half_a_second_before_every_message_cost_nothing() {
    for file in RECORDINGS {
        for stall in [longest_stall(), 2 * longest_stall()] {
            let replay = heard_by_a_stranger(file, stall);
            assert!(replay.talk.session.is_ready(), "{file}");
            assert!(replay.heard.iter().all(|heard| hangs_up(&heard.outputs).is_none()), "{file}");
        }
    }

    // And for an hour: each pong comes that late, which is its round trip and no more.
    let mut talk = ready();
    for _ in 0..60 {
        let outputs = talk.wait(DASH.session_policy().ping_interval);
        let ping = outputs.iter().find_map(|output| match output {
            Output::Send(Message::Ping(nonce)) => Some(*nonce),
            _ => None,
        });
        let late = talk.wait(longest_stall());
        assert_eq!(hangs_up(&late), None);
        let outputs = talk.hear(Message::Pong(ping.expect("it is time for one")));
        assert_eq!(events(&outputs), [&Event::RoundTrip(longest_stall())]);
    }
}
