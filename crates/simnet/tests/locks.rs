//! ChainLocks: what a node makes of them, and how a quorum of them comes to one. No recording has any; the forms and the
//! rules are the daemon's source's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chain::{Lock, NodeError, NodeReply, Step};
use common::{DAEMONS, DASH, Stage, accepted, hung_up, sent, words};
use serde_json::{Value, json};
use simnet::{
    HangUp, Link, Minted, Order, Output, Parent, Quorum, Roster, Temperament, Verdict,
    network::{Happening, Network, Setup},
    profile, rpc,
};
use wire::{BlockHash, Command, InvItem, Message, sha256d};

const CLSIG: Command = Command::literal("clsig");

/// A node that knows the quorum, and a peer.
fn stage() -> Stage {
    let mut stage = DASH.ready(Temperament::Honest);
    stage.node.join(Arc::new(roster()));
    stage
}

fn roster() -> Roster {
    Roster::new(1, vec!["127.0.0.1:7001".parse().unwrap(), "127.0.0.1:7002".parse().unwrap()], vec![])
}

/// What the quorum makes of a block.
fn lock(block: &Minted) -> Bytes {
    (profile::dash::regtest().locking.unwrap().make)(roster().key(), block.height, &block.hash)
}

/// What somebody else makes of one.
fn forged(height: u32, block: BlockHash) -> Bytes {
    (profile::dash::regtest().locking.unwrap().make)(&[9; 32], height, &block)
}

fn clsig(object: &Bytes) -> Message {
    Message::Unknown { command: CLSIG, payload: object.clone() }
}

fn item(object: &Bytes) -> InvItem {
    InvItem { kind: 29, hash: sha256d(object) }
}

/// A block on another, whatever the node's tip is.
fn on(stage: &mut Stage, parent: &Minted) -> Minted {
    let parent = Parent { hash: parent.hash, height: parent.height, least_time: parent.header.time() + 1 };
    stage.mint.mint(&parent, 0, &Order::default())
}

fn submit(stage: &mut Stage, block: &Minted) -> Verdict {
    let verdict = stage.node.submit(&block.bytes, stage.now);
    stage.settle();
    verdict
}

fn best_lock(stage: &mut Stage) -> (u16, String) {
    let body = br#"{"id":"x","method":"getbestchainlock","params":[]}"#;
    let reply = rpc::respond(&mut stage.node, body, stage.now);
    (reply.status, reply.body)
}

#[test]
fn a_lock_of_the_quorum_is_announced_served_and_told_in_the_daemons_form() {
    let mut stage = stage();
    let none = r#"{"result":null,"error":{"code":-32603,"message":"Unable to find any ChainLock"},"id":"x"}"#;
    assert_eq!(best_lock(&mut stage), (500, format!("{none}\n")));
    let block = stage.block(&Order::default());
    submit(&mut stage, &block);
    let object = lock(&block);
    stage.node.hear_of_lock(&object, stage.now);
    let outputs = stage.settle();
    assert_eq!(sent(&outputs), [&Message::Inv(vec![item(&object)])]);
    assert!(outputs.iter().any(|output| matches!(output, Output::Locked { .. })));
    stage.say(Message::GetData(vec![item(&object), InvItem { kind: 29, hash: [4; 32] }]));
    let missing = Message::NotFound(vec![InvItem { kind: 29, hash: [4; 32] }]);
    assert_eq!(sent(&stage.settle()), [&clsig(&object), &missing]);

    let (status, body) = best_lock(&mut stage);
    let reply: Value = serde_json::from_str(&body).unwrap();
    let hex = faster_hex::hex_string(&object);
    let expected = json!({
        "blockhash": block.hash.to_string(), "height": block.height, "signature": &hex[72..], "known_block": true,
        "hex": hex,
    });
    assert_eq!((status, &reply["result"]), (200, &expected));
    let finality = stage.profile.chain.finality().unwrap();
    let read = finality.answer(Ok(reply["result"].clone())).unwrap();
    assert_eq!(read, Some(Lock { block: block.hash, height: block.height, object }));
    let header = rpc::answer(&mut stage.node, "getblockheader", &json!([block.hash.to_string()]), stage.now);
    assert_eq!(header.unwrap()["chainlock"], true);
}

