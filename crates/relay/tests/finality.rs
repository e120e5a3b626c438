//! The chain's last word on a block, as a node of ours gives it, and what peers can do about it: nothing.

mod support;

use std::time::Duration;

use bytes::Bytes;
use relay::{PeerNotice, Report};
use support::{
    Block, FakeNode, FakePeer, Manner, PATIENCE, STRANGER, Verdict, World, at, chain, clsig, inv, message,
    on, outcome, report, settled,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use wire::{BlockHash, Command, GetHeaders, InvItem, Message};

/// A chain of heights 0 to 4, and the block on it that our pool finds.
fn found() -> (Vec<Block>, Block) {
    let blocks = chain(5);
    let block = on(blocks[4].hash, 5, 1);
    (blocks, block)
}

fn state(report: &Report) -> &str {
    &report.finality.as_ref().expect("the chain has a last word").state
}

/// Makes a peer announce a lock, and send it once it is asked for it.
async fn offer(peer: &FakePeer, lock: &Bytes) {
    peer.say(Message::Inv(inv(lock)));
    let question = Message::GetData(inv(lock));
    peer.until(|messages| messages.contains(&question)).await;
    peer.say(message(lock));
    peer.settle().await;
}

async fn fault(notices: &mut UnboundedReceiver<PeerNotice>) -> &'static str {
    let next = async {
        loop {
            match notices.recv().await.expect("the peer is looked after") {
                PeerNotice::Fault(kind) => return kind,
                PeerNotice::Ended(ended) => panic!("the connection ended: {ended}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, next).await.expect("a fault in time")
}

fn no_fault(notices: &mut UnboundedReceiver<PeerNotice>) {
    while let Ok(notice) = notices.try_recv() {
        assert!(!matches!(notice, PeerNotice::Fault(_)), "{notice:?}");
    }
}

/// Waits for something that nobody is told of.
async fn until(holds: impl Fn() -> bool) {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, looking).await.expect("it holds in time");
}

fn told(peer: &FakePeer, lock: &Bytes) -> usize {
    let inv = Message::Inv(inv(lock));
    peer.received(Command::INV).iter().filter(|message| **message == inv).count()
}

#[tokio::test]
async fn a_block_that_a_node_says_is_locked_is_final_and_peers_that_lack_the_lock_are_told_of_it() {
    let (blocks, block) = found();
    let node = FakeNode::start("a", &blocks, None);
    node.mint(&block.bytes, &block);
    let world = World::with_locks(&[&node]).await;
    let peers = world.peers(2, Manner::Accept, 4).await;
    let delivery = world.submit(&block.bytes);
    assert_eq!(state(&settled(&delivery).await), "awaited");

    let lock = clsig(&block, 5, 1);
    node.lock(&lock);
    // A peer's announcement is what makes the relay ask at once.
    offer(&peers[0], &lock).await;
    let report = report(&delivery, |report| state(report) == "chainlocked").await;
    let finality = report.finality.expect("there is a last word");
    assert_eq!(finality.node.as_deref(), Some("a"));
    assert!(finality.ms.expect("a time") > 0.0);

    peers[1].until(|messages| messages.contains(&Message::Inv(inv(&lock)))).await;
    peers[1].say(Message::GetData(inv(&lock)));
    peers[1].until(|messages| messages.contains(&message(&lock))).await;
    peers[0].settle().await;
    assert_eq!((told(&peers[0], &lock), told(&peers[1], &lock)), (0, 1), "whoever has it is not told");
}

#[tokio::test]
async fn a_forged_lock_for_our_height_changes_nothing_but_what_is_thought_of_the_forger() {
    let (blocks, block) = found();
    let rival = on(blocks[4].hash, 5, 2);
    let node = FakeNode::start("a", &blocks, None);
    node.mint(&block.bytes, &block);
    let world = World::with_locks(&[&node]).await;
    let [forger, other, honest] = [(); 3].map(|()| FakePeer::start(Manner::Accept, 4));
    let (forger, other, honest) = (forger.await, other.await, honest.await);
    let (_, mut forgers) = world.connect_and_listen(&forger, STRANGER).await;
    let (_, mut others) = world.connect_and_listen(&other, STRANGER).await;
    let (_, mut honests) = world.connect_and_listen(&honest, STRANGER).await;

    let (forged, resigned, genuine) = (clsig(&rival, 5, 9), clsig(&block, 5, 8), clsig(&block, 5, 1));
    offer(&forger, &forged).await;
    let delivery = world.submit(&block.bytes);
    offer(&other, &resigned).await;
    let before = settled(&delivery).await;
    assert_eq!((before.status.as_str(), state(&before), before.peers_with_block), ("accepted", "awaited", 3));
    assert!(before.findings.is_empty());
    assert!(before.finality.expect("awaited").claimed_ms.is_some(), "one of them spoke of our block");

    offer(&honest, &genuine).await;
    node.lock(&genuine);
    let after = report(&delivery, |report| state(report) == "chainlocked").await;
    assert_eq!(
        (after.status.as_str(), after.peers_with_block, after.kept_off_p2p.as_deref()),
        ("accepted", 3, None)
    );
    assert_eq!((fault(&mut forgers).await, fault(&mut others).await), ("forged_lock", "forged_lock"));
    no_fault(&mut honests);

    // Once the truth is known, a forgery is seen at once; and it is not passed on, not even on request.
    offer(&forger, &clsig(&rival, 5, 7)).await;
    assert_eq!(fault(&mut forgers).await, "forged_lock");
    let items = inv(&forged);
    honest.say(Message::GetData(items.clone()));
    honest.until(|messages| messages.contains(&Message::NotFound(items.clone()))).await;
    assert_eq!(told(&honest, &forged) + told(&other, &forged), 0);
}

#[tokio::test]
async fn a_lock_of_a_rival_makes_our_block_dead_and_nobody_gets_it_any_more() {
    let (blocks, block) = found();
    let rival = on(blocks[4].hash, 5, 2);
    let node = FakeNode::start("a", &blocks, None);
    node.will(Verdict::Say("inconclusive"));
    let world = World::with_locks(&[&node]).await;
    let peer = world.peers(1, Manner::OnlyPong, 4).await.remove(0);
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| outcome(report, &peer) == Some("processed_unproven")).await;

    // The node hears of the lock before it has the block: it does not follow it yet, and nothing is lost to hearsay.
    let lock = clsig(&rival, 5, 1);
    node.lock(&lock);
    offer(&peer, &lock).await;
    until(|| world.relay.newest_lock().is_some()).await;
    let before = delivery.report("litecoin");
    assert_eq!((state(&before), before.kept_off_p2p.as_deref()), ("awaited", None));
    node.learn(&rival);
    let report = report(&delivery, |report| state(report) == "orphaned").await;
    assert_eq!(report.finality.expect("a last word").by, Some(rival.hash.to_string()));
    assert_eq!(
        (report.findings[0].check.as_str(), report.kept_off_p2p.as_deref()),
        ("bad-chainlock", Some("finding"))
    );
    let items = vec![InvItem::block(2, block.hash)];
    peer.say(Message::GetData(items.clone()));
    peer.until(|messages| messages.contains(&Message::NotFound(items.clone()))).await;
}

#[tokio::test]
async fn a_block_that_a_lock_forbids_goes_to_the_nodes_and_to_no_peer() {
    let (blocks, block) = found();
    let rival = on(blocks[4].hash, 5, 2);
    let child = on(block.hash, 6, 1);
    let mut active = blocks.clone();
    active.push(rival.clone());
    let node = FakeNode::start("a", &active, None);
    let world = World::with_locks(&[&node]).await;
    let mut peers = world.peers(2, Manner::Accept, 5).await;
    let lock = clsig(&rival, 5, 1);
    node.lock(&lock);
    offer(&peers[1], &lock).await;
    let peer = peers.remove(0);
    peer.until(|messages| messages.contains(&Message::Inv(inv(&lock)))).await;
    node.will(Verdict::Say("bad-chainlock"));
    node.will(Verdict::Say("prev-blk-not-found"));
    let first = world.submit(&block.bytes);
    let report = settled(&first).await;
    assert_eq!(
        (report.status.as_str(), state(&report), report.findings[0].check.as_str()),
        ("refused", "orphaned", "bad-chainlock")
    );
    // Its child's parent is one that nobody knows.
    let second = settled(&world.submit(&child.bytes)).await;
    assert_eq!(at(&second, &peer.address).detail.as_deref(), Some("parent_unknown"));
    peer.settle().await;
    assert_eq!((peer.blocks().len(), node.submitted().len()), (0, 2));
}

#[tokio::test]
async fn what_is_no_lock_is_a_fault_and_the_connection_goes_on() {
    let (blocks, block) = found();
    let node = FakeNode::start("a", &blocks, None);
    let world = World::with_locks(&[&node]).await;
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let (_, mut notices) = world.connect_and_listen(&peer, STRANGER).await;
    let genuine = clsig(&block, 5, 1);
    for odd in [genuine.slice(..131), Bytes::new(), Bytes::from(vec![0xff; 132])] {
        offer(&peer, &odd).await;
        assert_eq!(fault(&mut notices).await, "object_malformed");
    }
    offer(&peer, &[&genuine[..], &[0]].concat().into()).await;
    assert_eq!(fault(&mut notices).await, "object_too_long");
    peer.say(message(&genuine));
    assert_eq!(fault(&mut notices).await, "unasked_for");
    assert_eq!(world.relay.newest_lock(), None);
    let delivery = world.submit(&block.bytes);
    assert_eq!(outcome(&settled(&delivery).await, &peer), Some("accepted"));
}

#[tokio::test]
async fn a_lock_makes_final_all_that_it_is_built_on() {
    let (blocks, block) = found();
    let child = on(block.hash, 6, 1);
    let node = FakeNode::start("a", &blocks, None);
    node.mint(&block.bytes, &block);
    node.mint(&child.bytes, &child);
    let world = World::with_locks(&[&node]).await;
    let _peers = world.peers(1, Manner::Accept, 4).await;
    let first = world.submit(&block.bytes);
    settled(&first).await;
    let second = world.submit(&child.bytes);
    settled(&second).await;
    node.lock(&clsig(&child, 6, 1));
    for delivery in [&first, &second] {
        report(delivery, |report| state(report) == "chainlocked").await;
    }
}

#[tokio::test]
async fn a_dead_block_stays_out_of_the_chain_that_is_served_though_a_node_still_has_it_as_its_tip() {
    let (blocks, block) = found();
    let rival = on(blocks[4].hash, 5, 2);
    let with = |tip: &Block| blocks.iter().chain([tip]).cloned().collect::<Vec<_>>();
    let ahead = FakeNode::start("a", &with(&rival), None);
    let behind = FakeNode::backup("b", &with(&block));
    ahead.lock(&clsig(&rival, 5, 1));
    let world = World::with_locks(&[&ahead, &behind]).await;
    until(|| world.relay.newest_lock().is_some() && world.relay.tip() == Some((rival.hash, 5))).await;
    world.relay.poll_node(&behind.node).await;
    assert_eq!(world.relay.tip(), Some((rival.hash, 5)));
    let peer = world.peers(1, Manner::Accept, 5).await.remove(0);
    let question = GetHeaders { protocol: 70_017, locator: vec![blocks[4].hash], stop: BlockHash::ZERO };
    peer.say(Message::GetHeaders(question));
    peer.until(|messages| messages.contains(&Message::Headers(vec![rival.header.clone()]))).await;
}

#[tokio::test]
async fn the_journal_keeps_a_dead_block_for_the_node_that_has_not_answered() {
    let (blocks, block) = found();
    let rival = on(blocks[4].hash, 5, 2);
    let active = blocks.iter().chain([&rival]).cloned().collect::<Vec<_>>();
    let (node, other) = (FakeNode::start("a", &active, None), FakeNode::backup("b", &blocks));
    node.lock(&clsig(&rival, 5, 1));
    node.will(Verdict::Say("bad-chainlock"));
    other.will(Verdict::Hang);
    let world = World::with_locks(&[&node, &other]).await;
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| {
        state(report) == "orphaned" && report.nodes[0].judgement.as_deref() == Some("refused")
    })
    .await;
    assert!(delivery.acknowledgement().await.durable);
    assert_eq!(world.journal.health().open_blocks, 1);
}
