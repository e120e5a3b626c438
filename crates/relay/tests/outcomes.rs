//! What peers do with a block, and what is said of them.

mod support;

use protocol::book::{Kind, Priority};
use support::{FakeNode, FakePeer, Manner, STRANGER, World, at, chain, on, outcome, report, settled};
use wire::{BlockHash, Command, GetHeaders, InvItem, Message};

#[tokio::test]
async fn each_peers_outcome_is_what_it_proved() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let rival = on(blocks[4].hash, 5, 2);
    let start = async |manner| {
        let peer = FakePeer::start(manner, 4).await;
        world.connect(&peer, STRANGER).await;
        peer
    };
    let accepts = start(Manner::Accept).await;
    let prefers = start(Manner::Prefer(rival.header.clone())).await;
    let pongs = start(Manner::OnlyPong).await;
    let leaves = start(Manner::HangUp).await;
    let echoes = start(Manner::EchoUnvalidated).await;

    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    let report = settled(&delivery).await;
    assert_eq!(outcome(&report, &accepts), Some("accepted"));
    assert_eq!(outcome(&report, &prefers), Some("outraced"));
    assert_eq!(at(&report, &prefers.address).detail, Some(format!("by {}", rival.hash)));
    assert_eq!(outcome(&report, &pongs), Some("processed_unproven"));
    assert!(at(&report, &pongs.address).processed_ms.is_some());
    assert_eq!(outcome(&report, &leaves), Some("disconnected"));
    assert_eq!(outcome(&report, &echoes), Some("processed_unproven"), "an unvalidated echo proves nothing");
    assert_eq!((report.peers_with_block, report.peers_sent_to), (1, 5));
}

#[tokio::test]
async fn a_mute_peer_has_accepted_nothing_whatever_its_kernel_acknowledged() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let mute = world.peers(1, Manner::Mute, 4).await.remove(0);
    let accepts = world.peers(1, Manner::Accept, 4).await.remove(0);
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    mute.given(1).await;
    let report = report(&delivery, |report| {
        outcome(report, &accepts).is_some() && at(report, &mute.address).acked_ms.is_some()
    })
    .await;
    let entry = at(&report, &mute.address);
    assert_eq!((entry.outcome.as_deref(), entry.stage.as_deref()), (None, Some("acked")));
    assert_eq!((report.peers_with_block, report.peers_sent_to), (1, 2));
}

#[tokio::test]
async fn an_observer_is_never_pushed_to_and_its_announcement_is_the_first_echo() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::with_observers(&[&node], 1).await;
    let pushed = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&pushed, Kind::Fixed { priority: Priority::High }).await;
    let observer = FakePeer::start(Manner::Accept, 4).await;
    assert!(world.connect(&observer, STRANGER).await.is_observer());

    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    let report = report(&delivery, |report| outcome(report, &pushed) == Some("accepted")).await;
    assert_eq!(at(&report, &observer.address).detail.as_deref(), Some("observer"));
    assert!(report.first_echo.is_none());

    observer.announce(block.hash);
    observer.settle().await;
    let report = support::report(&delivery, |report| report.first_echo.is_some()).await;
    assert_eq!(report.first_echo.as_ref().expect("an echo").peer, observer.address);
    assert_eq!(outcome(&report, &observer), Some("withheld"), "an observer stays one");
    assert_eq!((report.peers_with_block, report.peers_addressed), (1, 1));
    assert_eq!(observer.blocks().len(), 0);
}

