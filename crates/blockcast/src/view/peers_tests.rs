use serde_json::{Value, json};

use super::*;

/// 2026-11-20 13:29:05 UTC
const NOW: f64 = 1_795_181_345.0;

fn book(chain: &str) -> Value {
    json!({
        "chain": chain, "total": 2,
        "summary": {
            "enabled": true, "connected": 1, "observers": 0, "own": 0, "min": 1, "max": 20, "in_book": 812,
            "sources": {"dns": 11, "fixed": 1, "gossip": 700, "node": 100}, "in_backoff": 30, "bans": 2,
        },
        "peers": [{
            "address": "203.0.113.7:9333", "source": "gossip", "state": "connected", "score": 123, "deliveries": 4,
            "failures": 0, "failures_in_a_row": 0, "backoff_seconds": 0.0, "last_seen": NOW, "announced": 7,
            "connection": {
                "name": "x", "ready": true, "observer": false, "connected_seconds": 5, "protocol": 70016,
                "user_agent": "/LitecoinCore:0.21.5.4/", "services": "0", "round_trip_ms": 12.34, "height": 433,
                "backlog_bytes": 0,
            },
        }, {
            "address": "pool.example:9333", "source": "fixed", "state": "dialing", "score": 100, "deliveries": 0,
            "failures": 0, "failures_in_a_row": 0, "backoff_seconds": 0.0, "last_seen": NOW, "announced": 0,
            "connection": null,
        }],
        "bans": [{"host": "198.51.100.9", "until": NOW + 86_340.0}, {"host": "a\x1b[2J", "until": NOW + 90.0}],
    })
}

fn render(chains: Value) -> String {
    let listing: Listing = serde_json::from_value(json!({ "chains": chains })).unwrap();
    listing.render(NOW, Style::default())
}

#[test]
fn a_book_is_laid_out_within_a_hundred_columns() {
    let expected = "\
litecoin
  Peers: 1 connected, 0 of them only observed; 1 to 20 wanted; 812 known, 30 in backoff
  Known by source: 11 dns, 1 fixed, 700 gossip, 100 node; 2 hosts banned

  peer               kind    state      height  ping  score  ok/bad  software
  203.0.113.7:9333   gossip  connected     433  12.3    123     4/0  LitecoinCore:0.21.5.4
  pool.example:9333  fixed   dialing                    100     0/0
  … and 810 without a connection: --all has them all

  banned host   until                    for another
  198.51.100.9  2026-11-21 13:28:05 UTC      23h 59m
  a\\u{1b}[2J    2026-11-20 13:30:35 UTC       1m 30s
";
    let page = render(json!([book("litecoin")]));
    assert_eq!(page, expected);
    assert!(page.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_book_with_nobody_in_it_says_so_and_each_chain_has_its_own() {
    let mut empty = book("dash");
    empty["summary"] = json!({"enabled": false, "connected": 0, "observers": 0, "min": 1, "max": 20, "in_book": 0, "in_backoff": 0});
    (empty["total"], empty["peers"], empty["bans"]) = (0.into(), json!([]), json!([]));
    let page = render(json!([empty, book("litecoin")]));
    let start = "\
dash
  Peers are not enabled: blocks go to your own nodes only.
  Known by source: nobody; 0 hosts banned

  No peer is connected or being dialled.

litecoin
";
    assert!(page.starts_with(start), "{page}");
}

#[test]
fn the_whole_book_has_nobody_beside_it() {
    let mut whole = book("litecoin");
    whole["total"] = 812.into();
    assert!(!render(json!([whole])).contains("--all"));
}

#[test]
fn a_ban_is_told_with_its_end() {
    let ban: Ban =
        serde_json::from_value(json!({"host": "203.0.113.7", "until": NOW, "chain": "dash"})).unwrap();
    assert_eq!(ban.describe("dash"), "203.0.113.7 is banned from dash until 2026-11-20 13:29:05 UTC\n");
}
