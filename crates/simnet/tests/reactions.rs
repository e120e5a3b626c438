//! What makes the daemons hang up, refuse and accept, recorded; and the same done to simulated nodes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use common::{
    CALLER, DAEMONS, DASH, DOGECOIN, Daemon, LITECOIN, Stage, accepted, caller, getheaders, hung_up,
    rejections, to_caller, unhex, version, words,
};
use simnet::{ConnectionId, HangUp, Order, Temperament};
use wire::{BlockHash, Command, Encode, FrameHeader, Header, Message};

/// Any header that connects to nothing.
fn stray(number: u8) -> Header {
    let mut fixed = [number; 80];
    fixed[72..76].copy_from_slice(&0x207f_ffff_u32.to_le_bytes());
    Header::new(fixed)
}

fn frame_of(magic: [u8; 4], command: &[u8; 12], length: usize, payload: &[u8]) -> Vec<u8> {
    let header =
        FrameHeader { magic, command: *command, length: length as u32, checksum: wire::checksum(payload) };
    [&header.to_wire()[..], payload].concat()
}

/// What the recorder did in a case; `None` if it is about something else (protocol versions have a test of their own,
/// and a simulated node never dials).
fn provoke(stage: &mut Stage, case: &str) -> Option<()> {
    const X: &[u8; 12] = b"x\0\0\0\0\0\0\0\0\0\0\0";
    let (magic, own) = (stage.profile.magic(), version(stage.daemon.protocol, stage.daemon.services));
    let shaken = |stage: &mut Stage| stage.shake_hands();
    let raw = |stage: &mut Stage, bytes: Vec<u8>| {
        stage.shake_hands();
        stage.say_bytes(&bytes);
    };
    match case {
        "normal (control)" => shaken(stage),
        "services=0 (inbound to node)" => stage.shake_hands_with(0),
        "services=NETWORK only" => stage.shake_hands_with(1),
        "ping before verack (after version)" => {
            stage.node.connect(CALLER, caller(), stage.now);
            stage.say(own);
            stage.say(Message::Ping(1));
        }
        "ping before version" => {
            stage.node.connect(CALLER, caller(), stage.now);
            stage.say(Message::Ping(1));
        }
        "second version message" => {
            shaken(stage);
            stage.say(own);
        }
        "second verack" => {
            shaken(stage);
            stage.say(Message::Verack);
        }
        "wtxidrelay after verack" => {
            shaken(stage);
            stage.say(Message::WtxidRelay);
        }
        "sendaddrv2 after verack" => {
            shaken(stage);
            stage.say(Message::SendAddrV2);
        }
        "wrong magic" => raw(stage, frame_of([1, 2, 3, 4], X, 8, &[0; 8])),
        "bad checksum" => {
            let mut bytes = frame_of(magic, X, 8, &[0; 8]);
            bytes[20] ^= 1;
            raw(stage, bytes);
        }
        "announced length 40,000,000" => raw(stage, frame_of(magic, X, 40_000_000, &[])),
        "announced length 4,000,001" => raw(stage, frame_of(magic, X, 4_000_001, &[])),
        "unknown command" => raw(stage, frame_of(magic, b"foobar\0\0\0\0\0\0", 5, b"hello")),
        "undecodable block payload" => raw(stage, frame_of(magic, Command::BLOCK.as_wire(), 2, &[1, 2])),
        "undecodable headers payload" => {
            raw(stage, frame_of(magic, Command::HEADERS.as_wire(), 3, &[5, 1, 2]));
        }
        "inv with 50001 entries" => {
            let mut payload = BytesMut::new();
            payload.put_compact_size(50_001);
            (0..50_001).for_each(|_| {
                payload.put_u32_le(2);
                payload.put_slice(&[1; 32]);
            });
            raw(stage, frame_of(magic, Command::INV.as_wire(), payload.len(), &payload));
        }
        "one unconnecting header" => {
            shaken(stage);
            stage.say(Message::Headers(vec![stray(1)]));
        }
        "15 unconnecting headers" => {
            shaken(stage);
            (1..=15).for_each(|number| stage.say(Message::Headers(vec![stray(number)])));
        }
        "http garbage" => {
            stage.node.connect(CALLER, caller(), stage.now);
            stage.say_bytes(b"GET / HTTP/1.1\r\n\r\n");
        }
        "our version carries a nonce that the node itself uses (self-connect)" => {
            shaken(stage);
            // The first number that the stage's node drew, or the second if the first was for its whims: the nonce of
            // its version.
            let Message::Version(mut own) = own else { unreachable!() };
            own.details.as_mut().unwrap().nonce = stage.profile.stall.map_or(1, |_| 2);
            stage.node.connect(ConnectionId(2), caller(), stage.now);
            stage.node.handle(ConnectionId(2), Message::Version(own), stage.now);
        }
        _ => return None,
    }
    Some(())
}

