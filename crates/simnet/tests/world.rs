//! Temperaments and gossip over real sockets. What is waited for is waited for with a limit; no test sleeps to let
//! something happen.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/caller.rs"]
mod caller;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use caller::{Caller, MAGIC, PATIENCE, has, node_plan, peer, world, world_of};
use simnet::{
    Link, Order, Temperament, node, profile,
    sockets::{Member, NodePlan, PeerPlan, Plan, World},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use wire::{InvItem, Message};

#[tokio::test]
async fn an_honest_peer_takes_a_block_and_says_so() {
    let world = world_of(Temperament::Honest).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    let block = world.mint(&Order { size: 300_000, flaw: None });
    caller.push(&block).await;
    let heard = caller.until_pong(5).await;
    assert!(heard.contains(&Message::Headers(vec![block.header.clone()])), "{heard:?}");
    assert!(has(&world, "it", &block));
    assert_eq!(world.tip().hash, block.hash);
    world.shutdown().await;
}

#[tokio::test]
async fn a_slow_peer_takes_it_too_and_its_time() {
    let by = Duration::from_millis(250);
    let world = world_of(Temperament::Slow { by }).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    let block = world.mint(&Order::default());
    let begin = Instant::now();
    caller.push(&block).await;
    let heard = caller.until_pong(5).await;
    assert!(heard.contains(&Message::Headers(vec![block.header.clone()])), "{heard:?}");
    assert!(
        begin.elapsed() >= by + 2 * by / 5,
        "the block, the question and the ping: {:?}",
        begin.elapsed()
    );
    world.shutdown().await;
}

#[tokio::test]
async fn a_line_adds_its_latency_both_ways_and_its_pace() {
    let link = Link { latency: Duration::from_millis(60), bandwidth: Some(1_000_000) };
    let plan = PeerPlan { link, ..peer("far", Temperament::Honest) };
    let world = world(vec![plan], vec![]).await;
    let mut caller = Caller::new(world.member("far").unwrap().p2p()).await;
    let begin = Instant::now();
    caller.say(Message::Ping(5)).await;
    caller.until_pong(5).await;
    assert!(begin.elapsed() >= 2 * link.latency, "{:?}", begin.elapsed());

    let block = world.mint(&Order { size: 200_000, flaw: None });
    let begin = Instant::now();
    caller.push(&block).await;
    caller.until_pong(5).await;
    assert!(begin.elapsed() >= 2 * link.latency + Duration::from_millis(200), "{:?}", begin.elapsed());
    assert!(has(&world, "far", &block));
    world.shutdown().await;
}

#[tokio::test]
async fn a_deaf_peer_shakes_hands_and_never_reads_again() {
    let world = world_of(Temperament::Deaf).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    let block = world.mint(&Order { size: 1_000_000, flaw: None });
    // Small buffers at its end, so the rest of what both kernels take is ours: 16 MB are more than that.
    let stuck = async {
        for _ in 0..16 {
            let bytes = node::frame(MAGIC, &Message::Block(block.bytes.clone()));
            caller.stream.write_all(&bytes).await.expect("an open connection");
        }
    };
    timeout(Duration::from_secs(1), stuck).await.expect_err("nobody takes them");
    assert!(!has(&world, "it", &block));
    world.shutdown().await;
}

#[tokio::test]
async fn a_mute_peer_reads_everything_and_says_nothing() {
    let world = world_of(Temperament::Mute).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    let block = world.mint(&Order { size: 1_000_000, flaw: None });
    for _ in 0..16 {
        caller.push(&block).await;
    }
    assert!(caller.is_silent().await);
    assert!(!has(&world, "it", &block));
    world.shutdown().await;
}

#[tokio::test]
async fn a_zombie_answers_pings_and_questions_and_stays_where_it_was() {
    let world = world_of(Temperament::Zombie).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    let block = world.mint(&Order::default());
    caller.push(&block).await;
    let heard = caller.until_pong(5).await;
    assert!(heard.contains(&Message::Headers(vec![])), "{heard:?}");
    assert!(!has(&world, "it", &block));
    world.shutdown().await;
}

#[tokio::test]
async fn a_cutting_peer_hangs_up_in_the_middle_of_a_block_and_takes_other_words() {
    let world = world_of(Temperament::Cutting).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    caller.say(Message::Ping(4)).await;
    caller.until_pong(4).await;
    let block = world.mint(&Order { size: 1_000_000, flaw: None });
    let frame = node::frame(MAGIC, &Message::Block(block.bytes.clone()));
    // The first half is not enough to make it hang up; one byte beyond the middle is.
    let middle = wire::HEADER_LEN + block.bytes.len() / 2;
    caller.stream.write_all(&frame[..middle - 1]).await.unwrap();
    assert!(caller.is_silent().await);
    caller.stream.write_all(&frame[middle - 1..=middle]).await.unwrap();
    while caller.hear().await.is_some() {}
    assert!(!has(&world, "it", &block));
    assert!(Caller::try_new(world.members()[0].p2p()).await.is_some(), "it can be dialled again");
    world.shutdown().await;
}

#[tokio::test]
async fn a_flapping_peer_drops_everybody_and_comes_back() {
    let (up, down) = (Duration::from_millis(400), Duration::from_secs(1));
    let world = world_of(Temperament::Flapping { up, down }).await;
    let address = world.members()[0].p2p();
    let come_back = async {
        loop {
            if let Some(caller) = Caller::try_new(address).await {
                return caller;
            }
        }
    };
    let mut caller = come_back.await;
    // It may leave in the middle of whatever is said, so that is all that can be relied on.
    while caller.hear().await.is_some() {}
    let mut refusals = 0;
    let back = async {
        loop {
            match Caller::try_new(address).await {
                Some(caller) => return caller,
                None => refusals += 1,
            }
        }
    };
    timeout(PATIENCE, back).await.expect("it comes back");
    assert!(refusals > 0, "while it is away connections are closed at once");
    world.shutdown().await;
}

#[tokio::test]
async fn a_block_that_appears_anywhere_gossips_to_all_who_take_blocks_and_is_announced() {
    let link = Link { latency: Duration::from_millis(5), bandwidth: None };
    let peers =
        (0..8).map(|index| PeerPlan { link, ..peer(&format!("honest-{index}"), Temperament::Honest) });
    let bad = [Temperament::Deaf, Temperament::Mute, Temperament::Zombie, Temperament::Cutting];
    let bad = bad.map(|temperament| peer(temperament.name(), temperament));
    let world = world(peers.chain(bad).collect(), vec![node_plan("a", Temperament::Honest)]).await;
    let mut observer = Caller::new(world.member("honest-7").unwrap().p2p()).await;
    observer.say(Message::Ping(1)).await;
    observer.until_pong(1).await;

    let block = world.mint(&Order::default());
    let before = world.elapsed();
    assert!(world.inject("honest-0", &block.bytes).unwrap().is_connected());
    timeout(PATIENCE, world.everyone_has(&block.hash)).await.expect("gossip reaches everybody");
    assert_eq!(observer.hear().await, Some(Message::Inv(vec![InvItem::block(2, block.hash)])));
    for truth in world.truth(&block.hash) {
        assert_eq!(truth.accepted_at.is_some(), truth.temperament.gossips(), "{truth:?}");
        assert_eq!(truth.is_node, truth.member == "a");
        if let Some(at) = truth.accepted_at.filter(|_| truth.member != "honest-0") {
            assert!(at >= before + 3 * link.latency, "{truth:?}: three crossings");
        }
    }
    world.shutdown().await;
}

#[tokio::test]
async fn after_the_end_no_task_and_no_port_is_left() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let peers = Temperament::ALL.map(|temperament| peer(temperament.name(), temperament));
    let world = world(peers.into(), vec![node_plan("a", Temperament::Honest)]).await;
    let mut callers = Vec::new();
    for member in world.members() {
        callers.push(Caller::new(member.p2p()).await);
    }
    let block = world.mint(&Order::default());
    for caller in &mut callers {
        // Some hang up while it is being said.
        let _ = caller.try_say(&Message::Block(block.bytes.clone())).await;
    }
    let addresses: Vec<SocketAddr> = world.members().iter().map(Member::p2p).collect();
    assert!(tasks() > before);
    timeout(PATIENCE, world.shutdown()).await.expect("an orderly end");
    assert_eq!(tasks(), before);
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_dropped_world_ends_too() {
    let world = world_of(Temperament::Honest).await;
    let mut caller = Caller::new(world.members()[0].p2p()).await;
    drop(world);
    while caller.hear().await.is_some() {}
}

#[tokio::test]
async fn a_plan_that_cannot_be_is_refused_in_words() {
    let start = |plan| World::start(profile::litecoin::regtest(), plan);
    let error = start(Plan::default()).await.unwrap_err();
    assert_eq!(error.kind(), "empty");
    let twice = vec![peer("it", Temperament::Honest), peer("it", Temperament::Mute)];
    let error = start(Plan { peers: twice, ..Plan::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), "two members are called \"it\"");
    let nowhere =
        NodePlan { cookie_file: Some("/nonexistent/cookie".into()), ..node_plan("a", Temperament::Honest) };
    let error = start(Plan { nodes: vec![nowhere], ..Plan::default() }).await.unwrap_err();
    assert_eq!(error.kind(), "cookie");
    let world = world_of(Temperament::Honest).await;
    let nobody = world.inject("nobody", &Bytes::new()).unwrap_err();
    assert_eq!(nobody.kind(), "unknown_member");
}
