//! Peers found through real nodes, kept, and found again.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use e2e::setup::Node;
use e2e::{Blockcast, Litecoind, Options, Setup, eventually, gossip, namespace, require_litecoind};
use serde_json::{Value, json};

/// How long a daemon may keep addresses before it passes them on: thirty seconds in the mean, and sometimes far more.
const GOSSIP: Duration = Duration::from_secs(240);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn node(name: &str, host: [u8; 4]) -> Litecoind {
    // What it is told by one peer at once it would not take otherwise.
    let args = vec!["-whitelist=addr@20.0.0.0/8".into()];
    Litecoind::start(Options { name: name.into(), host: Ipv4Addr::from(host), args, ..Options::default() })
}

/// The book's entries of one source.
fn of_source(bc: &Blockcast, source: &str) -> Vec<Value> {
    let reply = bc.get_json("/api/v1/chains/litecoin/peers");
    let peers = reply["peers"].as_array().unwrap();
    peers.iter().filter(|peer| peer["source"] == source).cloned().collect()
}

fn is_connected(bc: &Blockcast, node: &Litecoind) -> bool {
    let reply = bc.get_json("/api/v1/chains/litecoin/peers");
    let peers = reply["peers"].as_array().unwrap();
    let address = node.p2p_addr().to_string();
    peers.iter().any(|peer| peer["address"] == *address && peer["state"] == "connected")
}

#[test]
fn peers_are_found_through_nodes_and_gossip_and_found_again_without_them() {
    require_litecoind!();
    if !namespace::entered("peers_are_found_through_nodes_and_gossip_and_found_again_without_them") {
        return;
    }
    let mut ours = node("ours", [20, 1, 0, 1]);
    let [first, second] = [[20, 2, 0, 1], [20, 3, 0, 1]].map(|host| node("theirs", host));
    ours.connect_to(&first);
    ours.connect_to(&second);
    let others: Vec<_> = (0..60).map(|n| SocketAddrV4::new(Ipv4Addr::new(20, 10 + n, 0, 1), 9333)).collect();
    gossip::tell(&first, &others);

    // getpeerinfo tells of the two, gossip of some of the others.
    let discovery = vec!["node".into(), "gossip".into()];
    let setup = Setup { nodes: vec![Node::of("a", &ours)], discovery, observers: 0, ..Setup::default() };
    let mut bc = Blockcast::start(setup);
    bc.wait_ready();
    eventually(PATIENCE, "both are connected", || is_connected(&bc, &first) && is_connected(&bc, &second));
    assert_eq!(of_source(&bc, "node").len(), 2);
    let gossiped = eventually(GOSSIP, "a peer tells of others", || {
        let found = of_source(&bc, "gossip");
        (!found.is_empty()).then_some(found.len())
    });
    // By addrv2: litecoind was told that we understand it.
    let sent = |node: &Litecoind, message: &str| {
        let of_peer = |peer: &Value| peer["bytessent_per_msg"][message].as_u64();
        node.connections().iter().filter_map(of_peer).sum::<u64>()
    };
    assert!(sent(&first, "addrv2") > 0 && sent(&first, "addr") == 0);

    // The next run knows them all, although our node is away; nobody is dialled that cannot be.
    assert!(bc.sigterm().success());
    ours.stop();
    bc.restart();
    bc.wait_ready();
    eventually(PATIENCE, "both are connected again", || {
        is_connected(&bc, &first) && is_connected(&bc, &second)
    });
    assert!(of_source(&bc, "gossip").len() >= gossiped);
    assert!(!is_connected(&bc, &ours));

    // Our node is never given up.
    ours.start_again();
    eventually(PATIENCE, "our node is back", || is_connected(&bc, &ours));
    let own = of_source(&bc, "own");
    assert_eq!((own.len(), &own[0]["score"]), (1, &json!(999_999)));
}
