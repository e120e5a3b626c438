//! Status, REST, metrics and probes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use gateway::Gateway;
use serde_json::{Value, json};
use support::{
    Setup, TOKEN, block, hash_of, http,
    node::{Act, Node, nobody},
    run,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every route, with a method that it knows.
const ROUTES: [(&str, &str); 18] = [
    ("GET", "/api/v1/blocks/00/raw"),
    ("POST", "/api/v1/blocks/00/replay"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/broadcaster_status"),
    ("GET", "/broadcaster_status/litecoin"),
    ("GET", "/api/v1/chains"),
    ("GET", "/api/v1/chains/litecoin"),
    ("GET", "/api/v1/chains/litecoin/peers"),
    ("GET", "/api/v1/chains/litecoin/peers/203.0.113.7:9333"),
    ("POST", "/api/v1/chains/litecoin/bans"),
    ("DELETE", "/api/v1/chains/litecoin/bans/203.0.113.7"),
    ("GET", "/api/v1/blocks"),
    ("GET", "/api/v1/blocks/00"),
    ("POST", "/api/v1/chains/litecoin/blocks"),
    ("GET", "/nothing/here"),
    ("DELETE", "/api/v1/blocks"),
];

#[test]
fn with_a_token_only_the_probes_are_open() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup { token: true, ..Setup::of(&[("a", node.address)]) }.start();
        let right = format!("Bearer {TOKEN}");
        for (method, path) in ROUTES {
            for wrong in
                [None, Some("Bearer wrong"), Some("Bearer "), Some(TOKEN), Some("Basic cG9vbDpkb29y")]
            {
                let headers: Vec<_> = wrong.map(|value| ("Authorization", value)).into_iter().collect();
                let reply = http::request(bc.http, method, path, &headers, block(1).as_bytes()).await;
                let open = matches!(path, "/livez" | "/readyz");
                assert_eq!(reply.status == 401, !open, "{method} {path} with {wrong:?}: {}", reply.status);
                if !open {
                    assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
                    assert_eq!(reply.json()["error"]["kind"], "unauthorized");
                    assert!(!reply.text().contains(TOKEN));
                }
            }
            let reply = http::request(bc.http, method, path, &[("Authorization", &right)], b"").await;
            assert_ne!(reply.status, 401, "{method} {path}");
        }
        assert_eq!(node.seen().len(), 0, "no block got in without the token");
    });
}

#[test]
fn a_block_in_bytes_or_in_hex_is_answered_with_its_report() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let hex = block(1);
        for (nonce, body) in
            [(1, recordings::unhex(&hex).to_vec()), (2, format!(" {}\r\n", block(2)).into_bytes())]
        {
            let reply = bc.post("", &body).await;
            let report = reply.json();
            assert_eq!((reply.status, &report["status"]), (200, &json!("accepted")), "{report:#}");
            assert_eq!(report["hash"], json!(hash_of(&block(nonce))));
            assert_eq!((&report["source"], &report["durable"]), (&json!("rest"), &json!(true)));
            assert_eq!(report["nodes"][0]["judgement"], "accepted");
        }
        let (path, cli) = ("/api/v1/chains/litecoin/blocks", [("X-Blockcast-Source", "cli")]);
        let reply = http::request(bc.http, "POST", path, &cli, &recordings::unhex(&block(3))).await;
        assert_eq!(reply.json()["source"], "cli");
        let blocks = bc.json("/api/v1/blocks").await;
        let hashes: Vec<_> =
            blocks["blocks"].as_array().unwrap().iter().map(|block| &block["hash"]).collect();
        assert_eq!(hashes, [3, 2, 1].map(|nonce| json!(hash_of(&block(nonce)))).iter().collect::<Vec<_>>());
        let page = format!("/api/v1/blocks/{}", hash_of(&hex));
        let one = bc.json(&page).await;
        let block = &one["block"];
        assert_eq!(one["ledger"]["available"], true, "{one:#}");
        assert_eq!(
            (&block["deliveries"][0]["status"], &block["raw_kept"]),
            (&json!("accepted"), &json!(true))
        );
        assert_eq!(block["deliveries"].as_array().map(Vec::len), Some(1));
        assert!(block["deliveries"][0]["submissions"][0]["answer"] == "accepted", "{block:#}");
        let raw = bc.get(&format!("{page}/raw")).await;
        assert_eq!((raw.status, raw.body.as_ref()), (200, &recordings::unhex(&hex)[..]));
        // Its delivery is still known: the replay joins it.
        let again = http::request(bc.http, "POST", &format!("{page}/replay"), &[], b"").await;
        assert_eq!((again.status, &again.json()["repeats"]), (200, &json!(1)), "{}", again.text());
        let filtered = bc.json("/api/v1/blocks?source=cli&limit=5").await;
        assert_eq!(filtered["blocks"].as_array().map(Vec::len), Some(1), "{filtered:#}");
    });
}

