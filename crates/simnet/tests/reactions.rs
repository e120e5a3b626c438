//! What makes the daemons hang up, refuse and accept, recorded; and the same done to simulated nodes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use common::{
    CALLER, DAEMONS, DASH, DOGECOIN, Daemon, LITECOIN, Stage, accepted, caller, getheaders, hung_up, sent,
    unhex, version, words,
};
use serde_json::{Value, json};
use simnet::{ConnectionId, Door, Flaw, HangUp, Order, Temperament, Verdict, rpc};
use wire::{BlockHash, Command, Encode, FrameHeader, Header, Message, Reader};

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

/// The recorder's way of spoiling a block, in relay_invalid_blocks.json.
fn spoiled(stage: &mut Stage, case: &str) -> Option<Bytes> {
    let flawed = |stage: &mut Stage, flaw| stage.block(&Order { flaw: Some(flaw), ..Order::default() }).bytes;
    Some(match case {
        "bad merkle root (a coinbase byte flipped, header untouched)" => flawed(stage, Flaw::BadMerkleRoot),
        "proof of work above the target (nonce changed)" => flawed(stage, Flaw::HighHash),
        "coinbase pays too much (merkle root and pow redone)" => flawed(stage, Flaw::BadCoinbaseAmount),
        "unknown parent (random prev hash, valid pow)" => flawed(stage, Flaw::UnknownParent),
        "time 4 h in the future" => flawed(stage, Flaw::TimeTooNew),
        "time too old" => flawed(stage, Flaw::TimeTooOld),
        "block version 1" => flawed(stage, Flaw::BadVersion),
        "10 extra zero bytes behind the block" => flawed(stage, Flaw::TrailingBytes),
        "block cut 10 bytes short" => {
            let whole = stage.block(&Order::default()).bytes;
            whole.slice(..whole.len() - 10)
        }
        "wrong nBits" => {
            let block = stage.block(&Order::default());
            let mut bytes = block.bytes.to_vec();
            // The recorder's bits, 1f7fffff, and a nonce that does not help.
            bytes[75] = 0x1f;
            while stage.profile.chain.check_work(&Header::new(*bytes.first_chunk().unwrap())).is_ok() {
                bytes[76] += 1;
            }
            bytes.into()
        }
        "auxpow: parent header pow above the target" => flawed(stage, Flaw::HighHash),
        "auxpow: parent coinbase commits to another hash" => flawed(stage, Flaw::BrokenCommitment),
        _ => return None,
    })
}

#[test]
fn bad_blocks_over_p2p_are_met_as_recorded() {
    for daemon in DAEMONS {
        let seen = spoil_each(daemon);
        assert!(seen >= 25, "{seen}");
    }
}

fn spoil_each(daemon: Daemon) -> usize {
    let recording = daemon.recording("relay_invalid_blocks.json");
    let mut seen = 0;
    for case in recording["cases"].as_array().unwrap() {
        let (name, via) = (case["case"].as_str().unwrap(), case["via"].as_str().unwrap());
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        if !via.starts_with("127.0.0.1") {
            stage.from = "10.77.0.2:40000".parse().unwrap();
        }
        stage.shake_hands();
        let block = spoiled(&mut stage, name).unwrap_or_else(|| panic!("{name}: how?"));
        if via.contains("headers message") {
            let dialect = stage.profile.chain.dialect();
            let header = Header::read(&mut Reader::new(&block), dialect).unwrap();
            stage.say(Message::Headers(vec![header]));
        } else {
            stage.say(Message::Block(block.clone()));
        }
        stage.say(Message::Ping(5));
        let outputs = stage.settle();
        let context = format!("{}: {name}, {via}: {outputs:?}", daemon.folder);
        assert_eq!(hung_up(&outputs).is_some(), case["disconnected"].as_bool().unwrap(), "{context}");
        assert_eq!(!accepted(&outputs).is_empty(), case["tip_moved"].as_bool().unwrap(), "{context}");
        assert_eq!(sent(&outputs).contains(&&Message::Pong(5)), !case["pong_ms"].is_null(), "{context}");
        let recorded = to_caller(&case["to_sender"]);
        assert_eq!(rejections(words(&outputs)), rejections(recorded.clone()), "{context}");
        if let Some(points) = case["banscore"].as_u64() {
            assert_eq!(u64::from(stage.node.peers()[0].points), points, "{context}");
        }
        if let Some(connects) = case["reconnect_from_same_address_ok"].as_bool() {
            stage.node.connect(ConnectionId(2), stage.from, stage.now);
            assert_eq!(hung_up(&stage.settle()).is_none(), connects, "{context}");
            let banned = stage.node.banned(stage.now).count();
            assert_eq!(banned, case["listbanned"].as_array().map_or(0, Vec::len), "{context}");
        }
        let asked = recorded.iter().any(|line| line.starts_with("getheaders"));
        assert_eq!(words(&outputs).contains(&"getheaders".into()), asked, "{context}");
        // What `submitblock` said to the same bytes afterwards.
        if let Some(body) = case["submitblock_same_bytes"]["body"].as_str() {
            let reply: Value = serde_json::from_str(body).unwrap();
            let params = json!([faster_hex::hex_string(&block)]);
            let said = rpc::answer(&mut stage.node, "submitblock", &params, stage.now);
            let expected = reply["error"].is_null().then(|| reply["result"].clone());
            assert_eq!(said.ok(), expected, "{context}");
        }
        seen += 1;
    }
    seen
}

