//! What the tests with a running engine share.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use e2e::{Block, Blockcast, Daemon, Regtest, Setup, eventually};
use serde_json::{Value, json};

/// Patience with processes that start, connect and shake hands.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with `ours` as its node and the three others as peers, all connected.
pub(crate) fn start(net: &Regtest) -> Blockcast {
    let mut bc = Blockcast::start(Setup::of(net));
    bc.wait_ready();
    wait_for_peers(&bc, 3, 1);
    bc
}

/// Waits until that many fixed peers and nodes of ours have shaken hands, and the node's tip is known.
pub(crate) fn wait_for_peers(bc: &Blockcast, fixed: usize, own: usize) {
    eventually(PATIENCE, format!("{fixed} fixed peers and {own} own nodes connected"), || {
        metric(bc, "connected_peers", &[("kind", "fixed")]) == Some(fixed as f64)
            && metric(bc, "connected_peers", &[("kind", "own")]) == Some(own as f64)
            && metric(bc, "node_up", &[]) == Some(1.0)
    });
}

/// The value of the first time series of a metric (without its prefix) that has these labels.
pub(crate) fn metric(bc: &Blockcast, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let text = bc.get("/metrics").text().to_owned();
    text.lines()
        .filter(|line| line.starts_with(&format!("blockcast_{name}{{")))
        .find(|line| labels.iter().all(|(label, value)| line.contains(&format!("{label}=\"{value}\""))))
        .and_then(|line| line.rsplit(' ').next()?.parse().ok())
}

/// The report of the delivery that says most about a block: one that a node took, and of several the latest.
pub(crate) fn report_of(bc: &Blockcast, hash: &str) -> Value {
    let mut deliveries = block_of(bc, hash)["deliveries"].as_array().cloned().unwrap_or_default();
    let refused = |delivery: &Value| delivery["status"] == "refused";
    let best = deliveries.iter().rposition(|delivery| !refused(delivery)).unwrap_or(deliveries.len() - 1);
    deliveries.swap_remove(best)
}

/// All that is known of a block.
pub(crate) fn block_of(bc: &Blockcast, hash: &str) -> Value {
    bc.get_json(&format!("/api/v1/blocks/{hash}"))["block"].take()
}

/// What is known of a block once the chain says this of it.
pub(crate) fn block_in_state(bc: &Blockcast, hash: &str, state: &str) -> Value {
    let mut last = Value::Null;
    let deadline = std::time::Instant::now() + PATIENCE;
    let found = eventually(PATIENCE * 2, format!("{hash} is {state}"), || {
        // A block that is only in the ledger is not there before the ledger is open.
        last = bc.try_get(&format!("/api/v1/blocks/{hash}"))?.json();
        let is_so = last["block"]["fate"]["state"] == state;
        (is_so || std::time::Instant::now() > deadline).then(|| is_so.then(|| last["block"].take()))
    });
    found.unwrap_or_else(|| panic!("{hash} is not {state}: {last:#}\n{}", bc.log()))
}

/// The states that a block has been in, in order.
pub(crate) fn path_of(block: &Value) -> Vec<String> {
    let changes = block["fate"]["changes"].as_array().cloned().unwrap_or_default();
    changes.iter().filter_map(|change| change["state"].as_str().map(str::to_owned)).collect()
}

