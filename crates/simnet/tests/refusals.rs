//! Bad blocks as the recorder made them, and what they cost: the same answers, words and points as from the daemons.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{
    CALLER, DAEMONS, DOGECOIN, Daemon, LITECOIN, Stage, accepted, hung_up, rejections, sent, to_caller,
    unhex, version, words,
};
use serde_json::{Value, json};
use simnet::{ConnectionId, Door, Flaw, HangUp, Order, Temperament, Verdict, rpc};
use wire::{Header, Message, Reader};

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
    let recording = DOGECOIN.recording("relay_invalid_blocks.json");
    let cases = recording["cases"].as_array().unwrap().iter();
    let recorded = cases.filter_map(|case| case["listbanned"].get(0)).next().unwrap();
    let listed = rpc::answer(&mut stage.node, "listbanned", &json!([]), stage.now).unwrap();
    assert_eq!(
        (&listed[0]["address"], &listed[0]["ban_reason"]),
        (&recorded["address"], &recorded["ban_reason"])
    );
    let length = |ban: &Value| ban["banned_until"].as_u64().unwrap() - ban["ban_created"].as_u64().unwrap();
    assert_eq!(length(&listed[0]), length(recorded));

    let day = Duration::from_secs(24 * 3600);
    for (after, refused) in [(day - Duration::from_secs(1), true), (Duration::from_secs(1), false)] {
        stage.now += after;
        stage.node.connect(ConnectionId(stage.now.as_secs()), stage.from, stage.now);
        assert_eq!(hung_up(&stage.settle()) == Some(HangUp::Banned), refused, "{after:?}");
        stage.now -= Duration::from_millis(100);
    }
}
