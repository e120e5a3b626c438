//! The same block many times, in other bytes, or not worth the name.

mod support;

use std::sync::Arc;

use relay::Goal;
use support::{
    FakeNode, FakePeer, Manner, PATIENCE, Recipe, STRANGER, World, chain, hex, mine, on, outcome, report,
    settled,
};
use tokio::sync::Barrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_callers_with_the_same_block_share_one_delivery() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = Arc::new(World::new(&[&node]).await);
    let peers = world.peers(3, Manner::Accept, 4).await;
    let block = on(blocks[4].hash, 5, 1);

    let barrier = Arc::new(Barrier::new(100));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (world, barrier, bytes) = (world.clone(), barrier.clone(), block.bytes.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                world.submit(&bytes)
            })
        })
        .collect();
    let mut deliveries = Vec::new();
    for caller in callers {
        deliveries.push(caller.await.unwrap());
    }
    assert!(deliveries.iter().all(|delivery| Arc::ptr_eq(delivery, &deliveries[0])));
    let report = settled(&deliveries[0]).await;
    assert_eq!((report.repeats, report.peers_with_block), (99, 3));
    assert_eq!(node.submitted().len(), 1);
    for peer in &peers {
        peer.settle().await;
        assert_eq!(peer.blocks(), [&block.bytes]);
    }
}

/// Each form is submitted as it came, both at the same moment; which of them carries the block is left to chance, so
/// it is tried many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_block_handed_in_bare_and_whole_goes_to_each_peer_once() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = Arc::new(World::new(&[&node]).await);
    let peers = world.peers(2, Manner::Accept, 4).await;
    let (mut given, mut parent) = (Vec::new(), blocks[4].clone());
    for height in 5..30 {
        let block = mine(Recipe { witness: true, ..Recipe::on(parent.hash, height, 1) });
        let barrier = Arc::new(Barrier::new(3));
        let forms = [block.bytes.clone(), block.bare(), block.trailed()];
        let callers = forms.clone().map(|form| {
            let (world, barrier) = (world.clone(), barrier.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                world.submit(&form)
            })
        });
        for caller in callers {
            let delivery = caller.await.unwrap();
            assert!(
                delivery.reached(Goal::Peers(2), PATIENCE).await,
                "each form's delivery tells of both peers"
            );
            let report = settled(&delivery).await;
            assert_eq!((report.status.as_str(), report.peers_with_block), ("accepted", 2));
        }
        given.push(block.bytes.clone());
        parent = block;
        let submitted = node.submitted();
        let [whole, bare, trailed] =
            forms.map(|form| submitted.iter().filter(|submitted| **submitted == hex(&form)).count());
        // The whole form is what another may have turned out to be before it came; then it joined that one.
        assert!(whole <= 1 && bare == 1 && trailed == 1, "{whole}, {bare}, {trailed}");
    }
    for peer in &peers {
        peer.settle().await;
        assert_eq!(peer.blocks().len(), given.len());
        assert!(peer.blocks() == given, "each block once, in its canonical form");
    }
}

#[tokio::test]
async fn bytes_behind_the_block_reach_the_node_and_no_peer() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peers = world.peers(1, Manner::Accept, 4).await;
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.trailed());
    let report = settled(&delivery).await;
    assert_eq!(node.submitted(), [hex(&block.trailed())]);
    assert_eq!(peers[0].given(1).await, [&block.bytes]);
    let checks: Vec<_> = report.findings.iter().map(|finding| finding.check.as_str()).collect();
    assert_eq!(checks, ["trailing-bytes"]);
    assert_eq!((report.status.as_str(), report.kept_off_p2p.as_deref()), ("accepted", None));
}

