//! Solved aux work: back to the node that issued it, and from there to everyone.

mod support;

use std::time::Duration;

use chain::AuxTemplate;
use relay::{AuxAnswer, Delivery};
use support::{Block, FakeNode, Manner, PATIENCE, Solved, Verdict, World, chain, hex, on, outcome, report};
use tokio::time::timeout;

const BITS: u32 = 0x207f_ffff;

/// A chain of heights 0 to 4, and the block on it that a node has issued work for.
fn issued() -> (Vec<Block>, Block, AuxTemplate) {
    let blocks = chain(5);
    let block = on(blocks[4].hash, 5, 1);
    let template = AuxTemplate { block: block.hash, bits: BITS, height: 5 };
    (blocks, block, template)
}

async fn answer(world: &World, block: &Block) -> AuxAnswer {
    world.relay.hand_in(block.hash, "c0ffee").answer().await
}

/// The delivery of a block that the relay fetched itself.
async fn delivery(world: &World, block: &Block) -> std::sync::Arc<Delivery> {
    let found = async {
        loop {
            let live = world.relay.live();
            if let Some(found) = live.into_iter().find(|delivery| delivery.block() == block.hash) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, found).await.expect("the block is on its way in time")
}

#[tokio::test]
async fn solved_work_goes_to_its_issuer_alone_and_the_block_from_there_to_all_nodes_and_peers() {
    let (blocks, block, template) = issued();
    let issuer = FakeNode::start("a", &blocks, None);
    let other = FakeNode::backup("b", &blocks);
    issuer.issued(Solved::Block(block.clone()));
    // As a node says to a block that it has.
    issuer.will(Verdict::Say("duplicate"));
    other.mint(&block.bytes, &block);
    let world = World::composed(&[&issuer, &other]).await;
    let peer = world.peers(1, Manner::Accept, 4).await.remove(0);
    world.relay.note_issued(template, "a");

    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
    assert_eq!((issuer.proofs().len(), other.proofs().len()), (1, 0));
    let delivery = delivery(&world, &block).await;
    let report = report(&delivery, |report| {
        report.nodes.iter().all(|node| node.judgement.is_some()) && outcome(report, &peer) == Some("accepted")
    })
    .await;
    let words: Vec<_> =
        report.nodes.iter().map(|node| (node.judgement.as_deref(), node.verdict.clone())).collect();
    assert_eq!(words[0], (Some("accepted"), Some("duplicate".into())));
    assert_eq!(words[1], (Some("accepted"), Some(serde_json::Value::Null)));
    assert_eq!((peer.blocks(), other.submitted()), (vec![block.bytes.clone()], vec![hex(&block.bytes)]));
    // The same once more, which the node has forgotten by now: the chain has it.
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
    assert_eq!(other.proofs().len(), 0);
}

#[tokio::test]
async fn the_nodes_true_is_not_believed_when_the_block_is_beside_its_chain() {
    let (blocks, block, template) = issued();
    let issuer = FakeNode::start("a", &blocks, None);
    issuer.issued(Solved::Late(block.clone()));
    issuer.will(Verdict::Say("duplicate"));
    let world = World::composed(&[&issuer]).await;
    world.relay.note_issued(template, "a");
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(false)));
    let delivery = delivery(&world, &block).await;
    report(&delivery, |report| report.status == "inconclusive").await;
}

#[tokio::test]
async fn a_refused_proof_is_answered_as_such_and_what_is_wrong_with_it_is_named() {
    let (blocks, block, template) = issued();
    let issuer = FakeNode::start("a", &blocks, None);
    issuer.issued(Solved::Refused);
    let world = World::composed(&[&issuer]).await;
    world.relay.note_issued(template, "a");
    let aux = world.relay.hand_in(block.hash, "c0ffee");
    assert!(matches!(aux.answer().await, AuxAnswer::Judged(false)));
    assert!(aux.finding().expect("a finding").contains("auxpow-decode-failed"));
    assert!(world.relay.live().is_empty());
    // Not remembered as done: whoever hands it in again has it judged again.
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(false)));
    assert_eq!(issuer.proofs().len(), 2);
}

