//! Merged mining over HTTP: a node issues work, takes the solution, and the whole block goes to another node.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/caller.rs"]
mod caller;

use std::time::Duration;

use caller::{Caller, PATIENCE, has, node_plan, peer};
use rpc::{Auth, Client, Endpoint, Timeouts};
use serde_json::{Value, json};
use simnet::{
    Order, Temperament, profile,
    sockets::{Plan, World},
};
use tokio::time::timeout;
use wire::{BlockHash, Message};

const ADDRESS: &str = "n2kJwUTtcSUMRQkpxYZE3xLyLxYNCdgLVe";

/// Three nodes, of which one is slow and one is not there, and a peer; today's blocks.
async fn dogecoin() -> World {
    let slow = Temperament::Slow { by: Duration::from_millis(250) };
    let nodes =
        vec![node_plan("a", Temperament::Honest), node_plan("b", slow), node_plan("c", Temperament::Down)];
    let peers = vec![peer("it", Temperament::Honest), peer("gone", Temperament::Down)];
    let plan = Plan { seed: 1, history: 25, neighbours: 2, peers, nodes, quorum: None };
    World::start(profile::dogecoin::regtest(), plan).await.unwrap()
}

async fn litecoin() -> World {
    caller::world(vec![], vec![node_plan("l", Temperament::Honest)]).await
}

fn client(world: &World, name: &str) -> Client {
    let address = world.member(name).unwrap().rpc().unwrap();
    let auth = Auth::password(address.user(), address.password());
    let url = address.url().parse().unwrap();
    Client::new(Endpoint { name: name.into(), url, auth, timeouts: Timeouts::default() })
}

/// What a merged miner does: commits a Litecoin block to the work, and makes the proof of it.
fn solve(parents: &World, template: &Value) -> (BlockHash, Vec<u8>) {
    let block: BlockHash = template["hash"].as_str().unwrap().parse().unwrap();
    let mut root = *block.as_wire();
    root.reverse();
    let commitment = [&b"\xfa\xbemm"[..], &root, &1_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    let parent = parents.mint_with(&Order { size: 0, flaw: None }, &commitment);
    assert!(parents.inject("l", &parent.bytes).unwrap().is_connected(), "a block of its own chain");
    assert!(parent.coinbase_branch.is_empty());
    let proof = [&parent.coinbase[..], &[0; 32], &[0; 5], &[0; 5], parent.header.fixed()].concat();
    (block, proof)
}

#[tokio::test]
async fn work_goes_from_a_node_to_a_miner_and_as_a_whole_block_to_the_other_nodes() {
    let (world, parents) = (dogecoin().await, litecoin().await);
    let a = client(&world, "a");
    let template: Value = a.call("createauxblock", json!([ADDRESS])).await.unwrap();
    assert_eq!(template["previousblockhash"], world.tip().hash.to_string());

    let (block, proof) = solve(&parents, &template);
    let proof = faster_hex::hex_string(&proof);
    // The proof alone is of no use to a node that did not issue the work.
    let b = client(&world, "b");
    let error = b.call::<bool>("submitauxblock", json!([block.to_string(), proof])).await.unwrap_err();
    assert!(error.to_string().contains("block hash unknown"), "{error}");
    assert!(a.call::<bool>("submitauxblock", json!([block.to_string(), proof])).await.unwrap());
    assert_eq!((world.tip().hash, parents.tip().height), (block, 4));

    let whole: String = a.call("getblock", json!([block.to_string(), false])).await.unwrap();
    assert!(whole[160..].starts_with(&proof), "the auxpow stands behind the 80 bytes");
    // Whether it has it by then from its neighbour, or from here, it does not say.
    let said: Option<String> = b.call("submitblock", json!([whole])).await.unwrap();
    assert!(said.is_none_or(|said| said == "duplicate"));
    timeout(PATIENCE, world.everyone_has(&block)).await.expect("the peer hears of it");
    assert_eq!(b.call::<Value>("getbestblockhash", json!([])).await.unwrap(), block.to_string());
    let truth = world.truth(&block);
    let without: Vec<_> =
        truth.iter().filter(|truth| !truth.active).map(|truth| truth.member.as_str()).collect();
    assert_eq!(without, ["gone", "c"]);
    world.shutdown().await;
    parents.shutdown().await;
}

#[tokio::test]
async fn one_find_for_two_worlds_is_taken_by_both() {
    let (world, parents) = (dogecoin().await, litecoin().await);
    let (block, parent) = world.mint_merged(&Order::default(), &parents, &Order::default()).unwrap();
    assert!(parents.mint_merged(&Order::default(), &world, &Order::default()).is_none(), "not the other way");
    assert!(parents.inject("l", &parent.bytes).unwrap().is_connected());
    let mut caller =
        Caller::of(&profile::dogecoin::regtest(), world.member("it").unwrap().p2p()).await.unwrap();
    caller.push(&block).await;
    let heard = caller.until_pong(5).await;
    assert!(heard.contains(&Message::Headers(vec![block.header.clone()])), "{heard:?}");
    timeout(PATIENCE, world.everyone_has(&block.hash)).await.expect("gossip");
    assert!(has(&world, "b", &block) && has(&parents, "l", &parent) && !has(&world, "c", &block));
    world.shutdown().await;
    parents.shutdown().await;
}

#[tokio::test]
async fn nobody_listens_where_a_member_is_down() {
    let world = dogecoin().await;
    for name in ["gone", "c"] {
        let error = tokio::net::TcpStream::connect(world.member(name).unwrap().p2p()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{name}");
    }
    let error = client(&world, "c").call::<u32>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!(error.kind(), "refused");
    world.shutdown().await;
}