#[tokio::test]
async fn a_block_without_its_work_reaches_the_node_and_no_peer_and_the_finding_is_named() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peers = world.peers(2, Manner::Accept, 4).await;
    node.will(support::Verdict::Say("high-hash"));
    let weak = mine(Recipe { weak: true, ..Recipe::on(blocks[4].hash, 5, 1) });
    let delivery = world.submit(&weak.bytes);
    let report = settled(&delivery).await;
    assert_eq!(node.submitted(), [hex(&weak.bytes)]);
    assert_eq!((report.status.as_str(), report.kept_off_p2p.as_deref()), ("refused", Some("finding")));
    assert_eq!(report.findings[0].check.as_str(), "high-hash");
    assert!(delivery.acknowledgement().await.finding.expect("a finding").starts_with("high-hash"));

    // The lanes keep their order: had it been sent, it would have come before this one.
    let sound = on(blocks[4].hash, 5, 2);
    world.submit(&sound.bytes);
    for peer in &peers {
        assert_eq!(peer.given(1).await, [&sound.bytes]);
        assert_eq!(outcome(&report, peer), Some("withheld"));
    }
}

/// The name is the header's: a forged body must not stand in for the block, nor pull it out of a lane.
#[tokio::test]
async fn a_forged_body_under_the_same_header_does_not_keep_the_block_from_anyone() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peers = world.peers(2, Manner::Accept, 4).await;
    let block = on(blocks[4].hash, 5, 1);
    let mut forged = block.bytes.to_vec();
    let last = forged.len() - 8;
    forged[last] ^= 1;
    node.will(support::Verdict::Say("bad-txnmrklroot"));
    let forgery = world.submit(&forged.into());
    report(&forgery, |report| report.kept_off_p2p.is_some()).await;
    let delivery = world.submit(&block.bytes);
    let report = settled(&delivery).await;
    assert_eq!((report.status.as_str(), report.peers_with_block), ("accepted", 2));
    for peer in &peers {
        assert_eq!(peer.given(1).await, [&block.bytes]);
    }
}

#[tokio::test]
async fn a_forged_body_does_not_pull_the_block_out_of_a_lane() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = FakePeer::with_small_buffer(Manner::Accept, 4).await;
    let connection = world.connect(&peer, STRANGER).await;
    peer.stop_reading().await;
    let filler = mine(Recipe { padding: 900_000, ..Recipe::on(blocks[4].hash, 5, 1) });
    report(&world.submit(&filler.bytes), |report| report.peers_sent_to == 1).await;
    let block = on(blocks[4].hash, 5, 2);
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| report.peers_sent_to == 1).await;
    assert!(connection.backlog() > block.bytes.len(), "it waits");

    let mut forged = block.bytes.to_vec();
    let last = forged.len() - 8;
    forged[last] ^= 1;
    let forgery = world.submit(&forged.into());
    report(&forgery, |report| report.kept_off_p2p.is_some() && report.inspected_ms.is_some()).await;
    peer.read_on();
    assert!(peer.given(2).await == [filler.bytes, block.bytes]);
}

/// The form that is not carried to peers has no news of its own: whoever waits for it waits for the other's.
#[tokio::test]
async fn whoever_waits_for_one_form_hears_what_peers_make_of_the_other() {
    let world = World::new(&[]).await;
    let peer = world.peers(1, Manner::OnlyPong, 4).await.remove(0);
    let block = on(chain(5)[4].hash, 5, 1);
    let carried = world.submit(&block.bytes);
    settled(&carried).await;
    let other = world.submit(&block.trailed());
    let quiet = report(&other, |report| report.inspected_ms.is_some() && report.durable.is_some()).await;
    assert_eq!((quiet.peers_with_block, outcome(&quiet, &peer)), (0, Some("processed_unproven")));

    let (reached, ()) = tokio::join!(other.reached(Goal::Peers(1), PATIENCE), async {
        peer.settle().await;
        peer.announce(block.hash);
    });
    assert!(reached);
}

#[tokio::test]
async fn what_is_no_block_at_all_still_gets_the_nodes_verdict() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    node.will(support::Verdict::Say("rejected"));
    let delivery = world.submit(&b"hello".as_slice().into());
    let report = settled(&delivery).await;
    assert_eq!(
        (report.status.as_str(), report.kept_off_p2p.as_deref(), report.size),
        ("refused", Some("finding"), 5)
    );
    assert_eq!(node.submitted(), [hex(b"hello")]);
}
