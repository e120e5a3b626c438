use serde_json::{Value, json};

use super::*;

/// 2026-11-20 13:29:05 UTC
const NOW: f64 = 1_795_181_345.0;

fn explanation() -> Value {
    json!({
        "chain": "litecoin", "address": "203.0.113.7:9333", "source": "gossip", "state": "connected", "score": 150,
        "terms": [
            {"name": "start", "points": 50.0}, {"name": "deliveries", "points": 38.26},
            {"name": "failures", "points": -20.04}, {"name": "early", "points": 61.04},
            {"name": "delivery", "points": 0.0}, {"name": "latency", "points": 14.14},
            {"name": "uptime", "points": 7.04}, {"name": "reliability", "points": -0.04},
        ],
        "obstacles": [], "on_trial": false, "was_connected": true, "known_to_node": false, "heard_from": "198.51",
        "group": "203.0", "first_seen": NOW - 90_000.0, "last_seen": NOW - 42.0, "uptime_seconds": 7260,
        "services": "000000000000040d", "handshake_ms": 44.44, "ping_ms": 12.34, "delivery_ms": null,
        "promise_ms": 4.26,
        "deliveries": 4, "failures": 1, "announced": 34, "announced_first": 5, "hung_up_after_block": 0,
        "failures_in_a_row": 0, "backoff_seconds": 0.0, "banned_until": null,
        "connection": {
            "name": "x", "ready": true, "observer": true, "connected_seconds": 5, "protocol": 70016,
            "user_agent": "/LitecoinCore:0.21.5.4\x1b[2J/", "services": "0", "round_trip_ms": 12.34, "height": 433,
            "backlog_bytes": 0,
        },
    })
}

fn render(explanation: Value) -> String {
    let explanation: Explanation = serde_json::from_value(explanation).unwrap();
    explanation.render(NOW, Style::default())
}

#[test]
fn a_peer_is_explained_within_a_hundred_columns() {
    let expected = "\
203.0.113.7:9333  litecoin, gossip, score 150

  term         points  for
  start          50.0  where we know it from
  deliveries     38.3  10 for each block of ours that it is proven to have; half after a day
  failures      -20.1  20 off for each dial and delivery that it failed; half after a day
  early          61.1  up to 300: how early it announces blocks, compared with other peers
  delivery        0.0  150 off to 150: how soon a block of ours is in its hands
  latency        14.1  up to 50: handshake and pings
  uptime          7.0  up to 50: how long it was connected
  reliability     0.0  50 off to 50: how many of our dials it took
  sum           150.4
  score           150  the sum, rounded, from 0 to 1000

  state           connected, as an observer: it is never pushed to
  software        LitecoinCore:0.21.5.4\\u{1b}[2J, height 433
  first heard     2026-11-19 12:29:05 UTC, 1d 1h ago
  last alive      2026-11-20 13:28:23 UTC, 42s ago
  connected       2h 1m, all times together
  mean times      handshake 44.4 ms, ping 12.3 ms
  our blocks      4 proven to be there, 1 failed
  others' blocks  34 announced, 5 of them first
  promise         without it blocks would come 4.3 ms later, in the mean
  failed dials    0 in a row
  group           203.0
  heard from      neighbourhood 198.51
  node has it     no
  services        000000000000040d
";
    let page = render(explanation());
    assert_eq!(page, expected);
    assert!(page.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn the_points_that_are_shown_add_up_to_the_sum_that_is_shown() {
    for part in [0.05f64, 0.14, 0.25, 1.0 / 3.0, -0.05, -0.349] {
        let mut peer = explanation();
        peer["terms"].as_array_mut().unwrap().iter_mut().for_each(|term| term["points"] = part.into());
        let page = render(peer);
        let tenths =
            |line: &str| line.split_whitespace().nth(1).unwrap().replace('.', "").parse::<i64>().unwrap();
        let lines: Vec<_> = page.lines().skip(3).take(9).collect();
        let (sum, terms) = lines.split_last().unwrap();
        assert_eq!(tenths(sum), terms.iter().map(|line| tenths(line)).sum::<i64>(), "{page}");
        assert_eq!(tenths(sum), (part * 80.0).round() as i64, "{page}");
    }
}

#[test]
fn what_keeps_a_peer_from_being_dialled_comes_last() {
    let mut peer = explanation();
    (peer["state"], peer["connection"], peer["uptime_seconds"]) = ("idle".into(), Value::Null, 0.into());
    (peer["was_connected"], peer["hung_up_after_block"]) = (false.into(), 2.into());
    (peer["handshake_ms"], peer["ping_ms"], peer["heard_from"]) = (Value::Null, Value::Null, Value::Null);
    assert!(render(peer.clone()).contains("  state           idle, and may be dialled at any time\n"));
    peer["banned_until"] = (NOW + 60.0).into();
    peer["obstacles"] = json!(["its host is banned", "a neighbour of it is connected"]);
    let page = render(peer);
    for fact in [
        "  state           idle\n",
        "  connected       never\n",
        "  mean times      not measured yet\n",
        "  hung up         2 times right after a block of ours, as one does that bans us\n",
        "  heard from      your configuration, a node of yours, or the chain itself\n",
        "  banned until    2026-11-20 13:30:05 UTC\n",
    ] {
        assert!(page.contains(fact), "{fact} is missing in {page}");
    }
    let end = "  not dialled     its host is banned\n  not dialled     a neighbour of it is connected\n";
    assert!(page.ends_with(end), "{page}");
}

#[test]
fn a_node_of_our_own_is_not_judged() {
    let mut peer = explanation();
    (peer["terms"], peer["score"], peer["source"]) = (json!([]), 999_999.into(), "own".into());
    let page = render(peer);
    assert!(
        page.starts_with("203.0.113.7:9333  litecoin, own, score 999999\n\n  A node of your own"),
        "{page}"
    );
}
