//! Blocks whose parent a peer lacks.

mod support;

use support::{
    Block, FakeNode, FakePeer, Manner, Recipe, STRANGER, Verdict, World, at, chain, mine, on, outcome,
    report, settled,
};

/// A block on top of one that is not in the node's chain yet.
fn orphan(blocks: &[Block]) -> (Block, Block) {
    let height = blocks.len() as u32;
    let parent = on(blocks[blocks.len() - 1].hash, height, 7);
    let block = on(parent.hash, height + 1, 1);
    (parent, block)
}

#[tokio::test]
async fn a_block_is_withheld_from_a_peer_until_it_announces_the_parent() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peers = world.peers(2, Manner::Accept, 4).await;
    let (parent, block) = orphan(&blocks);
    node.will(Verdict::Say("prev-blk-not-found"));
    let delivery = world.submit(&block.bytes);
    let report = report(&delivery, |report| !report.findings.is_empty()).await;
    assert_eq!(report.findings[0].check.as_str(), "prev-blk-not-found");
    assert_eq!(report.kept_off_p2p.as_deref(), None);
    for peer in &peers {
        assert_eq!(at(&report, &peer.address).detail.as_deref(), Some("parent_unknown"));
    }

    peers[0].announce(parent.hash);
    assert_eq!(peers[0].given(1).await, [&block.bytes]);
    support::report(&delivery, |report| outcome(report, &peers[0]) == Some("accepted")).await;
    peers[1].settle().await;
    assert_eq!(peers[1].blocks().len(), 0, "the other still lacks the parent, for all we know");
}

#[tokio::test]
async fn a_block_is_delivered_when_a_node_has_the_parent_and_the_node_is_given_it_again() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = world.peers(1, Manner::Accept, 5).await.remove(0);
    let (parent, block) = orphan(&blocks);
    node.will(Verdict::Say("prev-blk-not-found"));
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| outcome(report, &peer) == Some("withheld")).await;

    node.learn(&parent);
    world.relay.poll_node(&world.relay.nodes()[0].clone()).await;
    assert_eq!(peer.given(1).await, [&block.bytes]);
    let report =
        report(&delivery, |report| report.status == "accepted" && outcome(report, &peer) == Some("accepted"))
            .await;
    assert_eq!(report.nodes[0].attempts, 2);
    assert_eq!(report.nodes[0].verdict, Some("prev-blk-not-found".into()), "its first words are kept");
}

#[tokio::test]
async fn a_parent_that_only_a_node_has_is_asked_for_at_once_whatever_the_other_nodes_do() {
    let blocks = chain(5);
    let (parent, block) = orphan(&blocks);
    let nodes = [FakeNode::start("silent", &blocks, None), FakeNode::start("a", &blocks, None)];
    let world = World::new(&[&nodes[0], &nodes[1]]).await;
    let peer = world.peers(1, Manner::Accept, 5).await.remove(0);
    nodes[0].fall_silent();
    nodes[1].learn(&parent);
    // No schedule brings the parent: this test polls no node.
    let delivery = world.submit(&block.bytes);
    assert_eq!(peer.given(1).await, [&block.bytes]);
    // A question to a node that is silent ends after ten seconds.
    let report = delivery.report("litecoin");
    assert!(at(&report, &peer.address).queued_ms.expect("sent") < 5000.0);
}

#[tokio::test]
async fn our_own_parent_goes_first_to_a_peer_that_lacks_it() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let rival = on(blocks[4].hash, 5, 9);
    let prefers = world.peers(1, Manner::Prefer(rival.header.clone()), 4).await.remove(0);
    let first = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&first.bytes);
    report(&delivery, |report| outcome(report, &prefers) == Some("outraced")).await;
    let second = on(first.hash, 6, 1);
    world.submit(&second.bytes);
    let expected = [&first.bytes, &first.bytes, &second.bytes];
    assert_eq!(prefers.given(3).await, expected, "it may have thrown the loser of the race away");
}

#[tokio::test]
async fn a_parent_that_is_still_on_its_way_to_a_peer_is_not_sent_twice() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let mute = world.peers(1, Manner::Mute, 4).await.remove(0);
    let mut burst = vec![on(blocks[4].hash, 5, 1)];
    for height in 6..10 {
        burst.push(on(burst[burst.len() - 1].hash, height, 1));
    }
    for block in &burst {
        let delivery = world.submit(&block.bytes);
        report(&delivery, |report| report.inspected_ms.is_some()).await;
    }
    let expected: Vec<_> = burst.iter().map(|block| block.bytes.clone()).collect();
    assert_eq!(mute.given(5).await, expected);
}

#[tokio::test]
async fn without_a_header_view_a_child_does_not_push_its_parent_aside() {
    let world = World::new(&[]).await;
    let mute = world.peers(1, Manner::Mute, 4).await.remove(0);
    let parent = on(chain(5)[4].hash, 5, 1);
    let child = on(parent.hash, 6, 1);
    let first = world.submit(&parent.bytes);
    report(&first, |report| report.inspected_ms.is_some()).await;
    world.submit(&child.bytes);
    assert_eq!(mute.given(2).await, [&parent.bytes, &child.bytes]);
    assert_eq!(first.report("litecoin").kept_off_p2p, None);
}

