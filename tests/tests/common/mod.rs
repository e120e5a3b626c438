//! What the tests with a running engine share.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use e2e::{Blockcast, Regtest, Setup, eventually, fixture};
use serde_json::Value;

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

/// The delivery report of a block.
pub(crate) fn report_of(bc: &Blockcast, hash: &str) -> Value {
    bc.get_json(&format!("/api/v1/blocks/{hash}"))
}

/// What a report says of one peer.
pub(crate) fn peer<'a>(report: &'a Value, name: &str) -> &'a Value {
    let peers = report["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    peers.iter().find(|peer| peer["peer"] == name).unwrap_or_else(|| panic!("no peer {name} in {report:#}"))
}

/// A node that never stops warming up: it answers every request with a recorded litecoind's words.
pub(crate) fn node_that_warms_up() -> SocketAddr {
    let recorded = fixture("litecoin/rpc_replies.json");
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
