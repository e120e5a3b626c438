//! What the daemons announce, serve and ask for, recorded; and the same said to simulated nodes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use common::{
    CALLER, DAEMONS, DASH, DOGECOIN, Daemon, LITECOIN, Stage, accepted, caller, getheaders, sent, version,
    words,
};
use simnet::{Minted, Order, Output, Temperament};
use wire::{BlockHash, Command, Header, InvItem, Message, SendCompact, sha256d};

/// How a caller introduced itself in a case of announce_summary.json.
fn negotiate(stage: &mut Stage, case: &str, parent_known: bool) {
    let services = match case {
        _ if case.contains("services=0") => 0,
        _ if case.contains("services=NETWORK|WITNESS") => 0x9,
        _ => stage.daemon.services,
    };
    stage.shake_hands_with(services);
    if case.contains("sendheaders") {
        stage.say(Message::SendHeaders);
    }
    if case.contains("all sendcmpct") {
        for version in [3, 2, 1] {
            stage.say(Message::SendCompact(SendCompact { announce: true, version }));
        }
    }
    if let Some((_, rest)) = case.split_once("sendcmpct(") {
        let mut numbers = rest.split([',', ')']).map(|number| number.trim().parse::<u64>());
        if let (Some(Ok(announce)), Some(Ok(version))) = (numbers.next(), numbers.next()) {
            stage.say(Message::SendCompact(SendCompact { announce: announce == 1, version }));
        }
    }
    if parent_known {
        stage.say(getheaders(stage.node.chain().tip()));
    }
    stage.settle();
}

#[test]
fn new_blocks_are_announced_as_each_caller_negotiated() {
    DAEMONS.into_iter().for_each(announce_as_recorded);
}

