//! The journal, when it works and when it does not.

mod support;

use std::time::Duration;

use journal::Journal;
use relay::{Source, Submission};
use support::{FakeNode, Manner, Verdict, World, chain, on, report, settled};

#[tokio::test]
async fn a_block_is_sent_also_when_the_journal_cannot_be_written_and_says_so() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let directory = tempfile::tempdir().unwrap();
    // A file where the directory should be: not even root can write into it.
    let file = directory.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let world = World::with_journal(&[&node], 0, directory, &file.join("journal")).await;
    let peer = world.peers(1, Manner::Accept, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    let delivery = world.submit(&block.bytes);
    let told = delivery.acknowledgement().await;
    assert!(!told.durable && told.judgement.is_some(), "{told:?}");
    assert_eq!(peer.given(1).await, [&block.bytes]);
    let report = settled(&delivery).await;
    assert_eq!((report.durable, report.status.as_str()), (Some(false), "accepted"));
    assert!(report.journal_error.is_some());
}

#[tokio::test]
async fn a_block_that_the_disk_refused_is_durable_once_the_disk_has_taken_it() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("place");
    std::fs::write(&place, b"in the way").unwrap();
    let world = World::with_journal(&[&node], 0, directory, &place.join("journal")).await;
    // The node leaves the block open, or there would be nothing to keep.
    (0..100).for_each(|_| node.will(Verdict::Say("time-too-new")));
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    assert!(!delivery.acknowledgement().await.durable);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    let told = report(&delivery, |report| report.durable == Some(true)).await;
    assert_eq!(told.journal_error, None);
}

/// What is on disk after a run in which the node said this to the block.
async fn left_open(verdict: Verdict) -> Vec<bytes::Bytes> {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    node.will(verdict);
    let delivery = world.submit(&on(blocks[4].hash, 5, 1).bytes);
    assert!(delivery.acknowledgement().await.durable);
    report(&delivery, |report| report.nodes[0].judgement.is_some()).await;
    world.relay.shut_down(Duration::ZERO).await;
    let World { relay, directory, journal, .. } = world;
    drop(journal);
    // The last handle to the journal goes with the delivery's relay, and with it its thread.
    drop((relay, delivery));
    let (_, recovery) = Journal::open(&directory.path().join("journal")).expect("the journal was let go of");
    recovery.open.into_iter().map(|entry| entry.block).collect()
}

#[tokio::test]
async fn a_block_that_a_node_has_is_closed_and_one_that_none_has_is_kept_for_the_next_start() {
    assert_eq!(left_open(Verdict::Accept).await.len(), 0);
    assert_eq!(left_open(Verdict::Say("bad-cb-amount")).await.len(), 0, "no time will cure it");
    assert_eq!(left_open(Verdict::Say("time-too-new")).await.len(), 1);
    assert_eq!(left_open(Verdict::Say("prev-blk-not-found")).await.len(), 1);
}

#[tokio::test]
async fn a_replayed_block_is_durable_from_the_start_and_goes_everywhere() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let peer = world.peers(1, Manner::Accept, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    let replayed = Submission { on_disk: true, ..Submission::own(Source::Replay, block.bytes.clone()) };
    let delivery = world.relay.submit(replayed);
    assert_eq!(delivery.report("litecoin").durable, Some(true));
    let report = settled(&delivery).await;
    assert_eq!((report.status.as_str(), report.peers_with_block), ("accepted", 1));
    assert_eq!(peer.given(1).await, [&block.bytes]);
}
