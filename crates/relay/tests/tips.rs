//! New tips of others: who announced them how early, and passing them on.

mod support;

use std::time::Duration;

use bytes::Bytes;
use protocol::book::Kind;
use relay::PeerNotice;
use support::{
    Block, FakeNode, FakePeer, Manner, PATIENCE, STRANGER, Verdict, World, chain, clsig, on, outcome, report,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use wire::{BlockHash, Command, InvItem, Message};

/// Litecoin's kind for a block with everything.
const WHOLE: u32 = 0x6000_0002;

/// A peer at this address with a chain up to height 4 that wants headers, and what is told of it.
async fn peer_at(world: &World, address: &str) -> (FakePeer, UnboundedReceiver<PeerNotice>) {
    let peer = FakePeer::at(address, Manner::OnlyPong, 4).await;
    let (_, notices) = world.connect_and_listen(&peer, STRANGER).await;
    peer.say(Message::SendHeaders);
    peer.settle().await;
    (peer, notices)
}

async fn poll(world: &World) {
    for node in world.relay.nodes() {
        world.relay.poll_node(node).await;
    }
}

/// The announcements by header that a peer was sent.
fn told(peer: &FakePeer) -> Vec<Message> {
    peer.received(Command::HEADERS)
}

fn by_header(block: &Block) -> Message {
    Message::Headers(vec![block.header.clone()])
}

async fn hears_of(peer: &FakePeer, block: &Block) {
    peer.until(|messages| messages.contains(&by_header(block))).await;
}

/// Waits until it is asked for a block so often, and sends it as these bytes.
async fn gives(peer: &FakePeer, block: BlockHash, bytes: &Bytes) {
    let question = Message::GetData(vec![InvItem::block(WHOLE, block)]);
    peer.until(|messages| messages.contains(&question)).await;
    peer.say(Message::Block(bytes.clone()));
}

/// The next announcement that is told of a peer: how much later it was, and its place.
async fn announcement(notices: &mut UnboundedReceiver<PeerNotice>) -> (Duration, u32) {
    loop {
        let notice = timeout(PATIENCE, notices.recv()).await.expect("an announcement in time");
        if let PeerNotice::Announced { lag, position } = notice.expect("a connection") {
            return (lag, position);
        }
    }
}

fn asked_for(peer: &FakePeer) -> usize {
    peer.received(Command::GETDATA).len()
}

/// The same block with a coinbase that its header does not commit to.
fn forged(block: &Block) -> Bytes {
    let mut bytes = block.bytes.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes.into()
}

#[tokio::test]
async fn a_tip_that_a_node_has_is_announced_to_those_who_lack_it_and_served_on_request() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let (asks, _) = peer_at(&world, "127.0.0.1").await;
    let (has_it, mut notices) = peer_at(&world, "127.0.0.1").await;
    let lags = FakePeer::start(Manner::OnlyPong, 2).await;
    world.connect(&lags, STRANGER).await;
    let by_name = world.peers(1, Manner::OnlyPong, 4).await.remove(0);
    let block = on(blocks[4].hash, 5, 1);
    has_it.announce_header(&block);
    assert_eq!(announcement(&mut notices).await, (Duration::ZERO, 1));

    node.learn(&block);
    poll(&world).await;
    hears_of(&asks, &block).await;
    // It did not ask for headers, and comes last.
    let name = Message::Inv(vec![InvItem::block(2, block.hash)]);
    by_name.until(|messages| messages.contains(&name)).await;
    for peer in [&asks, &has_it, &lags, &by_name] {
        peer.settle().await;
        assert!(peer.blocks().is_empty(), "nothing but the announcement is sent unasked");
    }
    assert!(told(&has_it).is_empty(), "it announced the block itself");
    let heard = [told(&lags), lags.received(Command::INV)].concat();
    assert!(heard.is_empty(), "it lacks the parent");

    let question = vec![InvItem::block(WHOLE, block.hash), InvItem::block(WHOLE, BlockHash::ZERO)];
    asks.say(Message::GetData(question));
    assert_eq!(asks.given(1).await, [&block.bytes]);

    // Whatever else speaks for it: once is enough.
    by_name.announce(block.hash);
    by_name.settle().await;
    poll(&world).await;
    asks.settle().await;
    assert_eq!(told(&asks), [by_header(&block)]);
}