#[test]
fn a_peer_may_bring_a_lock_asked_for_or_not() {
    let mut stage = stage();
    let block = stage.block(&Order::default());
    submit(&mut stage, &block);
    let object = lock(&block);
    stage.say(Message::Inv(vec![item(&object)]));
    stage.say(Message::Inv(vec![item(&object)]));
    assert_eq!(sent(&stage.settle()), [&Message::GetData(vec![item(&object)])], "once");
    stage.say(clsig(&object));
    assert_eq!(words(&stage.settle()), Vec::<String>::new(), "whoever announced it need not be told");
    assert!(stage.node.chain().is_locked(&block.hash));
    assert_eq!(stage.node.chain().locked_at(&block.hash), Some(stage.now - Duration::from_millis(100)));

    let next = stage.block(&Order::default());
    submit(&mut stage, &next);
    stage.say(clsig(&lock(&next)));
    assert_eq!(words(&stage.settle()), ["inv 0x1d"], "not asked for, and announced to the sender too");
    assert_eq!(stage.node.chain().lock().unwrap().block, next.hash);
    stage.say(Message::GetData(vec![item(&object)]));
    assert_eq!(sent(&stage.settle()), [&Message::NotFound(vec![item(&object)])], "only the newest is served");
}

#[test]
fn ten_forged_locks_end_a_connection_and_old_ones_cost_nothing() {
    let mut stage = stage();
    let block = stage.block(&Order::default());
    submit(&mut stage, &block);
    stage.node.hear_of_lock(&lock(&block), stage.now);
    stage.settle();
    for number in 0..20 {
        stage.say(clsig(&forged(block.height, BlockHash::from_wire([number; 32]))));
    }
    stage.say(Message::Unknown { command: CLSIG, payload: Bytes::from_static(b"what?") });
    assert_eq!(hung_up(&stage.settle()), None, "no newer than what it has, or unreadable");
    for number in 1..=10 {
        stage.say(clsig(&forged(block.height + 1, BlockHash::from_wire([number; 32]))));
        // Once seen, it is not looked at again.
        stage.say(clsig(&forged(block.height + 1, BlockHash::from_wire([number; 32]))));
        assert_eq!(hung_up(&stage.settle()), (number == 10).then_some(HangUp::Misbehaving), "{number}");
    }
    assert_eq!(stage.node.chain().lock().unwrap().block, block.hash);
}

#[test]
fn a_lock_beats_a_rival_that_came_first_and_forbids_it_from_then_on() {
    let mut stage = stage();
    let (rival, winner) = (stage.block(&Order::default()), stage.block(&Order::default()));
    assert!(submit(&mut stage, &rival).is_connected());
    assert_eq!(submit(&mut stage, &winner), Verdict::Side);
    stage.node.hear_of_lock(&lock(&winner), stage.now);
    let outputs = stage.settle();
    assert_eq!(accepted(&outputs), [winner.hash]);
    assert_eq!(words(&outputs), ["inv 0x1d", "inv 0x2"]);
    assert_eq!(stage.node.chain().tip(), winner.hash);
    let statuses: Vec<_> = stage.node.chain().tips().iter().map(|tip| (tip.hash, tip.status)).collect();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.contains(&(rival.hash, "conflicting")), "{statuses:?}");

    // To RPC it is known, what is built on it is refused, and so is another rival.
    assert_eq!(submit(&mut stage, &rival), Verdict::Duplicate);
    let child = on(&mut stage, &rival);
    assert_eq!(submit(&mut stage, &child), Verdict::Refused("bad-prevblk-chainlock".into()));
    let parent = stage.node.chain().parent(&winner.parent).unwrap();
    let late = stage.mint.mint(&parent, 0, &Order::default());
    assert_eq!(submit(&mut stage, &late), Verdict::Refused("bad-chainlock".into()));
    // Whoever brings such a block is given ten points each time.
    for count in 1..=10 {
        let block = stage.mint.mint(&parent, 0, &Order::default());
        stage.say([Message::Block(block.bytes), Message::Headers(vec![block.header])][count % 2].clone());
        assert_eq!(hung_up(&stage.settle()).is_some(), count == 10, "{count}");
    }
    let next = stage.block(&Order::default());
    assert_eq!(next.parent, winner.hash);
    assert!(submit(&mut stage, &next).is_connected());
}

#[test]
fn a_longer_branch_beside_a_lock_does_not_win() {
    let mut stage = stage();
    let (winner, rival) = (stage.block(&Order::default()), stage.block(&Order::default()));
    assert!(submit(&mut stage, &winner).is_connected());
    assert_eq!(submit(&mut stage, &rival), Verdict::Side);
    stage.node.hear_of_lock(&lock(&winner), stage.now);
    let child = on(&mut stage, &rival);
    assert_eq!(submit(&mut stage, &child), Verdict::Refused("bad-chainlock".into()));
    assert_eq!(stage.node.chain().tip(), winner.hash);
}

