//! What nodes say, what it amounts to, and what the pool is told.

mod support;

use std::{sync::Arc, time::Duration};

use protocol::{book::Kind, verdict::Judgement};
use relay::Acknowledge;
use serde_json::{Value, json};
use support::{
    FakeNode, FakePeer, Manner, Recipe, STRANGER, Verdict, World, at, chain, mine, on, report, settled,
};

#[tokio::test]
async fn a_block_that_node_and_peers_take_is_accepted_and_each_stage_has_its_time() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    assert_eq!(world.relay.tip(), Some((blocks[4].hash, 4)));
    let peers = world.peers(3, Manner::Accept, 4).await;
    let block = on(blocks[4].hash, 5, 1);

    let delivery = world.submit(&block.bytes);
    let told = delivery.acknowledgement().await;
    assert_eq!((told.judgement, told.durable, told.finding), (Some(Judgement::Accepted), true, None));
    assert_eq!(delivery.judged_by().as_deref(), Some("a"));

    let report = settled(&delivery).await;
    assert_eq!(
        (report.status.as_str(), report.height, &report.hash),
        ("accepted", Some(5), &block.hash.to_string())
    );
    assert_eq!((report.peers_with_block, report.peers_sent_to, report.peers_addressed), (3, 3, 3));
    assert_eq!((report.nodes[0].verdict.clone(), report.nodes[0].attempts), (Some(Value::Null), 1));
    for peer in &peers {
        assert_eq!(peer.given(1).await, [&block.bytes]);
        let entry = at(&report, &peer.address);
        assert_eq!(entry.outcome.as_deref(), Some("accepted"));
        let stages = [entry.queued_ms, entry.written_ms, entry.outcome_ms];
        assert!(stages.iter().all(Option::is_some) && stages.is_sorted(), "{stages:?}");
    }
    assert_eq!(node.submitted(), [support::hex(&block.bytes)]);
    assert_eq!(world.relay.tip(), Some((block.hash, 5)), "our own block is the view's new tip");
}

#[tokio::test]
async fn nodes_have_a_block_before_any_task_of_ours_runs() {
    let blocks = chain(5);
    // The daemons run elsewhere; of this test's runtime nothing runs unless the test waits.
    let elsewhere =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (a, b) = {
        let _runtime = elsewhere.enter();
        (FakeNode::start("a", &blocks, None), FakeNode::backup("b", &blocks))
    };
    let world = World::new(&[&a, &b]).await;
    let first = on(blocks[4].hash, 5, 1);
    for node in [&a, &b] {
        node.mint(&first.bytes, &first);
    }
    settled(&world.submit(&first.bytes)).await;

    // Connections are open now.
    let block = on(first.hash, 6, 1);
    let delivery = world.submit(&block.bytes);
    let start = std::time::Instant::now();
    while [&a, &b].iter().any(|node| node.submitted().len() < 2) {
        assert!(start.elapsed() < support::PATIENCE, "a block waits for a task of ours");
        std::thread::yield_now();
    }
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Accepted));
    elsewhere.shutdown_background();
}

#[tokio::test]
async fn a_duplicate_in_the_active_chain_is_an_acceptance_and_the_nodes_word_is_kept() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let block = on(blocks[4].hash, 5, 1);
    // Our push over P2P came first.
    node.learn(&block);
    node.will(Verdict::Say("duplicate"));
    let delivery = world.submit(&block.bytes);
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Accepted));
    let report = settled(&delivery).await;
    assert_eq!(report.nodes[0].verdict, Some(json!("duplicate")));
}

#[tokio::test]
async fn a_duplicate_on_a_side_branch_is_inconclusive() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let block = on(blocks[3].hash, 4, 1);
    node.learn_beside(block.hash, "valid-fork");
    node.will(Verdict::Say("duplicate"));
    let delivery = world.submit(&block.bytes);
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Inconclusive));
    assert_eq!(settled(&delivery).await.status, "inconclusive");
}