#[test]
fn a_wait_that_ends_before_its_goal_is_a_202_and_the_delivery_goes_on() {
    run(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let node = Node::start(move |method, _| match method {
            "submitblock" => Act::After(released.clone(), Value::Null),
            _ => Act::Default,
        })
        .await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let bytes = recordings::unhex(&block(1));
        let reply = bc.post("?wait=peers:1&timeout=0.05", &bytes).await;
        assert_eq!((reply.status, &reply.json()["peers_with_block"]), (202, &json!(0)), "{}", reply.text());
        let reply = bc.post("?timeout=0.05", &bytes).await;
        assert_eq!((reply.status, &reply.json()["status"]), (202, &json!("pending")), "{}", reply.text());
        let reply = bc.post("?wait=peers:0", &bytes).await;
        assert_eq!(
            (reply.status, &reply.json()["durable"]),
            (200, &json!(true)),
            "only the journal is waited for"
        );
        release.send(true).unwrap();
        let reply = bc.post("?wait=node&timeout=30", &bytes).await;
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("accepted")));
        assert_eq!(reply.json()["repeats"], 3, "one delivery for all four");
    });
}

/// Method, path and body; then status, kind, and a part of the error.
type Case<'a> = (&'a str, &'a str, &'a [u8], u16, &'a str, &'a str);

#[test]
fn what_cannot_be_done_is_said_with_its_remedy() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let unknown = "00".repeat(32);
        let unknown = format!("/api/v1/blocks/{unknown}");
        let cases: [Case<'_>; 14] = [
            ("POST", "/api/v1/chains/dodge/blocks", b"00", 404, "unknown_chain", "litecoin"),
            ("GET", "/api/v1/chains/dodge", b"", 404, "unknown_chain", "litecoin"),
            ("GET", "/api/v1/chains/dodge/peers", b"", 404, "unknown_chain", "litecoin"),
            ("GET", "/broadcaster_status/dodge", b"", 404, "unknown_chain", "litecoin"),
            ("POST", "/api/v1/chains/litecoin/blocks", b"", 400, "empty_body", "empty"),
            ("POST", "/api/v1/chains/litecoin/blocks", b"0x00", 400, "bad_body", "'x'"),
            ("POST", "/api/v1/chains/litecoin/blocks?wait=all", b"00", 400, "bad_query", "wait=all"),
            ("POST", "/api/v1/chains/litecoin/blocks?timeout=9e9", b"00", 400, "bad_query", "timeout=9e9"),
            ("POST", "/api/v1/chains/litecoin/blocks?w=1", b"00", 400, "bad_query", "w"),
            ("GET", "/api/v1/blocks/xyz", b"", 400, "bad_hash", "64 hexadecimal digits"),
            ("GET", &unknown, b"", 404, "unknown_block", "the ledger does not have it"),
            ("GET", "/nothing", b"", 404, "unknown_path", "/nothing"),
            ("GET", "/api/v1/chains/litecoin/blocks", b"", 405, "method_not_allowed", "POST"),
            ("POST", "/metrics", b"", 405, "method_not_allowed", "GET"),
        ];
        for (method, path, body, status, kind, said) in cases {
            let reply = http::request(bc.http, method, path, &[], body).await;
            let error = &reply.json()["error"];
            assert_eq!((reply.status, &error["kind"]), (status, &json!(kind)), "{method} {path}");
            assert!(error.to_string().contains(said), "{method} {path}: {error}");
            assert!(error["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{error}");
        }
        let head =
            b"POST /api/v1/chains/litecoin/blocks HTTP/1.1\r\nHost: x\r\nContent-Length: 67108867\r\n\r\n";
        let reply = http::exchange(bc.http, head).await;
        assert_eq!((reply.status, &reply.json()["error"]["kind"]), (413, &json!("body_too_large")));
        assert_eq!(node.seen().len(), 0);
    });
}