#[test]
fn a_lock_may_come_before_its_block() {
    let mut stage = stage();
    let (rival, winner) = (stage.block(&Order::default()), stage.block(&Order::default()));
    stage.node.hear_of_lock(&lock(&winner), stage.now);
    let reply: Value = serde_json::from_str(&best_lock(&mut stage).1).unwrap();
    assert_eq!(reply["result"]["known_block"], false);
    assert!(submit(&mut stage, &rival).is_connected(), "nothing is known against it yet");
    assert_eq!(submit(&mut stage, &winner), Verdict::Connected(vec![winner.hash]));
    assert!(stage.node.chain().is_locked(&winner.hash) && !stage.node.chain().is_active(&rival.hash));
}

#[test]
fn nodes_that_know_no_quorum_do_not_listen() {
    for daemon in DAEMONS {
        let mut stage = daemon.ready(Temperament::Honest);
        let block = stage.block(&Order::default());
        submit(&mut stage, &block);
        for height in 0..20 {
            stage.say(clsig(&forged(block.height + height, block.hash)));
        }
        assert_eq!(hung_up(&stage.settle()), None);
        assert_eq!(stage.node.chain().lock(), None);
    }
    let mut zombie = DASH.ready(Temperament::Zombie);
    zombie.node.join(Arc::new(roster()));
    let block = zombie.block(&Order::default());
    zombie.say(clsig(&lock(&block)));
    zombie.node.hear_of_lock(&lock(&block), zombie.now);
    assert_eq!((words(&zombie.settle()), zombie.node.chain().lock()), (vec![], None));
}

#[test]
fn a_forger_announces_and_serves_what_it_does_not_believe() {
    let mut stage = stage();
    let object = forged(9, BlockHash::from_wire([1; 32]));
    stage.node.forge(object.clone(), stage.now);
    assert_eq!(sent(&stage.settle()), [&Message::Inv(vec![item(&object)])]);
    stage.say(Message::GetData(vec![item(&object)]));
    assert_eq!(sent(&stage.settle()), [&clsig(&object)]);
    assert_eq!(stage.node.chain().lock(), None);
    stage.node.say(&clsig(&object), stage.now);
    assert_eq!(sent(&stage.settle()), [&clsig(&object)]);
}

/// The chain's own source of peers, asked of a simulated node.
#[test]
fn masternodes_are_found_where_the_chain_looks_for_them() {
    let mut stage = stage();
    let chain = stage.profile.chain.clone();
    let mut inquiry = chain.peer_source().unwrap().inquire();
    let mut replies: Vec<NodeReply> = Vec::new();
    let found = loop {
        match inquiry.step(std::mem::take(&mut replies)).unwrap() {
            Step::Done(candidates) => break candidates,
            Step::Ask(calls) => {
                let ask = |call: chain::NodeCall| {
                    rpc::answer(&mut stage.node, call.method, &call.params, stage.now)
                };
                let answers = calls.into_iter().map(ask);
                let error = |fault: rpc::Fault| NodeError { code: fault.code, message: fault.message };
                replies = answers.map(|answer| answer.map_err(error)).collect();
            }
        }
    };
    let found: Vec<_> = found.iter().map(|candidate| (candidate.address.as_str(), candidate.label)).collect();
    assert_eq!(found, [("127.0.0.1:7001", "quorum"), ("127.0.0.1:7002", "quorum")]);

    // In the words of a dashd that was asked the same.
    let nobody = BlockHash::from_wire([1; 32]).to_string();
    for (method, params, code, message) in [
        ("masternodelist", json!(["what"]), -8, "strMode what not found"),
        ("quorum", json!(["what"]), -8, "Must be a valid command"),
        ("quorum", json!([7]), -8, "Must be a valid command"),
        ("quorum", json!(["info", 77, nobody]), -8, "invalid LLMQ type"),
        ("quorum", json!(["info", 100, nobody]), -8, "quorum not found"),
        ("quorum", json!(["info", 100, "it"]), -8, "quorumHash must be of length 64 (not 2, for 'it')"),
    ] {
        let fault = rpc::answer(&mut stage.node, method, &params, stage.now).unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (code, message), "{method} {params}");
    }
    for params in [json!([]), json!(["info"]), json!(["info", 100]), json!(["info", 100, 7]), json!({})] {
        assert!(rpc::answer(&mut stage.node, "quorum", &params, stage.now).is_err(), "{params}");
    }
}

/// A network of so many, of whom the first ten are the quorum.
fn network(temperaments: impl IntoIterator<Item = Temperament>, seed: u64) -> Network {
    let setup = Setup { quorum: Some(Quorum::of(0..10)), ..Setup::seeded(temperaments, seed) };
    let mut network = Network::new(profile::dash::regtest(), setup, Instant::now());
    network.connect_all();
    network.run(Duration::from_secs(10));
    network
}