/// A peer that hears of a block from us takes it that we know it, and announces it to us no more.
#[tokio::test]
async fn an_observer_does_not_hear_of_our_block_from_us_until_it_has_announced_it() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::with_observers(&[&node], 1).await;
    let pushed = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&pushed, Kind::Fixed { priority: Priority::High }).await;
    let observer = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&observer, STRANGER).await;
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| outcome(report, &pushed) == Some("accepted")).await;

    let question = || {
        let locator = vec![blocks[2].hash];
        Message::GetHeaders(GetHeaders { protocol: 70_016, locator, stop: BlockHash::ZERO })
    };
    let answers = |peer: &FakePeer| peer.received(Command::HEADERS);
    let told = async |peer: &FakePeer| {
        let before = answers(peer).len();
        peer.say(question());
        peer.until(|messages| {
            messages.iter().filter(|message| message.command() == Command::HEADERS).count() > before
        })
        .await;
        match answers(peer).pop() {
            Some(Message::Headers(headers)) => headers.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(&pushed).await, 3, "two blocks, and ours");
    assert_eq!(told(&observer).await, 2, "not ours");
    observer.announce(block.hash);
    report(&delivery, |report| report.first_echo.is_some()).await;
    assert_eq!(told(&observer).await, 3);
}

#[tokio::test]
async fn a_peer_that_has_the_block_is_not_sent_it() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = world.peers(1, Manner::Accept, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    peer.announce(block.hash);
    peer.settle().await;
    let report = settled(&world.submit(&block.bytes)).await;
    assert_eq!(outcome(&report, &peer), Some("already_had"));
    assert_eq!((report.peers_with_block, report.peers_sent_to), (1, 0));
    peer.settle().await;
    assert_eq!(peer.blocks().len(), 0);
}

#[tokio::test]
async fn a_peer_that_comes_late_is_sent_what_is_still_on_its_way() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    settled(&delivery).await;
    let behind = world.peers(1, Manner::Accept, 4).await.remove(0);
    assert_eq!(behind.given(1).await, [&block.bytes]);
    report(&delivery, |report| outcome(report, &behind) == Some("accepted")).await;

    let level = world.peers(1, Manner::Accept, 5).await.remove(0);
    level.settle().await;
    assert_eq!(level.blocks().len(), 0, "one that is as high as the block has it or a rival");
}

#[tokio::test]
async fn what_was_sent_is_served_when_it_is_asked_for() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = world.peers(1, Manner::Accept, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    settled(&world.submit(&block.bytes)).await;
    peer.say(Message::GetData(vec![InvItem::block(0x6000_0002, block.hash)]));
    assert_eq!(peer.given(2).await, [&block.bytes, &block.bytes]);
}

/// A block that was on its way at two crashes may be their cause.
#[tokio::test]
async fn a_block_of_two_crashes_is_given_to_nobody_any_more() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let mute = world.peers(1, Manner::Mute, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    mute.given(1).await;
    report(&delivery, |report| report.status == "accepted" && report.inspected_ms.is_some()).await;

    world.relay.note_crash();
    let first = world.peers(1, Manner::Mute, 4).await.remove(0);
    first.given(1).await;
    assert_eq!(delivery.report("litecoin").kept_off_p2p, None, "one crash is no pattern");

    world.relay.note_crash();
    let report = delivery.report("litecoin");
    assert_eq!((report.kept_off_p2p.as_deref(), report.status.as_str()), (Some("quarantined"), "accepted"));
    assert_eq!(outcome(&report, &mute), None, "what was sent was sent");
    let late = world.peers(1, Manner::Accept, 4).await.remove(0);
    late.say(Message::GetData(vec![InvItem::block(2, block.hash)]));
    late.until(|messages| messages.iter().any(|message| matches!(message, Message::NotFound(_)))).await;
    assert_eq!(late.received(Command::BLOCK), []);

    let next = on(blocks[4].hash, 5, 2);
    world.submit(&next.bytes);
    assert_eq!(late.given(1).await, [&next.bytes], "others are sent as ever");
}

#[tokio::test]
async fn shutting_down_closes_every_connection() {
    let world = World::new(&[]).await;
    let peer = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&peer, STRANGER).await;
    world.relay.shut_down(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.relay.peers().len(), 0);
    assert_eq!(world.relay.ready_peers().len(), 0);
}
