//! Aux work at the front door, as the daemon of a merge-mining pool sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{
    Running, Setup, http,
    node::{Act, DOGECOIN, Node, nobody},
    run,
};
use tokio::sync::watch;

/// A block that a dogecoind made of work that it had issued, and everything that was said about it.
struct Recorded(Value);

impl Recorded {
    fn read() -> Self {
        Self(recordings::read("dogecoin/block_auxpow_simple.json"))
    }

    fn hash(&self) -> String {
        self.text("hash")
    }

    /// The proof as it was handed in.
    fn auxpow(&self) -> String {
        self.text("submitauxblock_auxpow_hex")
    }

    fn text(&self, key: &str) -> String {
        self.0[key].as_str().unwrap().to_owned()
    }

    fn template(&self) -> Value {
        self.0["createauxblock_reply"].clone()
    }

    /// What the node that issued it answers to whatever is about it, `solved` to its proof.
    fn issuer(self, solved: Act) -> impl Fn(&str, &Value) -> Act + Send + Sync {
        move |method, params| match method {
            "createauxblock" | "getauxblock" => Act::Result(self.template()),
            "submitauxblock" if *params == json!([self.hash(), self.auxpow()]) => solved.clone(),
            "submitauxblock" => unknown(),
            "getblock" if *params == json!([self.hash(), false]) => Act::Result(self.0["block_hex"].clone()),
            "getblock" => Act::Result(json!("the issuer's answer")),
            "submitblock" => Act::Result(json!("duplicate")),
            "getblockheader" => Act::Result(json!({ "confirmations": 1 })),
            _ => Act::Default,
        }
    }
}

fn unknown() -> Act {
    Act::Error(-8, "block hash unknown")
}

/// A node that knows nothing of the work, and takes every block.
fn other(method: &str, _: &Value) -> Act {
    match method {
        "submitauxblock" => unknown(),
        "submitblock" => Act::Result(Value::Null),
        "getblock" => Act::Result(json!("the other's answer")),
        _ => Act::Default,
    }
}

/// A node that cannot issue work for the time being, and has no block to judge.
fn unable(method: &str, params: &Value) -> Act {
    match method {
        "createauxblock" | "getauxblock" => Act::Error(-9, "Dogecoin is not connected!"),
        _ => other(method, params),
    }
}

fn start(nodes: &[(&'static str, &Node)]) -> Running {
    let nodes: Vec<_> = nodes.iter().map(|(name, node)| (*name, node.address)).collect();
    Setup { chain: "dogecoin", ..Setup::of(&nodes) }.start()
}

fn call(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "1.0", "id": 7, "method": method, "params": params }).to_string()
}

async fn ask(bc: &Running, method: &str, params: Value) -> http::Reply {
    bc.call(&call(method, &params)).await
}

/// How often a node was called so.
fn calls(node: &Node, method: &str) -> usize {
    node.methods().iter().filter(|called| *called == method).count()
}

#[test]
fn solved_work_goes_to_its_issuer_only_and_the_block_to_all() {
    for solve in ["submitauxblock", "getauxblock"] {
        run(async {
            let recorded = Recorded::read();
            let (hash, auxpow, template) = (recorded.hash(), recorded.auxpow(), recorded.template());
            let issuer = Node::on(DOGECOIN, recorded.issuer(Act::Result(json!(true)))).await;
            let backup = Node::on(DOGECOIN, other).await;
            let bc = start(&[("a", &issuer), ("b", &backup)]);
            let work = ask(&bc, "createauxblock", json!(["an address"])).await;
            assert_eq!((work.status, work.json()["result"].clone()), (200, template));
            assert_eq!((calls(&issuer, "createauxblock"), calls(&backup, "createauxblock")), (1, 0));

            let reply = ask(&bc, solve, json!([hash, auxpow])).await;
            assert_eq!(reply.text(), "{\"result\":true,\"error\":null,\"id\":7}\n");
            assert_eq!(reply.header("X-Blockcast-Block"), Some(&*hash));
            assert_eq!(reply.header("X-Blockcast-Finding"), None);
            // Its own word for both forms: a node without a wallet knows no getauxblock.
            assert_eq!((calls(&issuer, "submitauxblock"), calls(&backup, "submitauxblock")), (1, 0));
            let path = format!("/api/v1/blocks/{hash}");
            let taken = |reply: &http::Reply| {
                let nodes =
                    reply.json()["block"]["deliveries"][0]["nodes"].as_array().cloned().unwrap_or_default();
                let accepted = nodes.iter().filter(|node| node["judgement"] == "accepted").count();
                (accepted == 2).then_some(())
            };
            // The pool is answered as soon as the chain has the block; the rest comes behind.
            bc.eventually(&path, taken).await;
            assert_eq!((calls(&issuer, "submitblock"), calls(&backup, "submitblock")), (1, 1));
        });
    }
}