#[test]
fn a_block_is_locked_when_six_of_ten_members_have_it_and_not_before() {
    for seed in 0..8 {
        let mut network = network([Temperament::Honest; 20], seed);
        let block = network.mint(&Order::default());
        network.appear(19, &block.bytes);
        network.run(Duration::from_secs(30));
        let mut times: Vec<_> =
            (0..10).map(|member| network.node(member).chain().connected_at(&block.hash).unwrap()).collect();
        times.sort_unstable();
        let delay = Quorum::of([]).delay;
        assert_eq!(network.locked(&block.hash), Some(times[5] + delay), "seed {seed}");
        for index in 0..20 {
            let chain = network.node(index).chain();
            assert!(chain.locked_at(&block.hash) >= network.locked(&block.hash), "seed {seed}, node {index}");
            assert_eq!(chain.lock().unwrap().block, block.hash);
        }
        let heard = network.trace().iter().filter(|entry| entry.what == Happening::Locked).count();
        assert_eq!(heard, 20, "each learns of it once");
    }
}

#[test]
fn with_five_of_ten_members_nothing_is_locked() {
    let five = |index| if index < 5 { Temperament::Zombie } else { Temperament::Honest };
    let mut network = network((0..20).map(five), 1);
    for _ in 0..3 {
        let block = network.mint(&Order::default());
        let push = network.push(&block);
        network.run(Duration::from_secs(120));
        assert!(
            (5..20).all(|index| network.outcome(push, index).is_some_and(|outcome| outcome.is_success()))
        );
        assert_eq!(network.locked(&block.hash), None);
    }
}

#[test]
fn of_two_blocks_found_at_once_at_most_one_is_locked_and_the_whole_network_goes_over_to_it() {
    let mut decided = 0;
    for seed in 0..32 {
        let mut network = network([Temperament::Honest; 16], seed);
        let (here, there) = (seed as usize % 16, (seed as usize + 8) % 16);
        let (one, two) = (network.mint(&Order::default()), network.mint(&Order::default()));
        network.appear(here, &one.bytes);
        network.appear(there, &two.bytes);
        network.run(Duration::from_secs(30));
        let locks: Vec<_> =
            [&one, &two].into_iter().filter(|block| network.locked(&block.hash).is_some()).collect();
        assert!(locks.len() < 2, "seed {seed}");
        if let [lock] = locks[..] {
            decided += 1;
            assert!((0..16).all(|index| network.node(index).chain().tip() == lock.hash), "seed {seed}");
        }
        // The next block is locked in any case, and what it stands on with it.
        let next = network.mint(&Order::default());
        network.appear(3, &next.bytes);
        network.run(Duration::from_secs(30));
        assert!(
            network.locked(&next.hash).is_some() && network.locked(&next.parent).is_some(),
            "seed {seed}"
        );
        assert!((0..16).all(|index| network.node(index).chain().tip() == next.hash), "seed {seed}");
    }
    assert!((1..32).contains(&decided), "{decided}: both ways it can go are seen");
}

#[test]
fn the_same_seed_gives_the_same_locks_and_stalls() {
    let run = |seed| {
        let mut network = network([Temperament::Honest, Temperament::SLOW].repeat(8), seed);
        for _ in 0..3 {
            let block = network.mint(&Order::default());
            network.push(&block);
            network.run(Duration::from_secs(60));
            assert!(network.locked(&block.hash).is_some());
        }
        network.trace().to_vec()
    };
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn a_member_that_was_away_learns_of_the_lock_when_it_is_back() {
    let flapping = Temperament::Flapping { up: Duration::from_secs(60), down: Duration::from_secs(60) };
    let mut temperaments = vec![Temperament::Honest; 10];
    temperaments.extend([flapping; 4]);
    let members = temperaments.into_iter().map(|temperament| (temperament, Link::LOCAL)).collect();
    let setup = Setup { members, quorum: Some(Quorum::of(0..10)), ..Setup::of([]) };
    let mut network = Network::new(profile::dash::regtest(), setup, Instant::now());
    let mut blocks = Vec::new();
    for _ in 0..10 {
        let block = network.mint(&Order { size: 0, flaw: None });
        network.appear(0, &block.bytes);
        network.run(Duration::from_secs(30));
        blocks.push(block);
    }
    network.run(Duration::from_secs(60));
    let last = blocks.last().unwrap();
    assert!((0..14).all(|index| network.node(index).chain().is_locked(&last.hash)));
}
