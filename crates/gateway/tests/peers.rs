//! The peer book by REST: what is in it, why, and bans.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use support::{
    Running, Setup, http,
    node::{Node, nobody},
    run,
};

const PEERS: &str = "/api/v1/chains/litecoin/peers";
const BANS: &str = "/api/v1/chains/litecoin/bans";

/// The bans in the book's file.
fn saved_bans(bc: &Running) -> BTreeMap<String, f64> {
    let file = bc.config.data_dir.join("litecoin/broadcast_peers.json");
    let book: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    serde_json::from_value(book["bans"].clone()).unwrap()
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn a_peer_that_cannot_be_reached_is_in_backoff_and_explained_term_by_term() {
    run(async {
        let (node, peer) = (Node::accepting().await, nobody().await);
        let bc = Setup { fixed: vec![peer], ..Setup::of(&[("a", node.address)]) }.start();
        let waiting = bc.eventually("/broadcaster_status/litecoin", |reply| {
            let status = reply.json();
            (status["peers"]["in_backoff_total"] == json!(1)).then_some(status)
        });
        let status = waiting.await;
        let [waiting] = &status["peers"]["in_backoff"].as_array().unwrap()[..] else { panic!("{status:#}") };
        assert_eq!((&waiting["host"], &waiting["port"]), (&json!("127.0.0.1"), &json!(peer.port())));
        assert!(waiting["backoff_remaining_seconds"].as_u64().unwrap() > 0, "{waiting}");
        assert_eq!(status["database"]["sources"], json!({ "fixed": 1 }));
        assert!(status["statistics"]["refused"].as_u64().unwrap() >= 1, "{status:#}");

        let why = bc.json(&format!("{PEERS}/{peer}")).await;
        assert_eq!((&why["chain"], &why["source"]), (&json!("litecoin"), &json!("fixed")));
        assert_eq!((&why["address"], &why["connection"]), (&json!(peer.to_string()), &Value::Null));
        let terms = why["terms"].as_array().unwrap();
        let sum: f64 = terms.iter().map(|term| term["points"].as_f64().unwrap()).sum();
        assert_eq!(sum.clamp(0.0, 1000.0).round(), why["score"].as_f64().unwrap(), "{why:#}");
        assert!(why["failures_in_a_row"].as_u64().unwrap() >= 1, "{why:#}");

        let chain = bc.json("/api/v1/chains/litecoin").await;
        assert_eq!(
            (&chain["peers"]["sources"], &chain["peers"]["bans"]),
            (&json!({ "fixed": 1 }), &json!(0))
        );
    });
}

#[test]
fn the_list_is_what_the_query_wants() {
    run(async {
        let node = Node::accepting().await;
        let fixed = vec![nobody().await, nobody().await, nobody().await];
        let bc = Setup { fixed, ..Setup::of(&[("a", node.address)]) }.start();
        bc.eventually(PEERS, |reply| (reply.json()["total"] == json!(3)).then_some(())).await;
        for (query, total, listed) in [
            ("", 3, 3),
            ("?limit=2", 3, 2),
            ("?source=fixed", 3, 3),
            ("?source=own,node", 0, 0),
            ("?source=fixed&state=connected&limit=1", 0, 0),
            ("?state=idle,dialing,connected", 3, 3),
        ] {
            let list = bc.json(&format!("{PEERS}{query}")).await;
            let shown = (&list["total"], list["peers"].as_array().unwrap().len());
            assert_eq!(shown, (&json!(total), listed), "{query}: {list:#}");
        }
    });
}

#[test]
fn a_ban_is_listed_and_saved_until_it_is_lifted() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let before = unix_now();
        for (body, host, seconds) in [
            (r#"{"host": "203.0.113.7:9333", "seconds": 60}"#, "203.0.113.7", 60.0),
            (r#"{"host": "[2001:DB8::1]"}"#, "2001:db8::1", 86_400.0),
        ] {
            let reply = bc.call_rest("POST", BANS, body).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let ban = reply.json();
            assert_eq!((&ban["chain"], &ban["host"]), (&json!("litecoin"), &json!(host)));
            let lasts = ban["until"].as_f64().unwrap() - before;
            assert!((seconds - 1.0..seconds + 60.0).contains(&lasts), "{lasts}");
        }
        let list = bc.json(PEERS).await;
        let hosts: Vec<_> = list["bans"].as_array().unwrap().iter().map(|ban| &ban["host"]).collect();
        assert_eq!(hosts, ["2001:db8::1", "203.0.113.7"]);
        assert_eq!(saved_bans(&bc).len(), 2);
        let banned = bc.get(&format!("{PEERS}/203.0.113.7:9333")).await;
        assert_eq!(banned.status, 404);
        assert!(banned.text().contains("its host is banned"), "{}", banned.text());

        let reply = bc.call_rest("DELETE", &format!("{BANS}/%5B2001:db8:0::1%5D:9333"), "").await;
        assert_eq!((reply.status, &reply.json()["host"]), (200, &json!("2001:db8::1")), "{}", reply.text());
        assert_eq!(saved_bans(&bc).into_keys().collect::<Vec<_>>(), ["203.0.113.7"]);
        let again = bc.call_rest("DELETE", &format!("{BANS}/2001:db8::1"), "").await;
        assert_eq!((again.status, &again.json()["error"]["kind"]), (404, &json!("not_banned")));
    });
}

#[test]
fn bans_made_at_the_same_time_are_all_saved() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let bodies: Vec<_> = (1..=20).map(|n| format!(r#"{{"host": "203.0.113.{n}"}}"#)).collect();
        let bans = bodies.iter().map(|body| bc.call_rest("POST", BANS, body));
        for reply in futures_util::future::join_all(bans).await {
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(saved_bans(&bc).len(), 20);
    });
}