#[tokio::test]
async fn what_our_own_node_announces_as_a_peer_goes_on_before_anybody_asks_it_for_its_tip() {
    let blocks = chain(5);
    let own = FakePeer::start(Manner::OnlyPong, 4).await;
    let node = FakeNode::start("a", &blocks, Some(own.address.clone()));
    let world = World::new(&[&node]).await;
    let (_, mut of_own) = world.connect_and_listen(&own, Kind::Own { node: "a".into() }).await;
    let (listens, _) = peer_at(&world, "127.1.0.1").await;
    let block = on(blocks[4].hash, 5, 1);
    node.learn(&block);
    own.announce_header(&block);
    hears_of(&listens, &block).await;
    assert_eq!(world.relay.tip(), Some((block.hash, 5)));
    own.settle().await;
    assert!(told(&own).is_empty());
    assert!(of_own.try_recv().is_err(), "it is in no race with those that are there to be chosen");
}

#[tokio::test]
async fn a_tip_that_two_networks_have_is_fetched_from_a_peer_and_passed_on_and_one_network_is_not_enough() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let (first, mut of_first) = peer_at(&world, "127.1.0.1").await;
    let (second, mut of_second) = peer_at(&world, "127.1.0.2").await;
    let (other, mut of_other) = peer_at(&world, "127.2.0.1").await;
    let (listens, mut of_listens) = peer_at(&world, "127.3.0.1").await;
    let block = on(blocks[4].hash, 5, 1);

    first.announce_header(&block);
    assert_eq!(announcement(&mut of_first).await, (Duration::ZERO, 1));
    second.announce_header(&block);
    let (lag, position) = announcement(&mut of_second).await;
    assert!(lag > Duration::ZERO && position == 2);
    for peer in [&first, &second, &listens] {
        peer.settle().await;
        assert_eq!((asked_for(peer), told(peer).len()), (0, 0), "whoever has one address there has many");
    }

    other.announce_header(&block);
    let (later, position) = announcement(&mut of_other).await;
    assert!(later >= lag && position == 3);
    gives(&first, block.hash, &block.bytes).await;
    hears_of(&listens, &block).await;
    listens.say(Message::GetData(vec![InvItem::block(WHOLE, block.hash)]));
    assert_eq!(listens.given(1).await, [&block.bytes]);
    for peer in [&first, &second, &other] {
        peer.settle().await;
        assert!(told(peer).is_empty());
    }
    assert_eq!(asked_for(&second) + asked_for(&other), 0, "one body is enough");

    // The node comes to have it, too; that is no news any more.
    node.learn(&block);
    poll(&world).await;
    listens.settle().await;
    assert_eq!(told(&listens).len(), 1);

    listens.announce_header(&block);
    listens.announce_header(&on(block.hash, 6, 1));
    let first_of_all = announcement(&mut of_listens).await;
    assert_eq!(
        first_of_all,
        (Duration::ZERO, 1),
        "the next block: for the one that it heard from us it is not late"
    );
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_asked_of_another_and_without_one_nothing_is_passed_on() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let (first, _) = peer_at(&world, "127.1.0.1").await;
    let (second, _) = peer_at(&world, "127.2.0.1").await;
    let (listens, _) = peer_at(&world, "127.3.0.1").await;
    let bad = on(blocks[4].hash, 5, 1);
    first.announce_header(&bad);
    first.settle().await;
    second.announce_header(&bad);
    // The order in which they are asked is that in which they announced it.
    gives(&first, bad.hash, &forged(&bad)).await;
    gives(&second, bad.hash, &forged(&bad)).await;

    // While the bad one might be good, a rival of it waits.
    let good = on(blocks[4].hash, 5, 2);
    let question = Message::GetData(vec![InvItem::block(WHOLE, good.hash)]);
    let asked = async {
        loop {
            for peer in [&first, &second] {
                peer.announce_header(&good);
                peer.settle().await;
            }
            if first.received(Command::GETDATA).contains(&question) {
                return;
            }
        }
    };
    timeout(PATIENCE, asked).await.expect("the bad one is given up in time");
    first.say(Message::NotFound(vec![InvItem::block(WHOLE, good.hash)]));
    gives(&second, good.hash, &good.bytes).await;
    hears_of(&listens, &good).await;
    assert_eq!(told(&listens), [by_header(&good)]);
    listens.say(Message::GetData(vec![InvItem::block(WHOLE, bad.hash)]));
    listens.settle().await;
    assert!(listens.blocks().is_empty());
}

#[tokio::test]
async fn a_header_without_its_work_is_no_tip_and_ends_the_connection() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let (peer, mut notices) = peer_at(&world, "127.1.0.1").await;
    let recipe = support::Recipe { weak: true, ..support::Recipe::on(blocks[4].hash, 5, 1) };
    peer.announce_header(&support::mine(recipe));
    let ended = async {
        while let Some(notice) = notices.recv().await {
            if let PeerNotice::Ended(_) = notice {
                return;
            }
            assert!(!matches!(notice, PeerNotice::Announced { .. }));
        }
    };
    timeout(PATIENCE, ended).await.expect("an end in time");
}

