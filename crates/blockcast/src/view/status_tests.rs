use ledger::Source;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_795_172_838_042;

const HASH: &str = "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5";

fn peer(address: &str, source: &str, state: &str, connection: Value) -> Value {
    json!({
        "address": address, "source": source, "state": state, "score": 230, "deliveries": 12, "failures": 1,
        "failures_in_a_row": 0, "backoff_seconds": if state == "idle" { 42.0 } else { 0.0 }, "connection": connection,
    })
}

fn connection(observer: bool, user_agent: &str) -> Value {
    json!({
        "name": "x", "ready": true, "observer": observer, "connected_seconds": 5, "user_agent": user_agent,
        "protocol": 70016, "services": "0", "round_trip_ms": 0.84, "height": 433, "backlog_bytes": 0,
    })
}

fn node(name: &str, state: &str, kind: Value, message: Value, tip: Value) -> Value {
    json!({
        "name": name, "role": if name == "a" { "primary" } else { "backup" }, "rpc": "http://127.0.0.1:9332",
        "p2p": "127.0.0.1:9333", "state": state, "kind": kind, "message": message, "since_seconds": 7260, "tip": tip,
    })
}

/// The daemon's own type, so that a change of its form breaks these tests.
fn block(chain: &str, status: &str, state: &str) -> Summary {
    Summary {
        chain: chain.into(),
        hash: HASH.into(),
        height: Some(433),
        size: 1234,
        source: Source::FrontDoor,
        received_unix_ms: NOW - 61_000,
        status: status.into(),
        state: state.into(),
        since_unix_ms: NOW - 60_000,
        confirmations: u32::from(state == "active"),
        by: None,
        diagnosis: None,
        peers_with_block: 3,
        peers_addressed: 4,
        first_echo_ms: Some(12.31),
        deliveries: 1,
    }
}

fn status() -> Value {
    let tip = json!({"hash": HASH, "height": 433});
    json!({
        "version": "0.1.0", "uptime_seconds": 7265, "ready": true, "reasons": [],
        "journal": {"durable": true, "open_blocks": 1, "unsaved_blocks": 0},
        "chains": [{
            "name": "litecoin", "rules": "litecoin", "network": "mainnet", "tip": tip,
            "nodes": [
                node("a", "up", Value::Null, Value::Null, tip.clone()),
                node("b", "down", json!("unauthorized"), json!("wrong password for user \"pool\""), Value::Null),
            ],
            "peers": {
                "enabled": true, "connected": 2, "observers": 1, "own": 1, "min": 5, "max": 20, "in_book": 4,
                "in_backoff": 1,
            },
            "front_door": "127.0.0.1:19332", "restarts": 0,
        }],
        "peers": {"litecoin": [
            peer("127.0.0.1:9333", "own", "connected", connection(false, "/LitecoinCore:0.21.5.4/")),
            peer("203.0.113.7:9333", "fixed", "connected", connection(true, "/LitecoinCore:0.21.4/\x1b[2J")),
            peer("198.51.100.77:9333", "node", "idle", Value::Null),
            peer("pool.example:9333", "fixed", "dialing", Value::Null),
        ]},
        "blocks": [
            block("litecoin", "accepted", "active"),
            Summary { by: Some(HASH.into()), ..block("litecoin", "inconclusive", "orphaned") },
            block("litecoin", "refused", "open"),
            block("dogecoin", "pending", "open"),
        ],
        "ledger": {"available": true, "why": null},
    })
}

fn render(status: Value) -> String {
    let overview: Overview = serde_json::from_value(status).unwrap();
    overview.render("127.0.0.1:7904", NOW, Style::default())
}