#[tokio::test]
async fn the_best_of_several_nodes_verdicts_is_told_and_each_is_reported() {
    let blocks = chain(5);
    let nodes = [FakeNode::start("a", &blocks, None), FakeNode::start("b", &blocks, None)];
    let world = World::new(&[&nodes[0], &nodes[1]]).await;
    nodes[0].will(Verdict::Say("bad-cb-amount"));
    nodes[1].will(Verdict::After(Duration::from_millis(50), Box::new(Verdict::Accept)));
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Accepted));
    let report = settled(&delivery).await;
    let said: Vec<_> =
        report.nodes.iter().map(|node| (node.node.as_str(), node.judgement.as_deref())).collect();
    assert_eq!(said, [("a", Some("refused")), ("b", Some("accepted"))]);
    assert_eq!(delivery.judged_by().as_deref(), Some("b"));
}

/// A push that came first would turn the verdict into `duplicate`.
#[tokio::test]
async fn our_own_node_is_pushed_to_when_its_verdict_is_in() {
    let blocks = chain(5);
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(peer.address.clone()));
    let world = World::new(&[&node]).await;
    world.connect(&peer, Kind::Own { node: "a".into() }).await;
    let stranger = FakePeer::start(Manner::Accept, 4).await;
    world.connect(&stranger, STRANGER).await;

    node.will(Verdict::After(Duration::from_millis(100), Box::new(Verdict::Accept)));
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    peer.given(1).await;
    let report = report(&delivery, |report| report.peers_with_block == 2).await;
    let answered = report.nodes[0].answered_ms.expect("answered");
    let pushed = at(&report, "a").queued_ms.expect("pushed");
    assert!(answered >= 100.0);
    // On a machine that is busy the answer may come after the head start has run out.
    assert!(pushed >= answered.min(250.0), "pushed after {pushed} ms, answered after {answered} ms");
    assert!(at(&report, &stranger.address).queued_ms.expect("pushed") < pushed, "nobody else waits");
    peer.settle().await;
    assert_eq!(peer.blocks().len(), 1, "the clock came round while it waited, and it is pushed to once");
}

/// Everything that a peer says may be the news that a block was waiting for; however much of it comes while the own
/// node's verdict is awaited, the push is one. Which of those that wait is first is left to chance, so it is tried often.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn our_own_node_is_pushed_to_once_whatever_it_says_meanwhile() {
    let blocks = chain(5);
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(peer.address.clone()));
    let world = World::new(&[&node]).await;
    world.connect(&peer, Kind::Own { node: "a".into() }).await;
    let (mut parent, mut given) = (blocks[4].clone(), Vec::new());
    for height in 5..25 {
        node.will(Verdict::After(Duration::from_millis(20), Box::new(Verdict::Accept)));
        let block = mine(Recipe { padding: 100_000, ..Recipe::on(parent.hash, height, 1) });
        let delivery = world.submit(&block.bytes);
        for _ in 0..30 {
            peer.announce(parent.hash);
        }
        report(&delivery, |report| report.peers_with_block == 1).await;
        given.push(block.bytes.clone());
        parent = block;
    }
    peer.settle().await;
    assert_eq!(peer.blocks().len(), given.len());
    assert!(peer.blocks() == given);
}

#[tokio::test]
async fn our_own_node_is_pushed_to_after_250_ms_if_its_rpc_hangs() {
    let blocks = chain(5);
    let peer = FakePeer::start(Manner::Accept, 4).await;
    let node = FakeNode::start("a", &blocks, Some(peer.address.clone()));
    let world = World::new(&[&node]).await;
    world.connect(&peer, Kind::Own { node: "a".into() }).await;
    node.will(Verdict::Hang);
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    peer.given(1).await;
    let report = report(&delivery, |report| report.peers_with_block == 1).await;
    assert!(at(&report, "a").queued_ms.expect("pushed") >= 250.0);
    peer.settle().await;
    assert_eq!(peer.blocks().len(), 1);
}

#[tokio::test]
async fn a_node_that_timed_out_and_lacks_the_block_is_given_it_again() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    node.will(Verdict::Hang);
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    let report = report(&delivery, |report| report.status == "accepted").await;
    assert_eq!((report.nodes[0].attempts, node.submitted().len()), (2, 2));
    assert_eq!(report.nodes[0].verdict, Some(Value::Null), "the first real words replace the silence");
}

