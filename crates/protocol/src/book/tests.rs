use super::*;
use std::time::Duration;

const LIMITS: Limits = Limits { max: 3, dialing: 2 };

fn fixed(priority: Priority) -> Kind {
    Kind::Fixed { priority }
}

fn own() -> Kind {
    Kind::Own { node: "a".into() }
}

fn names(dials: Vec<(Address, Kind)>) -> Vec<String> {
    dials.into_iter().map(|(address, _)| address).collect()
}

#[test]
fn own_nodes_are_always_dialled_and_others_as_far_as_the_limits_allow() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("d:1".into(), Kind::Discovered, now);
    book.add("n:1".into(), fixed(Priority::Normal), now);
    book.add("c:1".into(), fixed(Priority::Critical), now);
    book.add("o:1".into(), own(), now);
    book.add("o:2".into(), own(), now);
    assert_eq!(names(book.next_dials(now)), ["o:1", "o:2", "c:1", "n:1"]);
    assert!(book.next_dials(now).is_empty(), "two dials are running");
    book.connected("c:1", now);
    assert_eq!(names(book.next_dials(now)), ["d:1"]);
}

#[test]
fn a_connected_peer_keeps_its_place_and_a_lost_one_is_dialled_again_after_its_backoff() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("o:1".into(), own(), now);
    book.next_dials(now);
    book.connected("o:1", now);
    assert!(book.next_dials(now).is_empty());
    book.disconnected("o:1", 1.0, now);
    assert!(book.next_dials(now).is_empty());
    assert_eq!(book.in_backoff(now), 1);
    assert_eq!(names(book.next_dials(now + Duration::from_millis(500))), ["o:1"]);
}

#[test]
fn a_failed_dial_costs_score_only_while_we_are_online() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    for address in ["a:1", "b:1"] {
        book.add(address.into(), Kind::Discovered, now);
    }
    book.next_dials(now);
    book.dial_failed("a:1", false, 0.0, now);
    book.dial_failed("b:1", true, 0.0, now);
    let score = |address| book.get(address).map(Entry::score);
    assert_eq!((score("a:1"), score("b:1")), (Some(100), Some(80)));
}

#[test]
fn better_peers_are_dialled_first() {
    let now = Instant::now();
    let mut book = PeerBook::new(Limits { max: 1, dialing: 1 });
    book.add("a:1".into(), Kind::Discovered, now);
    book.add("b:1".into(), Kind::Discovered, now);
    book.delivered("b:1", now);
    assert_eq!(names(book.next_dials(now)), ["b:1"]);
}

#[test]
fn an_address_of_two_sources_takes_the_better_kind() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("a:1".into(), Kind::Discovered, now);
    book.add("a:1".into(), own(), now);
    book.add("a:1".into(), Kind::Discovered, now);
    assert_eq!(book.get("a:1").map(|entry| entry.score()), Some(Score::OWN));
}

#[test]
fn a_full_book_lets_go_of_its_worst_stranger_and_of_nobody_else() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("own:1".into(), own(), now);
    book.add("worst:1".into(), Kind::Discovered, now);
    book.delivery_failed("worst:1", now);
    for i in 2..CAPACITY {
        book.add(format!("p{i}:1"), Kind::Discovered, now);
    }
    book.add("new:1".into(), Kind::Discovered, now);
    assert_eq!(book.entries().len(), CAPACITY);
    assert!(book.get("worst:1").is_none() && book.get("own:1").is_some() && book.get("new:1").is_some());
}

#[test]
fn those_whom_the_chain_prefers_come_behind_those_whom_the_operator_named_and_before_strangers() {
    const LABELS: &[&str] = &["quorum", "masternode"];
    let now = Instant::now();
    let mut book = PeerBook::new(Limits { max: 9, dialing: 9 });
    book.add("stranger:1".into(), Kind::Discovered, now);
    book.delivered("stranger:1", now);
    book.add("masternode:1".into(), Kind::preferred(LABELS, "masternode"), now);
    book.add("quorum:1".into(), Kind::preferred(LABELS, "quorum"), now);
    book.add("fixed:1".into(), fixed(Priority::Normal), now);
    assert_eq!(names(book.next_dials(now)), ["fixed:1", "quorum:1", "masternode:1", "stranger:1"]);
    let shown =
        |book: &PeerBook, address| book.get(address).map(|entry| (entry.kind.as_str(), entry.score_at(now)));
    assert_eq!(shown(&book, "quorum:1"), Some(("quorum", 200)));
    // Another quorum signs now.
    book.add("quorum:1".into(), Kind::preferred(LABELS, "masternode"), now);
    book.add("masternode:1".into(), Kind::preferred(LABELS, "quorum"), now);
    book.add("fixed:1".into(), Kind::preferred(LABELS, "quorum"), now);
    let expected =
        [("quorum:1", ("masternode", 150)), ("masternode:1", ("quorum", 200)), ("fixed:1", ("fixed", 100))];
    for (address, expected) in expected {
        assert_eq!(shown(&book, address), Some(expected), "{address}");
    }
}

#[test]
fn only_a_connection_that_lasted_forgives_the_failures_before_it() {
    let mut now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("a:1".into(), Kind::Discovered, now);
    let mut waits = Vec::new();
    for lasted in [1, 1, 1, 61, 1] {
        assert_eq!(names(book.next_dials(now)), ["a:1"]);
        book.connected("a:1", now);
        now += Duration::from_secs(lasted);
        book.disconnected("a:1", 1.0, now);
        let due = book.get("a:1").expect("it stays").due();
        waits.push(due.saturating_duration_since(now).as_secs());
        now = due;
    }
    assert_eq!(waits, [30, 60, 120, 30, 60]);
}

#[test]
fn misbehaviour_costs_score_and_nothing_else() {
    let now = Instant::now();
    let mut book = PeerBook::new(LIMITS);
    book.add("a:1".into(), Kind::Discovered, now);
    book.add("o:1".into(), own(), now);
    ["a:1", "o:1"].iter().for_each(|address| book.misbehaved(address, now));
    let entry = book.get("a:1").expect("it stays");
    assert_eq!((entry.score_at(now), entry.failures, entry.is_due(now)), (80, 0, true));
    assert_eq!(book.get("o:1").map(|entry| entry.score_at(now)), Some(Score::OWN));
}