#[test]
fn a_node_hangs_up_where_the_daemon_did_and_nowhere_else() {
    for daemon in DAEMONS {
        let seen = provoke_each(daemon);
        assert!(seen >= 20, "{seen}");
    }
}

fn provoke_each(daemon: Daemon) -> usize {
    let recording = daemon.recording("disconnect_cases.json");
    let mut seen = 0;
    for case in recording["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        let mut outputs = Vec::new();
        if provoke(&mut stage, name).is_none() {
            let about_versions = name.starts_with("protocol version");
            assert!(about_versions || name.starts_with("node connects") || name.starts_with('…'), "{name}");
            continue;
        }
        outputs.extend(stage.settle());
        let recorded = case["node_disconnected"].as_bool().unwrap();
        assert_eq!(hung_up(&outputs).is_some(), recorded, "{}: {name}: {outputs:?}", daemon.folder);
        assert_eq!(rejections(words(&outputs)), rejections(to_caller(&case["messages"])), "{name}");
        seen += 1;
    }
    seen
}

#[test]
fn every_header_that_does_not_connect_is_asked_about() {
    for daemon in DAEMONS {
        ask_about_strays(daemon);
    }
}

fn ask_about_strays(daemon: Daemon) {
    let mut stage = daemon.ready(Temperament::Honest);
    provoke_strays(&mut stage, 15);
    let outputs = stage.settle();
    assert_eq!(words(&outputs), vec!["getheaders"; 15], "as recorded in \"15 unconnecting headers\"");
    provoke_strays(&mut stage, 34);
    assert_eq!(hung_up(&stage.settle()), None, "four times 20 points");
    provoke_strays(&mut stage, 1);
    assert_eq!(hung_up(&stage.settle()), Some(HangUp::Misbehaving), "the fiftieth in a row");
}

fn provoke_strays(stage: &mut Stage, count: u8) {
    (0..count).for_each(|number| stage.say(Message::Headers(vec![stray(number)])));
}

#[test]
fn recorded_blocks_are_accepted_on_the_recorded_chain() {
    let litecoin = [
        "block_coinbase_only.json",
        "block_20tx_segwit.json",
        "block_mweb_activation_432_pegin.json",
        "block_mweb_hogex_only.json",
        "block_mweb_pegin2.json",
        "block_mweb_transfer_pegout.json",
    ];
    let dash = [
        "block_coinbase_only.json",
        "block_20tx_pre_dip3.json",
        "block_dip3_first_432.json",
        "block_dip3_433.json",
        "block_with_quorum_commitment_type6.json",
        "block_20tx_dip3.json",
    ];
    let dogecoin = [
        "block_coinbase_only.json",
        "block_20tx.json",
        "block_auxpow_simple.json",
        "block_auxpow_tree8_parent5tx.json",
        "block_auxpow_by_node.json",
    ];
    accept_recorded(DOGECOIN, &dogecoin);
    accept_recorded(LITECOIN, &litecoin);
    accept_recorded(DASH, &dash);
}