#[test]
fn readyz_says_200_with_a_node_and_a_disk_and_else_503_and_why() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        bc.eventually("/readyz", |reply| (reply.status == 200).then_some(())).await;
        assert_eq!(bc.json("/readyz").await, json!({ "ready": true, "reasons": [] }));

        let bc = Setup { disk: false, ..Setup::of(&[("a", node.address)]) }.start();
        let said = bc.eventually("/readyz", |reply| {
            let reasons = reply.json()["reasons"].clone();
            (reply.status == 503 && reasons.as_array().unwrap().len() == 1).then_some(reasons)
        });
        assert!(said.await.to_string().contains("journal is not durable"));
        assert_eq!(bc.get("/livez").await.status, 200, "it lives all the same");
        let metrics = bc.get("/metrics").await.text();
        assert!(metrics.contains("\nblockcast_journal_durable 0\n"), "{metrics}");
        assert_eq!(bc.json("/api/v1/chains").await["journal"]["durable"], json!(false));

        let bc = Setup::of(&[("lonely", nobody().await)]).start();
        let said = bc.eventually("/readyz", |reply| {
            let text = reply.text();
            (reply.status == 503 && text.contains("refused")).then_some(text)
        });
        let said = said.await;
        assert!(
            said.contains("litecoin: no way to deliver a block") && said.contains("node lonely"),
            "{said}"
        );
    });
}

#[test]
fn the_metrics_are_prometheus_text_with_the_documented_names() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        bc.eventually("/readyz", |reply| (reply.status == 200).then_some(())).await;
        assert_eq!(bc.post("", &recordings::unhex(&block(1))).await.status, 200);
        let counted =
            "blockcast_block_judgements_total{chain=\"litecoin\",result=\"accepted\",source=\"rest\"} 1";
        bc.eventually("/metrics", |reply| reply.text().contains(counted).then_some(())).await;
        let reply = bc.get("/metrics").await;
        assert_eq!(reply.header("Content-Type"), Some("text/plain; version=0.0.4"));
        let text = reply.text();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            assert!(name.starts_with("blockcast_"), "{line}");
            assert!(!series.contains('{') || series.ends_with('}'), "{line}");
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let typed = |name: &str| text.contains(&format!("# TYPE {name} "));
            assert!(typed(name) || family.is_some_and(typed), "{line}");
        }
        for name in ["build_info{", "node_up{", "rpc_submissions_total{", "rpc_submit_seconds_bucket{"] {
            assert!(text.contains(&format!("\nblockcast_{name}")), "{name}");
        }
    });
}

#[test]
fn the_broadcaster_status_has_the_shape_that_p2pools_operators_know() {
    const HEALTH: &[&str] = &[
        "active_connections",
        "protected_connections",
        "total_connections",
        "target_max_peers",
        "target_min_peers",
        "healthy",
        "local_dashd_connected",
    ];
    const STATISTICS: &[&str] = &[
        "blocks_broadcast",
        "total_peer_broadcasts",
        "successful_broadcasts",
        "failed_broadcasts",
        "success_rate_percent",
        "connection_attempts",
        "successful_connections",
        "failed_connections",
        "timeouts",
        "refused",
        "dashd_refreshes",
    ];
    const DATABASE: &[&str] = &["total_peers", "sources", "last_dashd_refresh", "seconds_since_refresh"];
    const CONFIGURATION: &[&str] = &[
        "max_peers",
        "min_peers",
        "max_connection_attempts",
        "connection_timeout_seconds",
        "dashd_refresh_interval_seconds",
    ];
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        bc.eventually("/readyz", |reply| (reply.status == 200).then_some(())).await;
        assert_eq!(bc.post("", &recordings::unhex(&block(1))).await.status, 200);
        let counted = |reply: &http::Reply| {
            (reply.json()["statistics"]["blocks_broadcast"] == json!(1)).then(|| reply.json())
        };
        let one = bc.eventually("/broadcaster_status/litecoin", counted).await;
        let all = bc.json("/broadcaster_status").await;
        for status in [&one, &all, &all["chains"]["litecoin"]] {
            for (section, keys) in [
                ("health", HEALTH),
                ("statistics", STATISTICS),
                ("database", DATABASE),
                ("peers", &["protected", "active", "in_backoff", "in_backoff_total"]),
                ("configuration", CONFIGURATION),
            ] {
                for key in keys {
                    assert!(status[section].get(key).is_some(), "{section}.{key}: {status:#}");
                }
            }
            assert_eq!((&status["enabled"], &status["bootstrapped"]), (&json!(false), &json!(false)));
            assert_eq!(status["health"]["healthy"], json!(true), "its node is up, and it wants no peers");
            assert_eq!(status["statistics"]["blocks_broadcast"], json!(1));
        }
        assert_eq!(one.get("chains"), None);
    });
}