#[tokio::test]
async fn work_whose_issuer_is_not_known_is_handed_to_every_node_and_one_may_have_it() {
    let (blocks, block, _) = issued();
    let stranger = FakeNode::start("a", &blocks, None);
    let issuer = FakeNode::backup("b", &blocks);
    issuer.issued(Solved::Block(block.clone()));
    issuer.will(Verdict::Say("duplicate"));
    stranger.mint(&block.bytes, &block);
    let world = World::composed(&[&stranger, &issuer]).await;
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
    assert_eq!((stranger.proofs().len(), issuer.proofs().len()), (1, 1));
}

#[tokio::test]
async fn work_that_no_node_knows_is_answered_in_the_nodes_own_words() {
    let (blocks, block, _) = issued();
    let node = FakeNode::start("a", &blocks, None);
    let world = World::composed(&[&node]).await;
    let AuxAnswer::Error { code, message } = answer(&world, &block).await else { panic!("an error") };
    assert_eq!((code, message.as_str()), (-8, "block hash unknown"));
}

#[tokio::test]
async fn a_node_that_cannot_take_it_just_now_is_asked_again() {
    let (blocks, block, template) = issued();
    let issuer = FakeNode::start("a", &blocks, None);
    issuer.issued(Solved::NotYet(-9, Box::new(Solved::NotYet(-10, Box::new(Solved::Block(block.clone()))))));
    issuer.will(Verdict::Say("duplicate"));
    let world = World::composed(&[&issuer]).await;
    world.relay.note_issued(template, "a");
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
    assert_eq!(issuer.proofs().len(), 3);
}

#[tokio::test]
async fn who_issued_what_and_what_was_solved_survive_a_restart() {
    let (blocks, block, template) = issued();
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let other = FakeNode::start("a", &blocks, None);
    let issuer = FakeNode::down("b", &blocks, None);
    {
        let place = tempfile::tempdir().unwrap();
        let (world, _) = World::composed_on(&[&other, &issuer], place, &journal).await;
        world.relay.note_issued(template, "b");
        let aux = world.relay.hand_in(block.hash, "c0ffee");
        let AuxAnswer::Unreachable { message } = aux.answer().await else { panic!("its issuer is down") };
        assert!(message.contains('b'), "{message}");
        world.relay.shut_down(Duration::ZERO).await;
        world.journal.clone().shutdown();
    }
    issuer.issued(Solved::Block(block.clone()));
    issuer.will(Verdict::Say("duplicate"));
    issuer.come_up();
    let (world, open) = World::composed_on(&[&other, &issuer], directory, &journal).await;
    assert_eq!(open, 2, "the work and its solution");
    let delivery = delivery(&world, &block).await;
    report(&delivery, |report| report.status == "accepted").await;
    assert_eq!((issuer.proofs(), other.proofs()), (vec!["c0ffee".into()], vec![]));
}

#[tokio::test]
async fn a_block_that_its_node_cannot_give_just_now_is_fetched_later() {
    let (blocks, block, template) = issued();
    let issuer = FakeNode::start("a", &blocks, None);
    issuer.issued(Solved::Block(block.clone()));
    issuer.will(Verdict::Say("duplicate"));
    issuer.fail_to_give(2);
    let world = World::composed(&[&issuer]).await;
    world.relay.note_issued(template, "a");
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
    let delivery = delivery(&world, &block).await;
    report(&delivery, |report| report.status == "accepted").await;
}

#[tokio::test]
async fn a_node_that_hangs_keeps_nobody_waiting_for_the_one_that_has_the_block() {
    let (blocks, block, _) = issued();
    let hung = FakeNode::start("a", &blocks, None);
    let issuer = FakeNode::backup("b", &blocks);
    issuer.issued(Solved::Block(block.clone()));
    issuer.will(Verdict::Say("duplicate"));
    let world = World::composed(&[&hung, &issuer]).await;
    hung.fall_silent();
    assert!(matches!(answer(&world, &block).await, AuxAnswer::Judged(true)));
}