#[test]
fn work_that_pays_to_an_address_is_issued_by_the_next_node_when_the_primary_cannot() {
    run(async {
        let primary = Node::on(DOGECOIN, unable).await;
        let recorded = Recorded::read();
        let (hash, auxpow, template) = (recorded.hash(), recorded.auxpow(), recorded.template());
        let backup = Node::on(DOGECOIN, recorded.issuer(Act::Result(json!(true)))).await;
        for bc in [
            start(&[("a", &primary), ("b", &backup)]),
            Setup { chain: "dogecoin", ..Setup::of(&[("a", nobody().await), ("b", backup.address)]) }.start(),
        ] {
            let work = ask(&bc, "createauxblock", json!(["an address"])).await;
            assert_eq!(work.json()["result"], template);
            let solved = ask(&bc, "submitauxblock", json!([hash, auxpow])).await;
            assert_eq!(solved.json()["result"], true, "{}", solved.text());
        }
        assert_eq!(calls(&primary, "submitauxblock"), 0, "it has not issued it");
    });
}

#[test]
fn work_that_pays_to_a_wallet_is_issued_by_the_primary_node_or_not_at_all() {
    run(async {
        let primary = Node::on(DOGECOIN, unable).await;
        let backup = Node::on(DOGECOIN, Recorded::read().issuer(Act::Default)).await;
        let bc = start(&[("a", &primary), ("b", &backup)]);
        let work = ask(&bc, "getauxblock", json!([])).await;
        let expected = json!({ "code": -9, "message": "Dogecoin is not connected!" });
        assert_eq!((work.status, work.json()["error"].clone()), (500, expected));
        assert_eq!(calls(&backup, "getauxblock"), 0, "it would pay to another wallet");

        let nodes = [("lonely", nobody().await), ("b", backup.address)];
        let bc = Setup { chain: "dogecoin", ..Setup::of(&nodes) }.start();
        let work = ask(&bc, "getauxblock", json!([])).await;
        assert_eq!((work.status, work.json()["error"]["code"].clone()), (503, json!(-32001)));
        assert!(work.text().contains("node lonely"), "{}", work.text());
        assert_eq!(calls(&backup, "getauxblock"), 0);
    });
}

#[test]
fn when_no_node_can_issue_work_the_pool_is_told_why_the_primary_cannot() {
    run(async {
        let primary = Node::on(DOGECOIN, unable).await;
        let warming_up = |method: &str, _: &Value| match method {
            "createauxblock" => Act::Error(-28, "Loading block index..."),
            _ => Act::Default,
        };
        let backup = Node::on(DOGECOIN, warming_up).await;
        let bc = start(&[("a", &primary), ("b", &backup)]);
        let work = ask(&bc, "createauxblock", json!(["an address"])).await;
        assert_eq!(work.json()["error"]["code"], -9, "{}", work.text());
        assert_eq!(calls(&backup, "createauxblock"), 1);
    });
}

#[test]
fn an_error_that_another_node_would_answer_with_too_is_the_pools_at_once() {
    run(async {
        let picky = |method: &str, _: &Value| match method {
            "createauxblock" => Act::Error(-5, "Error: Invalid coinbase payout address"),
            _ => Act::Default,
        };
        let (primary, backup) = (Node::on(DOGECOIN, picky).await, Node::on(DOGECOIN, picky).await);
        let bc = start(&[("a", &primary), ("b", &backup)]);
        let work = ask(&bc, "createauxblock", json!(["no address"])).await;
        assert_eq!((work.status, work.json()["error"]["code"].clone()), (500, json!(-5)));
        assert_eq!(calls(&backup, "createauxblock"), 0);
    });
}