#[test]
fn a_configured_peer_is_not_banned_and_a_ban_that_is_not_saved_is_in_force() {
    run(async {
        let (node, peer) = (Node::accepting().await, nobody().await);
        let setup = Setup { fixed: vec![peer], disk: false, ..Setup::of(&[("a", node.address)]) };
        let bc = setup.start();
        bc.eventually(PEERS, |reply| (reply.json()["total"] == json!(1)).then_some(())).await;
        let reply = bc.call_rest("POST", BANS, r#"{"host": "127.0.0.1"}"#).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["kind"]), (409, &json!("configured_peer")), "{error}");
        assert!(error["remedy"].to_string().contains("chains/litecoin.toml"), "{error}");

        let reply = bc.call_rest("POST", BANS, r#"{"host": "203.0.113.7"}"#).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["kind"]), (500, &json!("not_saved")));
        assert!(error["message"].to_string().contains("in force"), "{error}");
        assert_eq!(bc.json(PEERS).await["bans"][0]["host"], "203.0.113.7");
        let reply = bc.call_rest("DELETE", &format!("{BANS}/203.0.113.7"), "").await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["kind"]), (500, &json!("not_saved")));
        assert!(error["message"].to_string().contains("is lifted"), "{error}");
        assert_eq!(bc.json(PEERS).await["bans"], json!([]));
    });
}

#[test]
fn a_page_in_a_browser_cannot_ban_or_lift_a_ban() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let (body, json) = (br#"{"host": "203.0.113.7"}"#, ("Content-Type", "application/json"));
        assert_eq!(bc.call_rest("POST", BANS, r#"{"host": "203.0.113.8"}"#).await.status, 200);
        let own = format!("http://{}", bc.http);
        for origin in ["https://evil.example", "null", &own] {
            let headers = [json, ("Origin", origin)];
            let reply = http::request(bc.http, "POST", BANS, &headers, body).await;
            assert_eq!((reply.status, &reply.json()["error"]["kind"]), (403, &json!("from_a_page")));
            let path = format!("{BANS}/203.0.113.8");
            let reply = http::request(bc.http, "DELETE", &path, &headers, b"").await;
            assert_eq!((reply.status, &reply.json()["error"]["kind"]), (403, &json!("from_a_page")));
        }
        for wrong in [&[][..], &[("Content-Type", "text/plain")], &[("Content-Type", "application/jsonx")]] {
            let reply = http::request(bc.http, "POST", BANS, wrong, body).await;
            assert_eq!(
                (reply.status, &reply.json()["error"]["kind"]),
                (415, &json!("not_json")),
                "{wrong:?}"
            );
        }
        let preflight =
            http::request(bc.http, "OPTIONS", BANS, &[("Origin", "https://evil.example")], b"").await;
        assert_eq!(preflight.status, 405);
        assert_eq!(preflight.header("Access-Control-Allow-Origin"), None);
        let bans = bc.json(PEERS).await["bans"].clone();
        assert_eq!((bans.as_array().unwrap().len(), &bans[0]["host"]), (1, &json!("203.0.113.8")));
    });
}

/// Method, path and body; then status, kind, and a part of the error.
type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str, &'a str);

#[test]
fn what_cannot_be_done_is_said_with_its_remedy() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let long = format!("{{\"host\": {:?}}}", "x".repeat(5000));
        let cases: [Case<'_>; 17] = [
            ("GET", "/peers?limit=none", "", 400, "bad_query", "limit=none"),
            ("GET", "/peers?state=up", "", 400, "bad_query", "state=up"),
            ("GET", "/peers?source=quorum", "", 400, "bad_query", "source=quorum"),
            ("GET", "/peers?colour=red", "", 400, "bad_query", "colour"),
            ("GET", "/peers/203.0.113.7:9333", "", 404, "unknown_peer", "203.0.113.7:9333"),
            ("GET", "/peers/%5B2001:db8::1%5D:9333", "", 404, "unknown_peer", "[2001:db8::1]:9333"),
            ("GET", "/peers/203.0.113.7", "", 400, "bad_address", "203.0.113.7"),
            ("GET", "/peers/%2e%2e%2F%ff", "", 400, "bad_address", "host:port"),
            ("POST", "/peers", "{}", 405, "method_not_allowed", "GET"),
            ("GET", "/bans", "", 405, "method_not_allowed", "POST"),
            ("GET", "/bans/203.0.113.7", "", 405, "method_not_allowed", "DELETE"),
            ("DELETE", "/bans/203.0.113.700", "", 400, "bad_host", "203.0.113.700"),
            ("POST", "/bans", "host", 400, "bad_body", "not JSON"),
            ("POST", "/bans", r#"{"host": "a", "for": 1}"#, 400, "bad_body", "for"),
            ("POST", "/bans", r#"{"host": "a b"}"#, 400, "bad_host", "a b"),
            ("POST", "/bans", r#"{"host": "a", "seconds": 0}"#, 400, "bad_seconds", "seconds = 0"),
            ("POST", "/bans", &long, 413, "body_too_large", "4096 bytes"),
        ];
        for (method, path, body, status, kind, said) in cases {
            let reply = bc.call_rest(method, &format!("/api/v1/chains/litecoin{path}"), body).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["kind"]), (status, &json!(kind)), "{method} {path}");
            assert!(error.to_string().contains(said), "{method} {path}: {error}");
            assert!(error["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{error}");
        }
        for (method, path) in [("GET", "/peers/a:1"), ("POST", "/bans"), ("DELETE", "/bans/a")] {
            let reply = bc.call_rest(method, &format!("/api/v1/chains/dodge{path}"), "{}").await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["kind"]), (404, &json!("unknown_chain")), "{method} {path}");
        }
    });
}
