//! JSON-RPC of simulated nodes over real sockets, with the relay's own client and by hand.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/caller.rs"]
mod caller;

use std::time::{Duration, Instant};

use caller::{Caller, PATIENCE, SILENCE, has, node_plan, peer, world};
use rpc::{Auth, Client, Endpoint, SubmitRequest, Timeouts};
use serde_json::{Value, json};
use simnet::{
    Minted, Order, Quorum, Temperament, profile,
    sockets::{Member, NodePlan, Plan, World},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wire::{Command, InvItem, Message};

fn client(member: &Member, auth: Auth, submit: Duration) -> Client {
    let address = member.rpc().expect("a node");
    let timeouts = Timeouts { submit, ..Timeouts::default() };
    Client::new(Endpoint { name: member.name().into(), url: address.url().parse().unwrap(), auth, timeouts })
}

fn password(member: &Member) -> Auth {
    let address = member.rpc().expect("a node");
    Auth::password(address.user(), address.password())
}

async fn submit(client: &Client, block: &Minted) -> rpc::Submission {
    let request = SubmitRequest::from_bytes(&block.bytes);
    client.submit_block(&request, tokio::time::Instant::now()).await
}

#[tokio::test]
async fn a_node_answers_the_real_rpc_client_by_password_and_by_cookie() {
    let directory = tempfile::tempdir().unwrap();
    let cookie = directory.path().join(".cookie");
    let nodes = vec![
        node_plan("a", Temperament::Honest),
        NodePlan { cookie_file: Some(cookie.clone()), ..node_plan("b", Temperament::Honest) },
    ];
    let world = world(vec![], nodes).await;
    let [a, b] = world.members() else { panic!() };
    let (a, b) = (client(a, password(a), PATIENCE), client(b, Auth::Cookie(cookie.clone()), PATIENCE));
    let info: Value = a.call("getblockchaininfo", json!([])).await.unwrap();
    assert_eq!((&info["chain"], &info["blocks"]), (&json!("regtest"), &json!(3)));

    let block = world.mint(&Order { size: 1_000_000, flaw: None });
    let submission = submit(&a, &block).await;
    assert!(submission.outcome.unwrap().is_accepted());
    timeout(PATIENCE, world.everyone_has(&block.hash)).await.expect("b hears of it");
    let submission = submit(&b, &block).await;
    assert_eq!(submission.outcome.unwrap().reason(), Some("duplicate"));

    world.set_warm_up("a", Some("Verifying blocks...".into())).unwrap();
    let error = a.call::<Value>("getblockcount", json!([])).await.unwrap_err();
    assert_eq!(error.kind(), "warming_up");
    world.set_warm_up("a", None).unwrap();
    assert_eq!(a.call::<u32>("getblockcount", json!([])).await.unwrap(), 4);

    world.shutdown().await;
    assert!(!cookie.exists());
    assert_eq!(a.call::<u32>("getblockcount", json!([])).await.unwrap_err().kind(), "refused");
}

/// A request by hand, and the whole answer.
async fn raw_request(address: &str, headers: &str) -> (String, Duration) {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    let request =
        format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    (answer, begin.elapsed())
}

#[tokio::test]
async fn without_the_password_a_node_answers_as_recorded() {
    let recording = recordings::read("litecoin/rpc_replies.json");
    let world = world(vec![], vec![node_plan("a", Temperament::Honest)]).await;
    let address = world.members()[0].rpc().unwrap().url();
    for (name, header, least) in [
        ("no_auth", "", Duration::ZERO),
        ("wrong_auth", "Authorization: Basic eDp5\r\n", Duration::from_millis(250)),
    ] {
        let recorded = &recording["replies"][name];
        let (answer, took) = raw_request(&address, header).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 401 Unauthorized"), "{head}");
        assert_eq!(body, recorded["body"], "{name}");
        for (field, value) in recorded["http_headers"].as_object().unwrap() {
            let line = format!("{}: {}", field.to_lowercase(), value.as_str().unwrap());
            let expected = if field == "Date" { "date: " } else { line.as_str() };
            assert!(
                head.to_lowercase().contains(&expected.to_lowercase()),
                "{name}: no {expected} in {head}"
            );
        }
        assert!(took >= least, "{name}: {took:?}");
    }
    world.shutdown().await;
}

#[tokio::test]
async fn a_nodes_rpc_shares_its_temperament() {
    let temperaments = [Temperament::Mute, Temperament::Zombie, Temperament::Cutting, Temperament::Deaf];
    let nodes = temperaments.map(|temperament| node_plan(temperament.name(), temperament));
    let world = world(vec![], nodes.into()).await;
    let block = world.mint(&Order::default());
    for (name, expected) in
        [("mute", "timeout"), ("deaf", "timeout"), ("cutting", "connection_lost"), ("zombie", "inconclusive")]
    {
        let limit = if expected == "timeout" { SILENCE } else { PATIENCE };
        let member = world.member(name).unwrap();
        let submission = submit(&client(member, password(member), limit), &block).await;
        let found = match &submission.outcome {
            Ok(answer) => answer.reason().unwrap_or("null").to_owned(),
            Err(error) => error.kind().to_owned(),
        };
        assert_eq!(found, expected, "{name}");
        assert!(!has(&world, name, &block), "{name}");
    }
    world.shutdown().await;
}

#[tokio::test]
async fn a_quorum_locks_a_block_and_a_node_tells_of_it_over_http() {
    let peers: Vec<_> =
        (0..5).map(|index| peer(&format!("masternode-{index}"), Temperament::Honest)).collect();
    let plan = Plan {
        seed: 1,
        history: 3,
        neighbours: 2,
        peers,
        nodes: vec![node_plan("a", Temperament::Honest)],
        quorum: Some(Quorum { reserve: vec![4], ..Quorum::of(0..4) }),
    };
    let profile = profile::dash::regtest();
    let world = World::start(profile.clone(), plan).await.unwrap();
    let member = world.member("a").unwrap();
    let client = client(member, password(member), PATIENCE);
    let error = client.call::<Value>("getbestchainlock", json!([])).await.unwrap_err();
    assert!(error.to_string().contains("Unable to find any ChainLock"), "{error}");
    let list: Value = client.call("masternodelist", json!(["json"])).await.unwrap();
    let mut listed: Vec<String> =
        list.as_object().unwrap().values().map(|m| m["address"].to_string()).collect();
    let mut members: Vec<String> =
        world.members()[..5].iter().map(|member| json!(member.p2p().to_string()).to_string()).collect();
    listed.sort_unstable();
    members.sort_unstable();
    assert_eq!(listed, members);
    let quorums: Value = client.call("quorum", json!(["list"])).await.unwrap();
    let info = json!(["info", 100, quorums["llmq_test"][0]]);
    let info: Value = client.call("quorum", info).await.unwrap();
    let services = info["members"].as_array().unwrap().iter().map(|member| member["service"].to_string());
    let mut services: Vec<_> = services.collect();
    services.push(json!(world.member("masternode-4").unwrap().p2p().to_string()).to_string());
    services.sort_unstable();
    assert_eq!(services, members, "all but the one that is not in it");

    let mut observer = Caller::of(&profile, world.member("masternode-4").unwrap().p2p()).await.unwrap();
    observer.say(Message::Ping(1)).await;
    observer.until_pong(1).await;
    let block = world.mint(&Order::default());
    assert_eq!(world.locked(&block.hash), None);
    let submission = submit(&client, &block).await;
    assert!(submission.outcome.unwrap().is_accepted());
    timeout(PATIENCE, world.everyone_locked(&block.hash)).await.expect("they all sign");
    let best: Value = client.call("getbestchainlock", json!([])).await.unwrap();
    let lock = profile.chain.finality().unwrap().answer(Ok(best)).unwrap().unwrap();
    assert_eq!((lock.block, lock.height), (block.hash, block.height));
    let locked = world.locked(&block.hash).unwrap();
    let truth = world.truth(&block.hash);
    assert!(truth.iter().all(|truth| truth.locked_at >= Some(locked)), "{truth:?}");
    let mut signed: Vec<_> = truth[..5].iter().map(|truth| truth.accepted_at.unwrap()).collect();
    signed.sort_unstable();
    assert!(locked >= signed[2] + Quorum::of([]).delay, "three of four are needed");

    // The observer heard of both, and is given the lock; then a forged one from the same peer.
    let inv = Message::Inv(vec![InvItem { kind: 29, hash: lock.id() }]);
    while observer.hear().await.unwrap() != inv {}
    let forged = world.forge_lock("masternode-4", block.height + 1, &block.hash).unwrap();
    let id = wire::sha256d(&forged);
    while observer.hear().await.unwrap() != Message::Inv(vec![InvItem { kind: 29, hash: id }]) {}
    for (hash, object) in [(lock.id(), &lock.object), (id, &forged)] {
        observer.say(Message::GetData(vec![InvItem { kind: 29, hash }])).await;
        let clsig = Message::Unknown { command: Command::literal("clsig"), payload: object.clone() };
        while observer.hear().await.unwrap() != clsig {}
    }
    assert!(world.member("nobody").is_err() && world.say("nobody", &Message::Verack).is_err());
    world.shutdown().await;
}

#[tokio::test]
async fn a_quorum_that_cannot_be_is_refused_in_words() {
    let plan = |members: Vec<usize>| Plan {
        peers: vec![peer("it", Temperament::Honest)],
        quorum: Some(Quorum::of(members)),
        ..Plan::default()
    };
    let error = World::start(profile::litecoin::regtest(), plan(vec![0])).await.unwrap_err();
    assert_eq!(error.kind(), "no_locks");
    let error = World::start(profile::dash::regtest(), plan(vec![0, 1])).await.unwrap_err();
    assert_eq!(error.to_string(), "member 1 of the quorum is not among the world's");
}