/// What the command line prints; it must succeed.
pub(crate) fn printed(bc: &Blockcast, args: &[&str]) -> String {
    let url = format!("http://{}", bc.http_addr());
    let output = bc.cli(&[args, &["--url", &url]].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {text}{complaint}");
    text
}

/// What a report says of one peer.
pub(crate) fn peer<'a>(report: &'a Value, name: &str) -> &'a Value {
    let peers = report["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    peers.iter().find(|peer| peer["peer"] == name).unwrap_or_else(|| panic!("no peer {name} in {report:#}"))
}

/// The report of a block once it tells the outcome at this peer, which may be a moment after its submitter has an answer.
pub(crate) fn report_with_outcome_at(bc: &Blockcast, hash: &str, name: &str, patience: Duration) -> Value {
    eventually(patience, format!("an outcome at {name}"), || {
        let report = report_of(bc, hash);
        let peers = report["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let known = peers.iter().any(|peer| peer["peer"] == name && !peer["outcome"].is_null());
        known.then_some(report)
    })
}

/// What the front door answers to a block.
pub(crate) fn submit(bc: &Blockcast, block: &Block) -> Value {
    bc.front_door().call("submitblock", json!([block.hex()])).expect("an answer without an error")
}

/// The block is the tip of all four nodes, and the report says for each how it came there.
pub(crate) fn assert_delivered(net: &Regtest, bc: &Blockcast, block: &Block) {
    net.wait_for_tip(&block.hash);
    let report = eventually(PATIENCE, "the report of a delivered block", || {
        let report = report_of(bc, &block.hash);
        let done = report["peers_with_block"] == json!(3) && !report["first_echo"].is_null();
        // What TCP says is read a moment later than what the peer says; and some of a dashd's words, the pong among
        // them, come half a second after others.
        let complete = |node: &Daemon| {
            let peer = peer(&report, &node.p2p_addr().to_string());
            ["acked_ms", "processed_ms"].iter().all(|time| !peer[time].is_null())
        };
        (done && net.plain.iter().all(complete)).then_some(report)
    });
    assert_eq!(report["status"], "accepted", "{report:#}");
    assert_eq!(report["durable"], true, "{report:#}");
    assert_eq!(report["nodes"][0]["node"], "a");
    assert_eq!(report["nodes"][0]["judgement"], "accepted");
    assert_eq!(report["nodes"][0]["verdict"], Value::Null, "the node's own words: {report:#}");
    for name in [net.plain[0].p2p_addr().to_string(), net.plain[1].p2p_addr().to_string()] {
        let peer = peer(&report, &name);
        assert_eq!(peer["outcome"], "accepted", "{report:#}");
        for time in ["queued_ms", "written_ms", "acked_ms", "processed_ms", "outcome_ms"] {
            assert!(peer[time].is_f64(), "{time} of {name}: {report:#}");
        }
    }
    // Our own node has the block by RPC, and mostly announces it before the push that waits for its verdict.
    assert!(matches!(peer(&report, "a")["outcome"].as_str(), Some("accepted" | "already_had")), "{report:#}");
    assert_eq!(
        (&report["peers_addressed"], &report["status"]),
        (&json!(3), &json!("accepted")),
        "{report:#}"
    );
    // Nothing was pushed to the observer, and it announced the block all the same: the network has it.
    let observer = peer(&report, &net.observer.p2p_addr().to_string());
    assert_eq!(
        (&observer["outcome"], &observer["detail"]),
        (&json!("withheld"), &json!("observer")),
        "{report:#}"
    );
    assert_eq!(observer["queued_ms"], Value::Null);
    assert_eq!(report["first_echo"]["peer"], json!(net.observer.p2p_addr().to_string()), "{report:#}");
}

/// Hands a bad block in by the front door: the caller gets the node's words and our finding beside them, and no peer
/// gets anything.
pub(crate) fn assert_kept_from_peers(
    net: &Regtest,
    bc: &Blockcast,
    block: &Block,
    verdict: Value,
    finding: &str,
) {
    let tip = net.plain[0].tip();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), verdict);
    let report = eventually(PATIENCE, "the finding", || {
        let report = report_of(bc, &block.hash);
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .any(|found| found["check"] == finding && found["severity"] == "error")
            .then_some(report)
    });
    assert_eq!(report["nodes"][0]["verdict"], verdict, "{report:#}");
    assert_eq!(report["status"], "refused");
    assert_eq!(report["peers_sent_to"], 0, "{report:#}");
    let peers = report["peers"].as_array().unwrap();
    assert!(peers.iter().all(|peer| peer["outcome"] == "withheld"), "{report:#}");
    for node in [&net.plain[0], &net.plain[1], &net.observer] {
        assert_eq!(node.tip(), tip);
        let unknown = node.rpc("getblockheader", json!([block.hash])).unwrap_err();
        assert_eq!(unknown.code, Some(-5), "no peer has heard of the block");
        assert_eq!(relay_connections(node), 1, "and none has hung up on us");
    }
    bc.wait_logged(finding, PATIENCE);
}

/// How many connections a node has from the engine.
pub(crate) fn relay_connections(node: &Daemon) -> usize {
    let ours = |peer: &&Value| peer["subver"].as_str().is_some_and(|agent| agent.starts_with("/Blockcast:"));
    node.connections().iter().filter(ours).count()
}

/// A node that never stops warming up: it answers every request with a recorded litecoind's words.
pub(crate) fn node_that_warms_up() -> SocketAddr {
    let recorded = recordings::read("litecoin/rpc_replies.json");
    let answers = recorded["replies"]["warmup_sequence"]["answers"].as_array().expect("the recorded warm-up");
    let bodies = answers.iter().filter_map(|answer| answer["body"].as_str());
    let warming =
        bodies.into_iter().find(|body| body.contains("-28")).expect("an answer with -28").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let warming = warming.clone();
            thread::spawn(move || answer_all(&client, &warming));
        }
    });
    address
}

/// Answers requests until the client closes.
fn answer_all(client: &TcpStream, body: &str) -> Option<()> {
    let mut requests = BufReader::new(client.try_clone().ok()?);
    let mut client = client;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut request = vec![0; length];
        requests.read_exact(&mut request).ok()?;
        let request: Value = serde_json::from_slice(&request).ok()?;
        let mut reply: Value = serde_json::from_str(body).ok()?;
        reply["id"] = request["id"].clone();
        let reply = format!("{reply}\n");
        let length = reply.len();
        let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length:";
        client.write_all(format!("{head} {length}\r\n\r\n{reply}").as_bytes()).ok()?;
    }
}

/// The value of a metric without labels.
pub(crate) fn plain_metric(bc: &Blockcast, name: &str) -> Option<f64> {
    let text = bc.get("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(&format!("blockcast_{name} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}