fn announce_as_recorded(daemon: Daemon) {
    let recording = daemon.recording("announce_summary.json");
    let mut kinds = std::collections::BTreeSet::new();
    for case in recording["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        // Compressed headers are not simulated.
        if name.contains("sendheaders2") {
            continue;
        }
        let mut stage = daemon.with_history(Temperament::Honest, 5);
        negotiate(&mut stage, name, case["peer_knows_parent_by_getheaders"] == true);
        for block in case["blocks"].as_array().unwrap() {
            let line = block["first_block_message"].as_str().unwrap();
            let expected = line.split_once("<- ").unwrap().1.split([' ', ':']).next().unwrap();
            let block = stage.block(&Order { size: 0, flaw: None });
            assert!(stage.node.submit(&block.bytes, stage.now).is_connected());
            let outputs = stage.settle();
            let messages = sent(&outputs);
            assert_eq!(messages.len(), 1, "{name}: {messages:?}");
            assert_eq!(messages[0].command().as_str(), expected, "{}: {name}", daemon.folder);
            kinds.insert(expected.to_owned());
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["cmpctblock", "headers", "inv"]);
}

/// The lengths are those of announce_sendcmpct_1_v*.json less the HogEx and the MWEB part, which minted blocks lack.
#[test]
fn a_compact_block_has_what_its_format_holds() {
    let formats = [
        (LITECOIN, 1, false, &[][..]),
        (LITECOIN, 2, true, &[]),
        (LITECOIN, 3, true, &[0]),
        (DASH, 1, false, &[]),
        (DOGECOIN, 1, false, &[]),
        (DOGECOIN, 2, false, &[]),
    ];
    for (daemon, version, with_witness, extension) in formats {
        let mut stage = daemon.with_history(Temperament::Honest, 5);
        negotiate(&mut stage, &format!("sendcmpct(1,{version})"), true);
        let block = stage.block(&Order::default());
        stage.node.submit(&block.bytes, stage.now);
        let outputs = stage.settle();
        let [Message::CompactBlock(compact)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
        assert_eq!(compact.header, block.header);
        assert!(compact.short_ids.len() > 20);
        let coinbase = &compact.prefilled[0].transaction;
        assert_eq!(coinbase[4..6] == [0, 1], with_witness, "version {version}: marker and flag");
        assert_eq!(compact.extension, extension, "version {version}");
        let again = Message::decode(
            Command::CMPCTBLOCK,
            Message::CompactBlock(compact.clone()).encode(),
            stage.profile.chain.dialect(),
        );
        assert_eq!(again, Ok(Message::CompactBlock(compact.clone())));
    }
}

/// relay_block_to_node.json and relay_block_extra.json, by hand: what a sender gets back.
#[test]
fn an_unasked_block_is_echoed_as_recorded() {
    DAEMONS.into_iter().for_each(echo_as_recorded);
}

fn echo_as_recorded(daemon: Daemon) {
    let version = daemon.compact;
    let promotion = format!("sendcmpct announce=1 v={version}");
    let block_then_ping = |stage: &mut Stage| {
        let block = stage.block(&Order::default());
        stage.say(Message::Block(block.bytes));
        stage.say(Message::Ping(5));
        words(&stage.settle())
    };
    let sendcmpct = |announce, version| Message::SendCompact(SendCompact { announce, version });

    let mut stage = daemon.ready(Temperament::Honest);
    assert_eq!(block_then_ping(&mut stage), ["pong", "inv 0x2"], "nothing negotiated");

    let mut stage = daemon.ready(Temperament::Honest);
    stage.say(sendcmpct(false, version));
    assert_eq!(block_then_ping(&mut stage), [&promotion, "pong", "inv 0x2"], "first of 3");
    assert_eq!(block_then_ping(&mut stage), ["pong", "inv 0x2"], "next on the same connection");

    let mut stage = daemon.ready(Temperament::Honest);
    stage.say(sendcmpct(false, if version == 2 { 1 } else { 2 }));
    assert_eq!(block_then_ping(&mut stage), ["pong", "inv 0x2"], "an offer of no use");

    let mut stage = daemon.ready(Temperament::Honest);
    stage.say(Message::SendHeaders);
    stage.say(getheaders(stage.node.chain().tip()));
    stage.settle();
    assert_eq!(block_then_ping(&mut stage), ["pong", "headers n=1"], "sendheaders, parent known");

    let mut stage = daemon.ready(Temperament::Honest);
    stage.say(sendcmpct(true, version));
    stage.say(getheaders(stage.node.chain().tip()));
    stage.settle();
    let expected = ["cmpctblock", &promotion, "pong"];
    assert_eq!(block_then_ping(&mut stage), expected, "sendcmpct(1,v), parent known");
}

#[test]
fn the_question_right_behind_a_block_is_answered_with_it_and_leaves_nothing_to_announce() {
    let mut stage = Stage::ready(Temperament::Honest);
    let block = stage.block(&Order::default());
    stage.say(Message::Block(block.bytes.clone()));
    stage.say(getheaders(block.parent));
    stage.say(Message::Ping(5));
    let outputs = stage.settle();
    assert_eq!(sent(&outputs), [&Message::Headers(vec![block.header]), &Message::Pong(5)]);
    stage.say(Message::Block(block.bytes));
    stage.say(Message::Ping(6));
    assert_eq!(sent(&stage.settle()), [&Message::Pong(6)], "a duplicate draws no reply");
}

#[test]
fn a_rival_of_the_tip_draws_no_reply_and_the_question_about_the_parent_names_the_winner() {
    DAEMONS.into_iter().for_each(lose_a_race);
}

fn lose_a_race(daemon: Daemon) {
    let mut stage = daemon.ready(Temperament::Honest);
    let (winner, loser) = (stage.block(&Order::default()), stage.block(&Order::default()));
    assert!(stage.node.submit(&winner.bytes, stage.now).is_connected());
    stage.settle();
    stage.say(Message::Block(loser.bytes.clone()));
    stage.say(getheaders(winner.parent));
    stage.say(Message::GetData(vec![InvItem::block(
        stage.profile.chain.dialect().inv_types().full_block,
        loser.hash,
    )]));
    stage.say(Message::Ping(5));
    let outputs = stage.settle();
    assert_eq!(sent(&outputs), [&Message::Headers(vec![winner.header]), &Message::Pong(5)]);
    let tips = stage.node.chain().tips();
    let status = |hash| tips.iter().find(|tip| tip.hash == hash).map(|tip| tip.status);
    // relay_block_with_txs.json: a dogecoind drops it and knows its header from then on, the others keep it.
    let dropped = stage.profile.chain.session_policy().strictly_more_work;
    let rival = if dropped { "headers-only" } else { "valid-headers" };
    assert_eq!((status(winner.hash), status(loser.hash)), (Some("active"), Some(rival)), "{tips:?}");

    // An announcement of it makes all of them fetch it.
    if dropped {
        stage.say(Message::Headers(vec![loser.header.clone()]));
        assert_eq!(words(&stage.settle()), ["getdata 0x2"]);
        stage.say(Message::Block(loser.bytes));
        assert_eq!(words(&stage.settle()), Vec::<String>::new());
        let tip = stage.node.chain().tips().into_iter().find(|tip| tip.hash == loser.hash);
        assert_eq!(tip.map(|tip| tip.status), Some("valid-headers"));
    }
}

#[test]
fn an_announced_block_is_fetched_from_those_who_can_send_it_whole() {
    let fetched = |daemon: Daemon, services, offer: Option<u64>| {
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        stage.shake_hands_with(services);
        if let Some(version) = offer {
            stage.say(Message::SendCompact(SendCompact { announce: false, version }));
        }
        let block = stage.block(&Order::default());
        stage.say(Message::Headers(vec![block.header.clone()]));
        let asked = words(&stage.settle());
        stage.say(Message::Block(block.bytes));
        let outputs = stage.settle();
        assert_eq!(accepted(&outputs), [block.hash]);
        // Whoever announced it needs no echo.
        assert!(!words(&outputs).contains(&"inv 0x2".into()));
        asked
    };
    assert_eq!(fetched(LITECOIN, 0x100_0409, None), ["getdata 0x60000002"]);
    assert_eq!(fetched(LITECOIN, 0x100_0409, Some(1)), ["getdata 0x60000002"]);
    assert_eq!(fetched(LITECOIN, 0x100_0409, Some(3)), ["getdata 0x4"]);
    assert!([0x9, 1, 0].into_iter().all(|services| fetched(LITECOIN, services, None).is_empty()));
    // relay_block_to_node.json of Dash: whoever announces a block is asked for it.
    assert_eq!(fetched(DASH, 0x405, None), ["getdata 0x2"]);
    assert_eq!(fetched(DASH, 0x405, Some(1)), ["getdata 0x14"]);
    assert_eq!(fetched(DASH, 0, None), ["getdata 0x2"]);
    // The same of Dogecoin: as a compact one only after an offer of the second version.
    assert_eq!(fetched(DOGECOIN, 0, None), ["getdata 0x2"]);
    assert_eq!(fetched(DOGECOIN, 5, Some(1)), ["getdata 0x2"]);
    assert_eq!(fetched(DOGECOIN, 5, Some(2)), ["getdata 0x4"]);

    let mut stage = Stage::ready(Temperament::Honest);
    let unknown = BlockHash::from_wire(sha256d(b"unknown"));
    stage.say(Message::Inv(vec![InvItem::block(2, unknown)]));
    let outputs = stage.settle();
    let [Message::GetHeaders(question)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((question.locator[0], question.stop), (stage.node.chain().tip(), unknown));
}

/// relay_block_extra.json of Dash, "inv; the initial getheaders was …".
#[test]
fn a_dash_node_asks_about_an_inv_only_whoever_answered_its_last_question() {
    let unknown = |number: u8| Message::Inv(vec![InvItem::block(2, BlockHash::from_wire([number; 32]))]);
    let mut stage = DASH.ready(Temperament::Honest);
    stage.say(unknown(1));
    assert!(words(&stage.settle()).is_empty(), "its first question is open");
    stage.say(Message::Headers(vec![]));
    stage.say(unknown(2));
    stage.say(unknown(3));
    assert_eq!(words(&stage.settle()), ["getheaders"], "one at a time");
    stage.wait(Duration::from_secs(120));
    stage.say(Message::Pong(0));
    stage.say(unknown(4));
    assert_eq!(words(&stage.settle()), ["getheaders"], "two minutes later it has waited long enough");
}

/// Two nodes with the same past, a block that the first has, and how it announces it.
fn giver_and_taker(daemon: Daemon) -> (Stage, Stage, Minted, Message) {
    let mut giver = daemon.with_history(Temperament::Honest, 3);
    negotiate(&mut giver, &format!("sendcmpct(1,{})", daemon.compact), true);
    let chain = giver.node.chain();
    let headers =
        (1..=chain.height()).map(|height| chain.header(&chain.at(height).unwrap()).unwrap().clone());
    let mut taker = daemon.stage(Temperament::Honest);
    taker.node.chain_mut().adopt(&headers.collect::<Vec<Header>>());
    taker.shake_hands();
    let block = giver.block(&Order::default());
    giver.node.submit(&block.bytes, giver.now);
    let outputs = giver.settle();
    let [compact] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    (giver, taker, block, compact.clone())
}

/// The taker asks for what it lacks, and gets it. Gives what it does then.
fn fill_in(giver: &mut Stage, taker: &mut Stage) -> Vec<Output> {
    let outputs = taker.settle();
    let [question @ Message::GetBlockTxn(_)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    giver.say(question.clone());
    let outputs = giver.settle();
    let [answer @ Message::BlockTxn(_)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    taker.say(answer.clone());
    taker.settle()
}

/// relay_block_to_node.json of Dash and Dogecoin, "unsolicited cmpctblock v1, no sendcmpct from us".
#[test]
fn dash_and_dogecoin_nodes_take_compact_blocks_from_whoever_sends_them() {
    for daemon in [DASH, DOGECOIN] {
        let (mut giver, mut taker, block, compact) = giver_and_taker(daemon);
        taker.say(compact);
        let outputs = fill_in(&mut giver, &mut taker);
        assert_eq!((accepted(&outputs), words(&outputs)), (vec![block.hash], vec![]), "no echo");
        assert_eq!(taker.node.chain().block(&block.hash).unwrap().bytes, block.bytes);
    }
}

#[test]
fn a_compact_block_is_taken_in_the_negotiated_format_and_its_transactions_are_asked_for() {
    let (mut giver, mut taker, block, compact) = giver_and_taker(LITECOIN);
    taker.say(compact.clone());
    assert_eq!(words(&taker.settle()), Vec::<String>::new(), "not negotiated: dropped silently");
    taker.say(Message::SendCompact(SendCompact { announce: false, version: 3 }));
    taker.say(compact);
    let outputs = fill_in(&mut giver, &mut taker);
    assert_eq!(accepted(&outputs), [block.hash]);
    assert_eq!(words(&outputs), ["sendcmpct announce=1 v=3"], "and no echo, as recorded");
    assert_eq!(taker.node.chain().block(&block.hash).unwrap().bytes, block.bytes);
}

#[test]
fn what_was_announced_is_served_and_what_is_not_there_is_passed_over() {
    let mut stage = Stage::ready(Temperament::Honest);
    let block = stage.block(&Order::default());
    stage.node.submit(&block.bytes, stage.now);
    stage.settle();
    let unknown = InvItem::block(0x6000_0002, BlockHash::from_wire([9; 32]));
    let transaction = InvItem { kind: 1, hash: [8; 32] };
    stage.say(Message::GetData(vec![unknown, transaction, InvItem::block(0x6000_0002, block.hash)]));
    let outputs = stage.settle();
    assert_eq!(sent(&outputs), [&Message::Block(block.bytes), &Message::NotFound(vec![transaction])]);
}

#[test]
fn addresses_come_once_and_from_litecoin_late_in_the_form_that_was_asked_for() {
    for (daemon, addrv2, command) in [
        (LITECOIN, false, "addr"),
        (LITECOIN, true, "addrv2"),
        (DASH, false, "addr"),
        (DASH, true, "addrv2"),
        (DOGECOIN, false, "addr"),
        (DOGECOIN, true, "addr"),
    ] {
        let mut stage = daemon.with_history(Temperament::Honest, 3);
        stage
            .node
            .know_addresses(vec!["203.0.113.7:9333".parse().unwrap(), "[2001:db8::1]:9333".parse().unwrap()]);
        stage.node.connect(CALLER, caller(), stage.now);
        stage.say(version(daemon.protocol, daemon.services));
        if addrv2 {
            stage.say(Message::SendAddrV2);
        }
        stage.say(Message::Verack);
        stage.say(Message::GetAddr);
        stage.say(Message::GetAddr);
        let at_once = words(&stage.settle());
        assert_eq!(at_once.contains(&command.into()), daemon.folder == "dash", "{at_once:?}");
        if daemon.folder != "dash" {
            assert!(words(&stage.wait(Duration::from_secs(9))).is_empty());
            assert_eq!(words(&stage.wait(Duration::from_secs(20))), [command]);
        }
        assert!(!words(&stage.wait(Duration::from_secs(600))).contains(&command.into()));
    }
}

#[test]
fn a_node_in_initial_block_download_takes_blocks_and_answers_about_headers_on_dash_only() {
    DAEMONS.into_iter().for_each(ask_in_download);
}

fn ask_in_download(daemon: Daemon) {
    let mut stage = daemon.ready(Temperament::Honest);
    stage.node.set_initial_download(true);
    let block = stage.block(&Order::default());
    stage.say(Message::Block(block.bytes));
    stage.say(getheaders(block.parent));
    let outputs = stage.settle();
    assert_eq!(accepted(&outputs), [block.hash]);
    assert_eq!(words(&outputs).contains(&"headers n=1".into()), daemon.folder == "dash");
}
