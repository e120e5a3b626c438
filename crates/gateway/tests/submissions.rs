//! Blocks at the front door: how they go through the engine, and what the pool is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use relay::Goal;
use serde_json::{Value, json};
use support::{
    PASSWORD, Setup, block, hash_of, http, login,
    node::{Act, Node, nobody},
    run, submitblock,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// What a node says to `submitblock`, and where it then has the block (`confirmations`); what the pool is told.
#[test]
fn every_verdict_reaches_the_pool_in_the_words_of_the_table() {
    let ok = |result: &str| (200, format!("{{\"result\":{result},\"error\":null,\"id\":1}}\n"));
    let table = [
        (Act::Result(Value::Null), None, ok("null")),
        (Act::Result(json!("duplicate")), Some(3), ok("null")),
        (Act::Result(json!("duplicate")), Some(-1), ok("\"inconclusive\"")),
        (Act::Result(json!("inconclusive")), Some(1), ok("null")),
        (Act::Result(json!("inconclusive")), Some(-1), ok("\"inconclusive\"")),
        (Act::Result(json!("duplicate-invalid")), None, ok("\"duplicate-invalid\"")),
        (Act::Result(json!("high-hash")), None, ok("\"high-hash\"")),
        (
            Act::Error(-22, "Block decode failed"),
            None,
            (
                500,
                "{\"result\":null,\"error\":{\"code\":-22,\"message\":\"Block decode failed\"},\"id\":1}\n"
                    .into(),
            ),
        ),
    ];
    run(async {
        for (nonce, (act, confirmations, expected)) in (1..).zip(table) {
            let hash = hash_of(&block(nonce));
            let node = Node::start(move |method, params| match method {
                "submitblock" => act.clone(),
                "getblockheader" if params[0] == json!(hash) => match confirmations {
                    Some(confirmations) => Act::Result(json!({ "confirmations": confirmations })),
                    None => Act::Default,
                },
                _ => Act::Default,
            })
            .await;
            let bc = Setup::of(&[("a", node.address)]).start();
            let reply = bc.call(&submitblock("1", &block(nonce))).await;
            assert_eq!((reply.status, reply.text()), expected);
            assert_eq!(reply.header("X-Blockcast-Block"), Some(hash_of(&block(nonce)).as_str()));
            assert_eq!(reply.header("Content-Type"), Some("application/json"));
        }
    });
}

#[test]
fn a_refusal_has_our_own_finding_beside_it_and_an_acceptance_has_none() {
    run(async {
        let node = Node::start(|method, _| match method {
            "submitblock" => Act::Result(json!("duplicate-invalid")),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let mut flawed = block(1);
        // A digit of the merkle root.
        flawed.replace_range(80..81, if &flawed[80..81] == "0" { "1" } else { "0" });
        let reply = bc.call(&submitblock("1", &flawed)).await;
        assert_eq!(reply.json()["result"], "duplicate-invalid");
        let finding = reply.header("X-Blockcast-Finding").expect("a finding");
        assert!(finding.starts_with("bad-txnmrklroot") || finding.starts_with("high-hash"), "{finding}");

        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let reply = bc.call(&submitblock("1", &block(0))).await;
        assert_eq!(
            (reply.json()["result"].clone(), reply.header("X-Blockcast-Finding")),
            (Value::Null, None)
        );
    });
}

#[test]
fn without_any_verdict_a_block_on_disk_is_inconclusive_and_one_that_is_nowhere_an_error() {
    run(async {
        let nodes = [("a", nobody().await)];
        let bc = Setup::of(&nodes).start();
        let start = Instant::now();
        let reply = bc.call(&submitblock("1", &block(1))).await;
        assert_eq!((reply.status, reply.json()["result"].clone()), (200, json!("inconclusive")));
        assert!(start.elapsed() < Duration::from_secs(5), "pools give up after 5 s: {:?}", start.elapsed());

        let bc = Setup { disk: false, ..Setup::of(&nodes) }.start();
        let reply = bc.call(&submitblock("1", &block(1))).await;
        assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (500, json!(-32002)));
        let message = reply.json()["error"]["message"].to_string();
        assert!(message.contains("submitting it again does no harm"), "{message}");
    });
}

#[test]
fn blocks_in_named_parameters_and_in_a_template_call_go_through_the_engine_too() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        for (nonce, call) in [
            (1, r#"{"id":1,"method":"submitblock","params":{"hexdata":"HEX"}}"#),
            (2, r#"{"id":1,"method":"submitblock","params":["HEX",{"workid":"1"}]}"#),
            (3, r#"{"id":1,"method":"getblocktemplate","params":[{"mode":"submit","data":"HEX"}]}"#),
        ] {
            let block = block(nonce).to_uppercase();
            let reply = bc.call(&call.replace("HEX", &block)).await;
            assert_eq!(reply.text(), "{\"result\":null,\"error\":null,\"id\":1}\n", "{call}");
            let report = bc.json(&format!("/api/v1/blocks/{}", hash_of(&block))).await;
            let delivery = &report["block"]["deliveries"][0];
            assert_eq!(delivery["source"], "front_door");
            let submission = &delivery["submissions"][0];
            assert_eq!(submission["answer"], "null", "{report:#}");
            assert!(submission["submitter"].as_str().unwrap().contains("@127.0.0.1:"), "{report:#}");
            let sent = node.seen().last().unwrap().body.clone();
            assert!(sent.contains(&block), "the node gets the pool's own digits");
        }
    });
}

#[test]
fn what_is_no_hex_and_what_has_no_parameters_is_left_to_the_node_unchanged() {
    run(async {
        let node = Node::start(|method, params| match (method, params.get(0)) {
            ("submitblock", Some(_)) => Act::Error(-22, "Block decode failed"),
            ("submitblock", None) => Act::Error(-1, "submitblock \"hexdata\""),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        for (body, code) in [
            (r#"{"id":5, "method":"submitblock" ,"params":[]}"#, -1),
            (r#"{"id":5,"method":"submitblock"}"#, -1),
            (r#"{"id":5,"method":"submitblock","params":["zz"]}"#, -22),
            (r#"{"id":5,"method":"submitblock","params":["000"]}"#, -22),
            (r#"{"id":5,"method":"submitblock","params":[""]}"#, -22),
            (r#"{"id":5,"method":"submitblock","params":[7]}"#, -22),
        ] {
            let reply = bc.call(body).await;
            assert_eq!((reply.status, reply.json()["error"]["code"].clone()), (500, json!(code)), "{body}");
            assert_eq!(node.seen().last().unwrap().body, body, "byte for byte");
        }
        assert_eq!(bc.json("/api/v1/blocks").await["blocks"], json!([]), "none of them is a block");
    });
}

#[test]
fn a_caller_who_hangs_up_changes_nothing_about_the_delivery() {
    run(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let node = Node::start(move |method, _| match method {
            "submitblock" => Act::After(released.clone(), Value::Null),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let call = submitblock("1", &block(1));
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n{call}",
            login(PASSWORD),
            call.len()
        );
        let mut pool = TcpStream::connect(bc.door).await.unwrap();
        pool.write_all(head.as_bytes()).await.unwrap();
        node.has_seen(1).await;
        drop(pool);
        release.send(true).unwrap();
        let report = format!("/api/v1/blocks/{}", hash_of(&block(1)));
        bc.eventually(&report, |reply| {
            (reply.json()["block"]["deliveries"][0]["status"] == "accepted").then_some(())
        })
        .await;
        assert_eq!(node.methods(), ["submitblock"]);
    });
}

#[test]
fn a_caller_who_waits_for_a_verdict_gets_it_although_everything_is_being_stopped() {
    run(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let node = Node::start(move |method, _| match method {
            "submitblock" => Act::After(released.clone(), Value::Null),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        bc.eventually("/readyz", |reply| (reply.status == 200).then_some(())).await;
        let (door, auth, call) = (bc.door, login(PASSWORD), submitblock("1", &block(1)));
        let pool = tokio::spawn(async move {
            http::request(door, "POST", "/", &[("Authorization", &auth)], call.as_bytes()).await
        });
        node.has_seen(1).await;
        let handle = bc.handle.clone();
        let stopped = tokio::spawn(async move { handle.stop(support::PATIENCE).await });
        bc.eventually("/readyz", |reply| {
            (reply.status == 503 && reply.text().contains("shutting down")).then_some(())
        })
        .await;
        release.send(true).unwrap();
        assert_eq!(pool.await.unwrap().json()["result"], Value::Null);
        stopped.await.unwrap();
        assert!(TcpStream::connect(bc.door).await.is_err(), "the door is closed");
    });
}

#[test]
fn a_delivery_outlives_the_listeners() {
    run(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let node = Node::start(move |method, _| match method {
            "submitblock" => Act::After(released.clone(), Value::Null),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        assert_eq!(bc.post("?timeout=0", block(1).as_bytes()).await.status, 202);
        node.has_seen(1).await;
        bc.handle.stop(support::PATIENCE).await;
        release.send(true).unwrap();
        let delivery = bc.engine.chains()[0].relay.live().remove(0);
        assert!(delivery.reached(Goal::Node, support::PATIENCE).await, "it does not run on their threads");
    });
}