#[test]
fn a_running_daemon_is_laid_out_within_a_hundred_columns() {
    let expected = "\
READY  Blockcast 0.1.0 on 127.0.0.1:7904, up 2h 1m
  journal: durable, 1 block open

litecoin  litecoin mainnet, tip 433 c43395da…f7b4afb5, front door 127.0.0.1:19332

  node  role     state               height  since  rpc                    p2p
  a     primary  up                     433  2h 1m  http://127.0.0.1:9332  127.0.0.1:9333
  b     backup   down: unauthorized          2h 1m  http://127.0.0.1:9332  127.0.0.1:9333
  b: wrong password for user \"pool\"

  Peers: 2 connected, 1 of them only observed; 5 to 20 wanted; 4 known, 1 in backoff
  peer                kind      state      height  ping  score  ok/bad  software
  127.0.0.1:9333      own       connected     433   0.8    230    12/1  LitecoinCore:0.21.5.4
  203.0.113.7:9333    observer  connected     433   0.8    230    12/1  LitecoinCore:0.21.4/\\…
  198.51.100.77:9333  node      in 42s                     230    12/1
  pool.example:9333   fixed     dialing                    230    12/1

  block              height    age  by          status                 have it  echo ms
  c43395da…f7b4afb5     433  1m 1s  front_door  active, 1 deep             3/4     12.3
  c43395da…f7b4afb5     433  1m 1s  front_door  orphaned by …f7b4afb5      3/4     12.3
  c43395da…f7b4afb5     433  1m 1s  front_door  refused                    3/4     12.3
";
    let page = render(status());
    assert_eq!(page, expected);
    assert!(page.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn how_far_blocks_are_final_is_said() {
    let mut status = status();
    status["chains"][0]["finality"] = json!({"word": "chainlocked", "block": null, "node": null});
    assert!(
        render(status.clone()).contains(", tip 433 c43395da…f7b4afb5, nothing chainlocked yet, front door")
    );
    let block = json!({"hash": HASH, "height": 432});
    status["chains"][0]["finality"] = json!({"word": "chainlocked", "block": block, "node": "a"});
    assert!(render(status.clone()).contains("chainlocked up to 432"));
}

#[test]
fn a_history_that_cannot_be_asked_is_told() {
    let mut status = status();
    status["ledger"] = json!({"available": false, "why": "disk full"});
    let page = render(status);
    let note = "  the history is not available, only blocks on their way: disk full\n";
    assert!(page.contains(note), "{page}");
}

#[test]
fn what_keeps_it_from_taking_blocks_comes_first() {
    let mut status = status();
    status["ready"] = false.into();
    status["reasons"] = json!(["the journal is not durable: disk full"]);
    status["journal"] = json!({"durable": false, "open_blocks": 2, "unsaved_blocks": 1});
    status["chains"][0]["tip"] = Value::Null;
    status["chains"][0]["restarts"] = 2.into();
    status["chains"][0]["peers"]["enabled"] = false.into();
    status["peers"] = json!({});
    status["blocks"] = json!([]);
    let page = render(status);
    let start = "\
NOT READY  Blockcast 0.1.0 on 127.0.0.1:7904, up 2h 1m
  the journal is not durable: disk full
  journal: NOT DURABLE, 2 blocks open, 1 block not on disk

litecoin  litecoin mainnet, tip not known yet, front door 127.0.0.1:19332, restarted after a crash: 2
";
    assert!(page.starts_with(start), "{page}");
    assert!(page.contains("  Peers are not enabled: blocks go to your own nodes only.\n"), "{page}");
    assert!(page.ends_with("  No block is known of this chain yet.\n"), "{page}");
}

#[test]
fn of_a_large_book_the_best_are_shown_and_the_rest_counted() {
    let mut status = status();
    let many = (0..45).map(|at| peer(&format!("192.0.2.{at}:9333"), "node", "idle", Value::Null));
    status["peers"]["litecoin"] = many.collect();
    let page = render(status);
    assert!(page.contains("192.0.2.39:9333") && !page.contains("192.0.2.40:9333"), "{page}");
    assert!(page.contains("  … and 5 more: `blockcast peers --all` has them all\n"), "{page}");
}