#[tokio::test]
async fn nothing_is_passed_on_where_it_is_switched_off_nor_while_the_node_is_catching_up() {
    let blocks = chain(5);
    let block = on(blocks[4].hash, 5, 1);
    let nodes = ["a", "b", "c"].map(|name| FakeNode::start(name, &blocks, None));
    let worlds = [
        World::secretive(&[&nodes[0]]).await,
        World::new(&[&nodes[1]]).await,
        World::new(&[&nodes[2]]).await,
    ];
    nodes[1].download(true);
    let mut peers = Vec::new();
    for (world, node) in worlds.iter().zip(&nodes) {
        peers.push(peer_at(world, "127.1.0.1").await.0);
        node.learn(&block);
        poll(world).await;
    }
    hears_of(&peers[2], &block).await;
    for peer in &peers[..2] {
        peer.settle().await;
        assert!(told(peer).is_empty());
    }
}

#[tokio::test]
async fn a_block_of_ours_is_no_tip_of_others() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::with_observers(&[&node], 1).await;
    let (pushed, mut of_pushed) = peer_at(&world, "127.1.0.1").await;
    let (witness, mut of_witness) = peer_at(&world, "127.2.0.1").await;
    let block = on(blocks[4].hash, 5, 1);
    node.mint(&block.bytes, &block);
    let delivery = world.submit(&block.bytes);
    report(&delivery, |report| report.status == "accepted").await;
    poll(&world).await;
    let ready = world.relay.ready_peers();
    let observer = ready.iter().find(|peer| peer.is_observer()).expect("one of two observes");
    let (observes, sent) =
        if observer.address == pushed.address { (&pushed, &witness) } else { (&witness, &pushed) };
    assert_eq!(sent.given(1).await, [&block.bytes]);
    observes.announce(block.hash);
    observes.settle().await;

    // The next one is somebody else's: its observer hears of it from others, for its parent is ours and on its way.
    let next = on(block.hash, 6, 1);
    sent.announce(block.hash);
    sent.settle().await;
    node.learn(&next);
    poll(&world).await;
    hears_of(sent, &next).await;
    observes.settle().await;
    assert!(told(observes).is_empty());
    assert_eq!(told(sent), [by_header(&next)]);
    for notices in [&mut of_pushed, &mut of_witness] {
        while let Ok(notice) = notices.try_recv() {
            assert!(!matches!(notice, PeerNotice::Announced { .. }), "{notice:?}");
        }
    }
}

#[tokio::test]
async fn a_rival_of_a_block_of_ours_is_not_helped() {
    let blocks = chain(5);
    let node = FakeNode::start("a", &blocks, None);
    let world = World::new(&[&node]).await;
    let (peer, _) = peer_at(&world, "127.1.0.1").await;
    let (ours, rival) = (on(blocks[4].hash, 5, 1), on(blocks[4].hash, 5, 2));
    node.will(Verdict::Say("inconclusive"));
    let delivery = world.submit(&ours.bytes);
    report(&delivery, |report| report.inspected_ms.is_some() && outcome(report, &peer).is_some()).await;
    node.learn(&rival);
    poll(&world).await;
    let next = on(rival.hash, 6, 1);
    node.learn(&next);
    peer.announce(rival.hash);
    peer.settle().await;
    poll(&world).await;
    hears_of(&peer, &next).await;
    assert_eq!(told(&peer), [by_header(&next)]);
}

#[tokio::test]
async fn a_tip_that_turns_out_to_be_locked_out_is_not_served_any_more() {
    let blocks = chain(5);
    let nodes = [FakeNode::start("a", &blocks, None), FakeNode::start("b", &blocks, None)];
    let world = World::with_locks(&[&nodes[0], &nodes[1]]).await;
    let (peer, _) = peer_at(&world, "127.1.0.1").await;
    let (tip, locked) = (on(blocks[4].hash, 5, 1), on(blocks[4].hash, 5, 2));
    nodes[0].learn(&tip);
    poll(&world).await;
    hears_of(&peer, &tip).await;
    let question = vec![InvItem::block(WHOLE, tip.hash)];
    peer.say(Message::GetData(question.clone()));
    assert_eq!(peer.given(1).await, [&tip.bytes]);

    nodes[1].learn(&locked);
    nodes[1].lock(&clsig(&locked, 5, 1));
    poll(&world).await;
    let confirmed = async {
        while world.relay.newest_lock().is_none() {
            peer.settle().await;
        }
    };
    timeout(PATIENCE, confirmed).await.expect("a lock in time");
    peer.say(Message::GetData(question.clone()));
    peer.until(|messages| messages.contains(&Message::NotFound(question.clone()))).await;
    assert_eq!(peer.blocks().len(), 1);
}