/// What a node refuses, without the names of blocks.
fn rejections(said: Vec<String>) -> Vec<String> {
    let rejects = said.into_iter().filter(|said| said.starts_with("reject"));
    rejects.filter_map(|said| said.split_once(" data=").map(|(said, _)| said.to_owned())).collect()
}

/// The node's lines to the caller, without times.
fn to_caller(lines: &Value) -> Vec<String> {
    let lines = lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    lines.filter_map(|line| line.split_once("<- ")).map(|(_, said)| said.to_owned()).collect()
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
fn stripped_forms_of_a_recorded_block_are_refused_without_spoiling_the_whole_one() {
    let recording = LITECOIN.recording("block_mweb_432_three_serializations.json");
    let headers = LITECOIN.recorded_headers();
    for form in ["MSG_BLOCK_0x00000002", "MSG_WITNESS_BLOCK_0x40000002"] {
        let mut stage = Stage::new(Temperament::Honest);
        stage.now = Duration::from_secs(3600);
        stage.node.chain_mut().adopt(&headers[..431]);
        stage.shake_hands();
        stage.say(Message::Block(unhex(&recording[form]).clone()));
        assert_eq!(hung_up(&stage.settle()), Some(HangUp::Misbehaving), "{form}");
        let whole = unhex(&recording["MSG_MWEB_BLOCK_0x60000002"]);
        assert!(stage.node.submit(&whole, stage.now).is_connected(), "{form}: it has the same name");
    }
    // What the daemon says by RPC to a block without its MWEB part (rpc_replies.json, submitblock_without_mweb_part).
    let mut stage = Stage::new(Temperament::Honest);
    stage.node.chain_mut().adopt(&headers[..431]);
    let block = unhex(&recording["MSG_WITNESS_BLOCK_0x40000002"]);
    let verdict = stage.node.chain_mut().accept(&block, Door::Rpc, Duration::from_secs(3600));
    assert_eq!(verdict, Verdict::Refused("mweb-missing".into()));
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

#[test]
fn ten_orphans_end_a_connection_and_nine_do_not() {
    let mut stage = Stage::ready(Temperament::Honest);
    for count in 1..=10 {
        let orphan = stage.block(&Order { size: 0, flaw: Some(Flaw::UnknownParent) });
        stage.say(Message::Block(orphan.bytes));
        assert_eq!(hung_up(&stage.settle()).is_some(), count == 10, "{count}");
    }
}

/// disconnect_cases.json of Dogecoin, "second verack"; protocol.md §2.3 and §2.6.
#[test]
fn a_dogecoin_node_counts_what_comes_too_early_or_twice_and_bans_strangers() {
    let mut stage = DOGECOIN.ready(Temperament::Honest);
    stage.say(Message::Verack);
    let again = ["sendheaders", "sendcmpct announce=0 v=2", "sendcmpct announce=0 v=1"];
    assert_eq!(words(&stage.settle()), again);
    assert_eq!(stage.node.peers()[0].points, 0);

    let mut stage = DOGECOIN.with_history(Temperament::Honest, 3);
    stage.from = "10.77.0.2:40000".parse().unwrap();
    stage.node.connect(ConnectionId(2), stage.from, stage.now);
    stage.node.connect(CALLER, stage.from, stage.now);
    stage.say(Message::SendHeaders);
    stage.say(version(DOGECOIN.protocol, DOGECOIN.services));
    stage.say(Message::SendAddrV2);
    stage.say(version(DOGECOIN.protocol, DOGECOIN.services));
    (0..96).for_each(|nonce| stage.say(Message::Ping(nonce)));
    assert_eq!(stage.node.peers()[0].points, 99);
    assert_eq!(hung_up(&stage.settle()), None);
    stage.say(Message::GetAddr);
    let reasons: Vec<_> = stage.settle().into_iter().filter_map(|output| hung_up(&[output])).collect();
    assert_eq!(reasons, [HangUp::Misbehaving, HangUp::Banned], "the other connection from there too");
    let day = Duration::from_secs(24 * 3600);
    for (after, refused) in [(day - Duration::from_secs(1), true), (Duration::from_secs(1), false)] {
        stage.now += after;
        stage.node.connect(ConnectionId(stage.now.as_secs()), stage.from, stage.now);
        assert_eq!(hung_up(&stage.settle()) == Some(HangUp::Banned), refused, "{after:?}");
        stage.now -= Duration::from_millis(100);
    }
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