#[test]
fn work_that_nobody_knows_is_answered_in_the_nodes_words() {
    run(async {
        let (primary, backup) = (Node::on(DOGECOIN, other).await, Node::on(DOGECOIN, other).await);
        let bc = start(&[("a", &primary), ("b", &backup)]);
        let reply = ask(&bc, "submitauxblock", json!(["11".repeat(32), "00"])).await;
        let expected = json!({ "code": -8, "message": "block hash unknown" });
        assert_eq!((reply.status, reply.json()["error"].clone()), (500, expected));
        assert_eq!(reply.header("X-Blockcast-Block"), Some(&*"11".repeat(32)));
        // Issued before we were there, perhaps, and so any of them may have it.
        assert_eq!((calls(&primary, "submitauxblock"), calls(&backup, "submitauxblock")), (1, 1));
    });
}

#[test]
fn a_refused_proof_is_false_with_what_is_wrong_with_it_beside_it() {
    run(async {
        let recorded = Recorded::read();
        let (hash, auxpow) = (recorded.hash(), recorded.auxpow());
        let issue = recorded.issuer(Act::Default);
        let refusing = move |method: &str, params: &Value| match method {
            "submitauxblock" => Act::Result(json!(false)),
            _ => issue(method, params),
        };
        let (issuer, backup) = (Node::on(DOGECOIN, refusing).await, Node::on(DOGECOIN, other).await);
        let bc = start(&[("a", &issuer), ("b", &backup)]);
        ask(&bc, "createauxblock", json!(["an address"])).await;
        // A digit of the root behind the mark in the parent's coinbase.
        let root = auxpow.find("fabe6d6d").unwrap() + 8;
        let mut flawed = auxpow.clone();
        flawed.replace_range(root..root + 1, if &auxpow[root..root + 1] == "0" { "1" } else { "0" });
        let reply = ask(&bc, "submitauxblock", json!([hash, flawed])).await;
        assert_eq!(reply.text(), "{\"result\":false,\"error\":null,\"id\":7}\n");
        let finding = reply.header("X-Blockcast-Finding").expect("a finding");
        assert!(finding.starts_with("auxpow-coinbase-branch"), "{finding}");
        assert!(finding.contains("expected") || finding.contains("found"), "{finding}");
        assert_eq!((calls(&issuer, "submitblock"), calls(&backup, "submitauxblock")), (0, 0));
        assert_eq!(bc.json("/api/v1/blocks").await["blocks"], json!([]), "no block came of it");
    });
}

#[test]
fn a_question_behind_solved_work_goes_to_the_node_that_has_the_block() {
    run(async {
        let (_hung, release) = watch::channel(false);
        let hanging = move |method: &str, params: &Value| match method {
            "submitblock" => Act::After(release.clone(), Value::Null),
            _ => unable(method, params),
        };
        let primary = Node::on(DOGECOIN, hanging).await;
        let recorded = Recorded::read();
        let (hash, auxpow) = (recorded.hash(), recorded.auxpow());
        let backup = Node::on(DOGECOIN, recorded.issuer(Act::Result(json!(true)))).await;
        let bc = start(&[("a", &primary), ("b", &backup)]);
        ask(&bc, "createauxblock", json!(["an address"])).await;
        let solved = call("submitauxblock", &json!([hash, auxpow]));
        let asked = call("getblock", &json!([hash]));
        let reply = bc.call(&format!("[{solved},{asked}]")).await;
        let answers: Vec<_> =
            reply.json().as_array().unwrap().iter().map(|one| one["result"].clone()).collect();
        assert_eq!(answers, [json!(true), json!("the issuer's answer")]);
        assert_eq!(reply.header("X-Blockcast-Block"), Some(&*hash));
    });
}

#[test]
fn a_proof_that_is_longer_than_any_block_is_the_nodes_business_and_kept_nowhere() {
    run(async {
        let issuer = Node::on(DOGECOIN, other).await;
        let bc = start(&[("a", &issuer)]);
        let hash = Recorded::read().hash();
        let reply = ask(&bc, "submitauxblock", json!([hash, "00".repeat(1_000_001)])).await;
        assert_eq!(reply.json()["error"]["code"], -8);
        assert_eq!(reply.header("X-Blockcast-Block"), None, "it was passed on as it came");
        assert_eq!(calls(&issuer, "submitauxblock"), 1);
    });
}