fn accept_recorded(daemon: Daemon, files: &[&str]) {
    let headers = daemon.recorded_headers();
    for file in files {
        let recording = daemon.recording(file);
        let height = recording["height"].as_u64().unwrap() as usize;
        let hash: BlockHash = recording["hash"].as_str().unwrap().parse().unwrap();
        let mut stage = daemon.stage(Temperament::Honest);
        stage.now = Duration::from_secs(3600);
        stage.node.chain_mut().adopt(&headers[..height - 1]);
        stage.shake_hands();
        stage.say(Message::Block(unhex(&recording["block_hex"])));
        let outputs = stage.settle();
        assert_eq!(accepted(&outputs), [hash], "{file}: {outputs:?}");
        assert_eq!(stage.node.chain().height() as usize, height);
        assert_eq!(
            stage.node.chain().block(&hash).unwrap().bytes,
            unhex(&recording["block_hex"]),
            "{file}: served as it came"
        );
    }
}

#[test]
fn whoever_does_not_shake_hands_or_answer_pings_is_dropped_in_the_end() {
    let mut stage = Stage::with_history(Temperament::Honest, 3);
    stage.node.connect(CALLER, caller(), stage.now);
    assert_eq!(hung_up(&stage.wait(Duration::from_secs(59))), None);
    assert_eq!(hung_up(&stage.wait(Duration::from_secs(1))), Some(HangUp::HandshakeTimeout));

    let mut stage = Stage::ready(Temperament::Honest);
    assert_eq!(hung_up(&stage.wait(Duration::from_secs(19 * 60))), None);
    assert_eq!(hung_up(&stage.wait(Duration::from_secs(3 * 60))), Some(HangUp::PongTimeout));
}

/// What a node says and does must not depend on how TCP cuts the stream.
#[test]
fn a_stream_may_be_cut_anywhere() {
    let mut reference = std::collections::HashMap::new();
    for (daemon, size) in
        DAEMONS.iter().flat_map(|daemon| [1, 7, 24, 1460, 1_000_000].map(|size| (daemon, size)))
    {
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        let block = stage.block(&Order::default());
        stage.node.connect(CALLER, caller(), stage.now);
        let messages = [
            version(daemon.protocol, daemon.services),
            Message::Verack,
            Message::Block(block.bytes.clone()),
            getheaders(block.parent),
            Message::Ping(5),
        ];
        let stream: Vec<u8> =
            messages.iter().flat_map(|message| stage.node.frame(message).to_vec()).collect();
        stream.chunks(size).for_each(|chunk| stage.say_bytes(chunk));
        let outputs = stage.settle();
        assert_eq!(accepted(&outputs), [block.hash], "in pieces of {size}");
        let reference = reference.entry(daemon.folder).or_insert(outputs.clone());
        assert_eq!(reference, &outputs, "in pieces of {size}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_node_panic(
        noise: Vec<u8>,
        command in proptest::sample::select(vec![
            "version", "verack", "inv", "getdata", "getheaders", "headers", "block", "cmpctblock", "getblocktxn",
            "blocktxn", "sendcmpct", "ping", "pong", "getaddr", "addr", "notfound", "reject", "foobar", "clsig",
        ]),
        shaken: bool,
        daemon in proptest::sample::select(vec![LITECOIN.folder, DASH.folder, DOGECOIN.folder]),
        temperament in proptest::sample::select(Temperament::ALL.to_vec()),
    ) {
        let daemon = DAEMONS.into_iter().find(|other| other.folder == daemon).unwrap();
        let mut stage = daemon.with_history(temperament, 3);
        stage.node.connect(CALLER, caller(), stage.now);
        if shaken {
            stage.say(version(daemon.protocol, daemon.services));
            stage.say(Message::Verack);
        }
        let mut name = [0; 12];
        name[..command.len()].copy_from_slice(command.as_bytes());
        let tip = stage.node.chain().tip();
        stage.say_bytes(&frame_of(stage.profile.magic(), &name, noise.len(), &noise));
        stage.say_bytes(&noise);
        stage.wait(Duration::from_secs(300));
        proptest::prop_assert_eq!(stage.node.chain().tip(), tip);
    }
}