/// What a newer block of ours has left behind stays behind, also for those to whom it could be sent later.
#[tokio::test]
async fn a_superseded_block_is_not_sent_any_more() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = FakePeer::start(Manner::OnlyPong, 0).await;
    world.connect(&peer, STRANGER).await;
    let loser = on(blocks[4].hash, 5, 1);
    let first = world.submit(&loser.bytes);
    report(&first, |report| outcome(report, &peer) == Some("withheld")).await;

    let winner = on(blocks[4].hash, 5, 2);
    node.learn(&winner);
    world.relay.poll_node(&world.relay.nodes()[0].clone()).await;
    let next = on(winner.hash, 6, 1);
    let second = world.submit(&next.bytes);
    report(&second, |report| report.inspected_ms.is_some()).await;
    assert_eq!(first.report("litecoin").kept_off_p2p.as_deref(), Some("superseded"));

    peer.announce(winner.hash);
    assert_eq!(peer.given(1).await, [&next.bytes], "it has the parents of both now");
    peer.settle().await;
    assert_eq!(peer.blocks().len(), 1);
    let report = settled(&first).await;
    assert_eq!(at(&report, &peer.address).detail.as_deref(), Some("superseded"));
}

/// What waits in a lane is taken out of it, and a block that is being written is not cut in two.
#[tokio::test]
async fn what_is_left_behind_or_under_suspicion_is_taken_out_of_a_lane() {
    for (reason, crash) in [("superseded", false), ("quarantined", true)] {
        let blocks = chain(5);
        let node = FakeNode::start("a", &blocks, None);
        let world = World::new(&[&node]).await;
        let peer = FakePeer::with_small_buffer(Manner::Accept, 4).await;
        world.connect(&peer, STRANGER).await;
        peer.stop_reading().await;
        let filler = mine(Recipe { padding: 900_000, ..Recipe::on(blocks[4].hash, 5, 1) });
        let written = world.submit(&filler.bytes);
        report(&written, |report| report.peers_sent_to == 1).await;
        let waits = world.submit(&on(blocks[4].hash, 5, 2).bytes);
        report(&waits, |report| report.peers_sent_to == 1 && report.inspected_ms.is_some()).await;

        let next = on(filler.hash, 6, 1);
        if crash {
            world.relay.note_crash();
            world.relay.note_crash();
        }
        let last = world.submit(&next.bytes);
        report(&last, |report| report.inspected_ms.is_some()).await;
        let told = report(&waits, |report| report.kept_off_p2p.as_deref() == Some(reason)).await;
        assert_eq!(at(&told, &peer.address).detail.as_deref(), Some(reason));
        // A block that is out of date is meant to reach nobody; one under suspicion is missed.
        assert_eq!((told.peers_sent_to, told.peers_addressed), (0, usize::from(crash)));

        peer.read_on();
        assert!(peer.given(2).await == [&filler.bytes, &next.bytes]);
        assert_eq!(settled(&written).await.peers_with_block, 1);
    }
}

#[tokio::test]
async fn a_node_that_lags_behind_does_not_lead_the_view_back() {
    let blocks = chain(130);
    let nodes = [FakeNode::start("a", &blocks, None), FakeNode::start("b", &blocks[..10], None)];
    let world = World::new(&[&nodes[0], &nodes[1]]).await;
    assert_eq!(world.relay.tip(), Some((blocks[129].hash, 129)));

    // One on a branch of its own, long left behind.
    let mut branch = blocks[..10].to_vec();
    for height in 10..70 {
        branch.push(on(branch[branch.len() - 1].hash, height, 5));
    }
    let strayed = FakeNode::start("c", &branch, None);
    world.relay.poll_node(&strayed.node).await;
    assert_eq!(world.relay.tip(), Some((blocks[129].hash, 129)));
}

#[tokio::test]
async fn where_peers_want_more_work_than_they_have_one_with_a_rival_is_not_sent_the_block() {
    let mut blocks = chain(5);
    let (block, rival) = (on(blocks[4].hash, 5, 1), on(blocks[4].hash, 5, 2));
    blocks.push(rival.clone());
    let node = FakeNode::start("a", &blocks, None);
    node.will(Verdict::Say("inconclusive"));
    let world = World::composed(&[&node]).await;
    let peers = world.peers(2, Manner::Accept, 4).await;
    peers[0].announce(rival.hash);
    peers[0].settle().await;
    let delivery = world.submit(&block.bytes);
    let report = report(&delivery, |report| outcome(report, &peers[1]) == Some("accepted")).await;
    assert_eq!(at(&report, &peers[0].address).detail.as_deref(), Some("not_more_work"));
    peers[0].settle().await;
    assert!(peers[0].blocks().is_empty());
}