#[tokio::test]
async fn a_node_that_timed_out_and_has_the_block_has_accepted_it() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let block = on(blocks[4].hash, 5, 1);
    node.mint(&block.bytes, &block);
    node.will(Verdict::AcceptSilently);
    let delivery = world.submit(&block.bytes);
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Accepted));
    assert_eq!(node.submitted().len(), 1, "it is not given it again");
}

#[tokio::test]
async fn a_node_that_is_down_is_given_the_block_when_it_comes_back() {
    let blocks = chain(5);
    let node = FakeNode::down("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    report(&delivery, |report| report.inspected_ms.is_some()).await;
    node.come_up();
    assert_eq!(delivery.acknowledgement().await.judgement, Some(Judgement::Accepted));
}

#[tokio::test]
async fn a_refused_block_that_is_handed_in_again_gets_a_fresh_verdict() {
    // What time may cure is asked about by the same delivery; what is refused for good begins anew.
    for (reason, for_good) in [("bad-cb-amount", true), ("time-too-new", false)] {
        let blocks = chain(5);
        let node = FakeNode::start("a", &blocks, None);
        let world = World::new(&[&node]).await;
        let block = on(blocks[4].hash, 5, 1);
        node.will(Verdict::Say(reason));
        let refused = world.submit(&block.bytes);
        let told = refused.acknowledgement().await;
        assert!(matches!(told.judgement, Some(Judgement::Refused { reason: word, .. }) if word == reason));

        let again = world.submit(&block.bytes);
        assert_eq!(Arc::ptr_eq(&refused, &again), !for_good, "{reason}");
        assert_eq!(again.acknowledgement().await.judgement, Some(Judgement::Accepted), "{reason}");

        let third = world.submit(&block.bytes);
        assert!(Arc::ptr_eq(&again, &third), "what was accepted is not asked about again");
        assert_eq!(third.acknowledgement().await.judgement, Some(Judgement::Accepted));
        assert_eq!(node.submitted().len(), 2, "{reason}");
    }
}

#[tokio::test]
async fn without_a_node_a_peers_proof_stands_for_a_verdict() {
    let world = World::new(&[]).await;
    let peers = world.peers(1, Manner::Accept, 4).await;
    let block = on(chain(5)[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    let told = delivery.acknowledgement().await;
    assert_eq!((told.judgement, told.durable), (None, true));
    assert_eq!(delivery.report("litecoin").peers_with_block, 1);
    peers[0].given(1).await;
}

#[tokio::test]
async fn the_caller_is_answered_with_the_word_of_whom_the_operator_chose_and_every_word_is_kept() {
    let blocks = chain(5);
    let block = on(blocks[4].hash, 5, 1);
    let rules =
        [(Acknowledge::First, "accepted"), (Acknowledge::All, "accepted"), (Acknowledge::Primary, "refused")];
    for (rule, told) in rules {
        let primary = FakeNode::start("a", &blocks, None);
        let backup = FakeNode::backup("b", &blocks);
        // The primary's refusal comes after the backup has accepted.
        let late = Verdict::Say("bad-cb-amount");
        primary.will(Verdict::After(Duration::from_millis(300), Box::new(late)));
        let world = World::acknowledging(&[&primary, &backup], rule).await;
        let delivery = world.submit(&block.bytes);
        let answer = delivery.acknowledgement().await.judgement.expect("a judgement in time");
        assert_eq!(answer.kind(), told, "{rule:?}");
        // Whoever is not waited for is asked all the same, and what it says stands in the report.
        let waited = delivery.report("litecoin").nodes[0].judgement.is_some();
        assert_eq!(waited, rule != Acknowledge::First, "{rule:?}");
        let report = settled(&delivery).await;
        let words: Vec<_> = report.nodes.iter().map(|node| node.judgement.as_deref()).collect();
        assert_eq!(words, [Some("refused"), Some("accepted")], "{rule:?}");
        assert_eq!(report.status, "accepted", "the block is where it belongs, whoever was asked");
    }
}