#[test]
fn a_chain_is_described_with_its_nodes_journal_and_front_door() {
    run(async {
        let (node, down) = (Node::accepting().await, nobody().await);
        let bc = Setup::of(&[("good", node.address), ("bad", down)]).start();
        let chain = bc.eventually("/api/v1/chains/litecoin", |reply| {
            let chain = reply.json();
            (chain["nodes"][0]["state"] == "up" && chain["nodes"][1]["state"] == "down").then_some(chain)
        });
        let chain = chain.await;
        assert_eq!((&chain["name"], &chain["network"]), (&json!("litecoin"), &json!("regtest")));
        assert_eq!(chain["front_door"], json!(bc.door.to_string()));
        let [good, bad] = [&chain["nodes"][0], &chain["nodes"][1]];
        assert_eq!(
            (&good["name"], &good["role"], &good["tip"]["height"]),
            (&json!("good"), &json!("primary"), &json!(0))
        );
        assert_eq!((&bad["role"], &bad["kind"]), (&json!("backup"), &json!("refused")));
        assert!(bad["message"].as_str().unwrap().contains("nothing listens there"), "{bad}");
        assert_eq!(chain["journal"]["durable"], json!(true));
        assert_eq!((&chain["restarts"], &chain["given_up"]), (&json!(0), &json!(false)));
        assert!(!chain.to_string().contains("node-pass") && !chain.to_string().contains("door-pass"));
        let all = bc.json("/api/v1/chains").await;
        assert_eq!((&all["chains"][0]["name"], &all["ready"]), (&json!("litecoin"), &json!(true)));
        let peers = bc.json("/api/v1/chains/litecoin/peers").await;
        assert_eq!(peers, json!({ "chain": "litecoin", "total": 0, "peers": [], "bans": [] }));
    });
}

#[test]
fn an_address_that_is_taken_is_named_with_its_purpose_and_the_remedy() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let mut config = bc.config.clone();
        config.http.listen = bc.http;
        let error = Gateway::bind(bc.engine.clone(), &config).unwrap_err();
        assert_eq!((error.kind(), error.address), ("address_in_use", bc.http));
        let text = error.to_string();
        for part in [bc.http.to_string().as_str(), "[http] listen", "another program"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    });
}

#[test]
fn events_are_told_as_they_happen_and_only_those_that_are_asked_for() {
    run(async {
        let node = Node::accepting().await;
        let bc = Setup::of(&[("a", node.address)]).start();
        let mut listener = tokio::net::TcpStream::connect(bc.http).await.unwrap();
        let request = "GET /api/v1/events?chain=litecoin&kind=block,verdict HTTP/1.1\r\nHost: x\r\n\r\n";
        listener.write_all(request.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !contains(&heard, ": listening") {
            assert!(listener.read_buf(&mut heard).await.unwrap() > 0);
        }
        assert!(contains(&heard, "text/event-stream"));
        let hex = block(1);
        assert_eq!(bc.post("", &recordings::unhex(&hex)).await.status, 200);
        let both = async {
            // To the end of the second.
            while heard.windows(7).filter(|seven| *seven == b"event: ").count() < 2
                || !heard.ends_with(b"\n\n\r\n")
            {
                assert!(listener.read_buf(&mut heard).await.unwrap() > 0);
            }
        };
        tokio::time::timeout(support::PATIENCE, both).await.expect("the verdict is told");
        let text = String::from_utf8_lossy(&heard).into_owned();
        let data: Vec<Value> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        let kinds: Vec<_> = data.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["block", "verdict"]);
        assert!(
            data.iter().all(|event| event["block"] == json!(hash_of(&hex)) && event["chain"] == "litecoin")
        );
        assert_eq!(data[1]["judgement"], "accepted");
        let bad = bc.get("/api/v1/events?kind=gossip").await;
        assert_eq!((bad.status, &bad.json()["error"]["kind"]), (400, &json!("bad_query")));
    });
}

fn contains(heard: &[u8], text: &str) -> bool {
    heard.windows(text.len()).any(|window| window == text.as_bytes())
}
