//! What the chain says of our blocks, whatever nodes do and whenever we were restarted.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::{sync::Arc, time::Duration};

use ledger::{Block as Known, Ledger};
use relay::Delivery;
use support::{Block, FakeNode, Verdict, World, chain, on, settled};
use tempfile::TempDir;
use wire::BlockHash;

/// A chain of heights 0 to 4, the block on it that our pool finds, and a rival of it.
fn found() -> (Vec<Block>, Block, Block) {
    let blocks = chain(5);
    let (block, rival) = (on(blocks[4].hash, 5, 1), on(blocks[4].hash, 5, 2));
    (blocks, block, rival)
}

/// So many blocks on top of this one.
fn above(block: &Block, height: u32, count: u32) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for above in 1..=count {
        let parent = blocks.last().map_or(block.hash, |last| last.hash);
        blocks.push(on(parent, height + above, 0));
    }
    blocks
}

/// Polls until the ledger says so of the block.
async fn known(world: &World, ledger: &Ledger, block: BlockHash, holds: impl Fn(&Known) -> bool) -> Known {
    let looking = async {
        loop {
            world.poll().await;
            let found = ledger.block(&block.to_string()).await.unwrap().into_iter().next();
            if let Some(found) = found.filter(&holds) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(support::PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("it stays at {:#?}", ledger.block(&block.to_string()).await),
    }
}

async fn in_state(world: &World, ledger: &Ledger, block: &Block, state: &str) -> Known {
    known(world, ledger, block.hash, |known| known.fate.state == state).await
}

fn path(known: &Known) -> Vec<&str> {
    known.fate.changes.iter().map(|change| change.state.as_str()).collect()
}

/// Ends everything and starts it again, with the same files.
async fn restart(world: World, ledger: Ledger, nodes: &[&FakeNode]) -> (World, Ledger) {
    world.relay.shut_down(Duration::ZERO).await;
    let World { relay, directory, journal, .. } = world;
    drop(relay);
    tokio::task::spawn_blocking(move || (ledger.shutdown(), journal.shutdown())).await.unwrap();
    World::with_ledger(nodes, directory).await
}

async fn world(node: &FakeNode) -> (World, Ledger) {
    World::with_ledger(&[node], TempDir::new().unwrap()).await
}

/// The node takes it.
async fn take(world: &World, node: &FakeNode, block: &Block) -> Arc<Delivery> {
    node.mint(&block.bytes, block);
    let delivery = world.submit(&block.bytes);
    assert_eq!(settled(&delivery).await.status, "accepted");
    delivery
}

#[tokio::test]
async fn a_block_that_a_node_forgets_before_it_was_asked_where_it_has_it_is_sent_again() {
    let (blocks, block, _) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    // It comes back with the very tip that it had when it was asked last.
    node.forget_all_but(blocks.len());
    let twice = |known: &Known| known.deliveries.len() == 2 && known.fate.state == "active";
    let known = known(&world, &ledger, block.hash, twice).await;
    assert_eq!((path(&known), known.fate.replays.done), (vec!["active"], 1), "{known:#?}");
    assert_eq!(node.submitted().len(), 2);
}

#[tokio::test]
async fn a_block_that_was_forgotten_while_we_were_away_is_sent_again_from_the_history() {
    let (blocks, block, _) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    known(&world, &ledger, block.hash, |known| known.deliveries[0].status == "accepted").await;
    node.forget_all_but(blocks.len());
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    let known = known(&world, &ledger, block.hash, |known| known.deliveries.len() == 2).await;
    assert_eq!(known.deliveries[1].source.as_str(), "replay");
    in_state(&world, &ledger, &block, "active").await;
}

#[tokio::test]
async fn of_several_forms_the_one_that_a_node_has_taken_is_kept_and_sent_again() {
    let (blocks, block, _) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    let mut forged = block.bytes.to_vec();
    let last = forged.len() - 8;
    forged[last] ^= 1;
    node.will(Verdict::Say("bad-txnmrklroot"));
    settled(&world.submit(&forged.into())).await;
    take(&world, &node, &block).await;
    let taken = |known: &Known| known.deliveries.iter().any(|delivery| delivery.status == "accepted");
    known(&world, &ledger, block.hash, |known| known.fate.state == "active" && taken(known)).await;
    let (_, kept) = ledger.raw(None, &block.hash.to_string()).await.unwrap().expect("its bytes");
    assert!(kept == block.bytes, "not those that were refused");
    node.forget_all_but(blocks.len());
    known(&world, &ledger, block.hash, |known| path(known) == ["active", "open", "active"]).await;
    assert_eq!(node.submitted().last(), Some(&support::hex(&block.bytes)));
}

#[tokio::test]
async fn a_last_word_is_counted_once_whatever_comes_between_and_however_often_we_start() {
    let (blocks, block, _) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    in_state(&world, &ledger, &block, "active").await;
    above(&block, 5, 2).iter().for_each(|block| node.learn(block));
    in_state(&world, &ledger, &block, "confirmed").await;
    let counted = [("final=confirmed source=rest".to_owned(), 1)];
    assert_eq!(world.counted("blocks_total"), counted);

    // The node loses it, gets it again, and it is confirmed once more.
    node.forget_all_but(blocks.len());
    known(&world, &ledger, block.hash, |known| path(known) == ["active", "confirmed", "open", "active"])
        .await;
    above(&block, 5, 2).iter().for_each(|block| node.learn(block));
    in_state(&world, &ledger, &block, "confirmed").await;
    assert_eq!(world.counted("blocks_total"), counted);
    assert_eq!(world.counted("final_word_changes_total"), []);

    // One less deep, it is still confirmed; and after a start nothing is counted that was.
    node.forget_all_but(blocks.len() + 1);
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    let lower = known(&world, &ledger, block.hash, |known| known.fate.confirmations == 1).await;
    assert_eq!((lower.fate.state.as_str(), path(&lower).len()), ("confirmed", 5));
    // Handed in once more: its history is not begun anew.
    settled(&world.submit(&block.bytes)).await;
    let again = known(&world, &ledger, block.hash, |known| known.deliveries.len() == 3).await;
    world.poll().await;
    assert_eq!((again.fate.state.as_str(), path(&again).len()), ("confirmed", 5), "{again:#?}");
    assert_eq!((world.counted("blocks_total"), world.counted("final_word_changes_total")), (vec![], vec![]));
}

#[tokio::test]
async fn a_rejected_block_stays_rejected_after_a_start_and_is_not_sent_again() {
    let (blocks, block, rival) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    node.will(Verdict::Say("bad-cb-amount"));
    settled(&world.submit(&block.bytes)).await;
    let before = in_state(&world, &ledger, &block, "rejected").await;
    node.learn(&rival);
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    let after = known(&world, &ledger, block.hash, |known| !known.fate.places.is_empty()).await;
    assert_eq!((after.fate.state.as_str(), path(&after)), ("rejected", path(&before)));
    assert_eq!(after.fate.diagnosis.map(|diagnosis| diagnosis.kind).as_deref(), Some("rejected"));
    assert_eq!((node.submitted().len(), world.counted("blocks_total")), (1, vec![]));
}

#[tokio::test]
async fn what_a_lost_race_was_lost_by_is_not_computed_anew_after_a_start() {
    let (blocks, block, rival) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    in_state(&world, &ledger, &block, "active").await;
    let branch = [&[rival.clone()][..], &above(&rival, 5, 1)].concat();
    node.reorganise(&branch);
    // Said at once, and said better when it is known who had it when.
    let is_dated = |known: &ledger::Block| {
        let diagnosis = known.fate.diagnosis.as_ref();
        known.fate.state == "side" && diagnosis.is_some_and(|diagnosis| diagnosis.behind_ms.is_some())
    };
    let before = known(&world, &ledger, block.hash, is_dated).await;
    assert_eq!(before.fate.by, Some(rival.hash.to_string()));
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    above(&branch[1], 6, 1).iter().for_each(|block| node.learn(block));
    let after = in_state(&world, &ledger, &block, "orphaned").await;
    assert_eq!(after.fate.diagnosis, before.fate.diagnosis);
    assert_eq!(after.fate.rival_heard, before.fate.rival_heard);
    assert_eq!(path(&after), ["active", "side", "orphaned"]);
    assert_eq!(world.counted("blocks_total"), [("final=orphaned source=rest".to_owned(), 1)]);
}

#[tokio::test]
async fn a_rival_that_came_while_we_were_away_is_not_dated() {
    let (blocks, block, rival) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    in_state(&world, &ledger, &block, "active").await;
    node.reorganise(&[&[rival.clone()][..], &above(&rival, 5, 1)].concat());
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    let after = in_state(&world, &ledger, &block, "side").await;
    assert_eq!(after.fate.rival_heard, None);
    let diagnosis = after.fate.diagnosis.unwrap();
    assert!(diagnosis.text.contains("not known"), "{diagnosis:?}");
}

#[tokio::test]
async fn a_refused_form_does_not_make_a_block_rejected_that_a_node_has_taken() {
    let (blocks, block, rival) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    let delivery = take(&world, &node, &block).await;
    in_state(&world, &ledger, &block, "active").await;
    node.reorganise(&[&[rival.clone()][..], &above(&rival, 5, 1)].concat());
    in_state(&world, &ledger, &block, "side").await;
    // Only the history has the good form when the bad one comes.
    let (world, ledger) = restart(world, ledger, &[&node]).await;
    drop(delivery);
    let mut forged = block.bytes.to_vec();
    let last = forged.len() - 8;
    forged[last] ^= 1;
    node.will(Verdict::Say("bad-txnmrklroot"));
    settled(&world.submit(&forged.into())).await;
    let after = known(&world, &ledger, block.hash, |known| known.deliveries.len() == 2).await;
    world.poll().await;
    let now = known(&world, &ledger, block.hash, |known| !known.fate.places.is_empty()).await;
    assert_eq!((after.fate.state.as_str(), now.fate.state.as_str()), ("side", "side"));
}

#[tokio::test]
async fn a_node_that_does_not_say_what_is_at_a_height_has_said_nothing() {
    let (blocks, block, rival) = found();
    let node = FakeNode::start("a", &blocks, None);
    let (world, ledger) = world(&node).await;
    take(&world, &node, &block).await;
    in_state(&world, &ledger, &block, "active").await;
    node.hide_hashes(true);
    node.reorganise(&[&[rival.clone()][..], &above(&rival, 5, 1)].concat());
    world.poll().await;
    assert_eq!(world.relay.blocks()[0].fate.state, "active", "as far as we know");
    node.hide_hashes(false);
    let known = in_state(&world, &ledger, &block, "side").await;
    assert_eq!(path(&known), ["active", "side"]);
    assert_eq!(node.submitted().len(), 1);
}
