//! What strangers and ailing nodes cannot bring about.

mod support;

use std::time::Duration;

use protocol::{
    book::{Kind, Priority},
    delivery::Outcome,
    verdict::Judgement,
};
use relay::{Ending, PeerNotice, Refusal};
use support::{FakeNode, FakePeer, Manner, STRANGER, Verdict, World, chain, on, report, settled};
use wire::{Command, InvItem, Message};

#[tokio::test]
async fn a_strangers_header_is_not_our_chain_and_our_nodes_is() {
    let blocks = chain(5);
    let own = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(own.address.clone()));
    let world = World::new(&[&node]).await;
    world.connect(&own, Kind::Own { node: "a".into() }).await;
    let stranger = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&stranger, STRANGER).await;

    // Both carry their work. Of two equal ones the first would stay the tip.
    let (theirs, ours) = (on(blocks[4].hash, 5, 1), on(blocks[4].hash, 5, 2));
    stranger.say(Message::Headers(vec![theirs.header.clone()]));
    stranger.settle().await;
    own.say(Message::Headers(vec![ours.header.clone()]));
    let followed = async {
        while world.relay.tip() != Some((ours.hash, 5)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), followed).await.expect("our node's header as the tip");
}

/// While the line is cut, our own node next to us speaks on; that must not make it the strangers' fault.
#[tokio::test]
async fn only_strangers_prove_that_there_is_a_network() {
    let blocks = chain(5);
    let own = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(own.address.clone()));
    let world = World::new(&[&node]).await;
    world.connect(&own, Kind::Own { node: "a".into() }).await;
    own.settle().await;
    assert!(!world.relay.has_heard_within(Duration::from_secs(60)));
    let stranger = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&stranger, STRANGER).await;
    stranger.settle().await;
    assert!(world.relay.has_heard_within(Duration::from_secs(60)));
}

#[tokio::test]
async fn whose_doing_the_end_of_a_connection_was_is_known_when_a_block_was_on_its_way() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    for (manner, ending) in [(Manner::HangUp, Ending::Peer), (Manner::Mute, Ending::Us)] {
        let world = World::new(&[&node]).await;
        let fake = FakePeer::start(manner, 4).await;
        let (peer, mut notices) = world.connect_and_listen(&fake, STRANGER).await;
        let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
        if ending == Ending::Us {
            report(&delivery, |report| report.peers.iter().any(|peer| peer.written_ms.is_some())).await;
            assert!(world.relay.is_delivering(), "nobody is let go meanwhile");
            peer.close();
        }
        let outcome = async {
            loop {
                if let Some(PeerNotice::Outcome(outcome, _)) = notices.recv().await {
                    return outcome;
                }
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(20), outcome).await.expect("an outcome");
        assert_eq!((outcome, peer.ending()), (Outcome::Disconnected, Some(ending)));
    }
}

#[tokio::test]
async fn one_that_is_connected_under_another_name_and_one_far_behind_are_not_kept() {
    let blocks = chain(300);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let fixed = Kind::Fixed { priority: Priority::Normal };
    let named = FakePeer::start(Manner::Accept, 0).await;
    world.connect(&named, fixed).await;

    let other_name = named.address.replace("127.0.0.1", "localhost");
    let refusal = world.refused(other_name, STRANGER).await;
    assert_eq!(refusal, Refusal::Duplicate(named.address.clone()));
    let behind = FakePeer::start(Manner::Accept, 10).await;
    let refusal = world.refused(behind.address.clone(), STRANGER).await;
    assert_eq!(refusal, Refusal::FarBehind { height: 10, tip: 299 });
    let close = FakePeer::start(Manner::Accept, 11).await;
    world.connect(&close, STRANGER).await;
    assert_eq!(world.relay.ready_peers().len(), 2);
}

#[tokio::test]
async fn a_nodes_own_trouble_is_told_and_the_block_offered_again() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    node.will(Verdict::Fail(-25));
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    let told = delivery.acknowledgement().await.judgement;
    assert!(matches!(told, Some(Judgement::Refused { code: Some(-25), .. })), "{told:?}");
    let report = report(&delivery, |report| report.status == "accepted").await;
    assert_eq!(report.nodes[0].attempts, 2);
}

#[tokio::test]
async fn what_every_node_has_refused_is_neither_sent_nor_served_any_more() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    node.will(Verdict::Say("bad-cb-amount"));
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| report.kept_off_p2p.as_deref() == Some("refused")).await;

    let late = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&late, STRANGER).await;
    late.say(Message::GetData(vec![InvItem::block(2, block.hash)]));
    late.until(|messages| messages.iter().any(|message| message.command() == Command::NOTFOUND)).await;
    assert!(late.blocks().is_empty());
    assert_eq!(world.relay.tip(), Some((blocks[4].hash, 4)), "nor is it our tip");
}

#[tokio::test]
async fn a_height_that_does_not_follow_the_parents_is_found_and_kept_from_peers() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&peer, STRANGER).await;
    node.will(Verdict::Say("bad-cb-height"));
    let delivery = world.submit(&on(blocks[4].hash, 9, 1).bytes);
    let report = settled(&delivery).await;
    assert_eq!(report.findings[0].check.as_str(), "bad-cb-height");
    assert_eq!((report.kept_off_p2p.as_deref(), report.peers_sent_to), (Some("finding"), 0));
    peer.settle().await;
    assert!(peer.blocks().is_empty());
}
