use ledger::{
    Change, Diagnosis, EchoReport, Fate, Finding, Heard, NodeReport, PeerReport, Place, Replays, Source,
};
use serde_json::{Value, json};

use super::*;

const HASH: &str = "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5";
const RIVAL: &str = "8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4";
const RECEIVED: u64 = 1_795_172_838_042;
const NOW: u64 = RECEIVED + 7_260_000;

fn node(name: &str, judgement: Option<&str>, verdict: Option<Value>, at: Option<f64>) -> NodeReport {
    NodeReport {
        node: name.into(),
        judgement: judgement.map(str::to_owned),
        verdict,
        masked: false,
        answered_ms: at,
        judged_ms: at,
        attempts: 1,
    }
}

fn peer(name: &str, outcome: &str, at: f64) -> PeerReport {
    PeerReport {
        peer: name.into(),
        outcome: Some(outcome.into()),
        detail: None,
        stage: Some("processed".into()),
        queued_ms: Some(2.2),
        written_ms: Some(2.3),
        acked_ms: Some(2.5),
        processed_ms: Some(at - 0.1),
        outcome_ms: Some(at),
    }
}

/// The daemon's own types, so that a change of their form breaks these tests.
fn report() -> Report {
    Report {
        chain: "litecoin".into(),
        hash: HASH.into(),
        form: "5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c2652a".into(),
        height: Some(433),
        parent: "2652a5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c".into(),
        merged_with: None,
        size: 1234,
        source: Source::FrontDoor,
        received_unix_ms: RECEIVED,
        age_ms: 0.0,
        repeats: 0,
        submissions: vec![SubmissionReport {
            source: Source::FrontDoor,
            submitter: Some("pool@10.0.0.5:41234".into()),
            unix_ms: RECEIVED,
            answered_unix_ms: Some(RECEIVED + 5),
            answer: Some("accepted".into()),
        }],
        status: "accepted".into(),
        durable: Some(true),
        durable_ms: Some(1.26),
        journal_error: None,
        inspected_ms: Some(2.14),
        findings: Vec::new(),
        kept_off_p2p: None,
        peers_with_block: 3,
        peers_addressed: 4,
        peers_sent_to: 3,
        first_echo: Some(EchoReport { ms: 12.31, peer: "198.51.100.4:9333".into() }),
        finality: None,
        nodes: vec![
            node("a", Some("accepted"), Some(Value::Null), Some(3.11)),
            node("b", Some("accepted"), Some("duplicate".into()), Some(4.02)),
        ],
        peers: vec![
            peer("a", "already_had", 4.1),
            peer("203.0.113.7:9333", "accepted", 61.2),
            peer("203.0.113.8:9333", "accepted", 38.9),
            peer("203.0.113.9:9333", "timed_out", 4000.0),
        ],
    }
}

fn change(after: u64, state: &str, by: Option<&str>) -> Change {
    let (by, node) = (by.map(str::to_owned), (state != "open").then(|| "a".to_owned()));
    Change { unix_ms: RECEIVED + after, state: state.into(), by, node }
}

fn place(node: &str, place: &str, confirmations: u32, rival: Option<&str>) -> Place {
    let rival = rival.map(str::to_owned);
    Place { node: node.into(), place: place.into(), confirmations, rival, unix_ms: NOW - 5000 }
}

fn confirmed() -> Block {
    Block {
        chain: "litecoin".into(),
        hash: HASH.into(),
        height: Some(433),
        parent: report().parent,
        fate: Fate {
            state: "confirmed".into(),
            since_unix_ms: RECEIVED + 900_000,
            confirmations: 6,
            required: 6,
            by: None,
            node: Some("a".into()),
            places: vec![place("a", "active", 48, None), place("b", "active", 47, None)],
            changes: vec![
                change(0, "open", None),
                change(9, "active", None),
                change(900_000, "confirmed", None),
            ],
            rival_heard: None,
            diagnosis: None,
            replays: Replays::default(),
        },
        deliveries: vec![report()],
        raw_kept: true,
    }
}

/// It was in the chain, a rival got longer, and sending it again did not help.
fn orphaned() -> Block {
    let mut block = confirmed();
    block.fate = Fate {
        state: "orphaned".into(),
        since_unix_ms: RECEIVED + 1_800_000,
        confirmations: 0,
        by: Some(RIVAL.into()),
        places: vec![place("a", "side", 0, Some(RIVAL)), place("b", "unknown", 0, Some(RIVAL))],
        changes: vec![
            change(0, "open", None),
            change(9, "active", None),
            change(150_000, "side", Some(RIVAL)),
            change(1_800_000, "orphaned", Some(RIVAL)),
        ],
        rival_heard: Some(Heard { unix_ms: RECEIVED - 412, from: "203.0.113.9:9333".into() }),
        diagnosis: Some(Diagnosis {
            kind: "lost_race".into(),
            text: "a rival was known 412 ms before this block, and the next block was built on it".into(),
            behind_ms: Some(412),
        }),
        replays: Replays { done: 1, next_unix_ms: None },
        ..block.fate
    };
    let mut again = report();
    again.source = Source::Replay;
    again.received_unix_ms = RECEIVED + 180_000;
    again.submissions = Vec::new();
    again.status = "inconclusive".into();
    again.first_echo = None;
    again.nodes = vec![
        node("a", Some("inconclusive"), Some("duplicate-inconclusive".into()), Some(2.0)),
        node(
            "b",
            Some("unanswered"),
            Some(json!({"unanswered": "timeout", "message": "no answer in 4 s"})),
            None,
        ),
    ];
    again.peers = vec![peer("203.0.113.9:9333", "outraced", 50.0)];
    (again.peers_with_block, again.peers_addressed, again.peers_sent_to) = (0, 1, 1);
    block.deliveries.push(again);
    block.raw_kept = false;
    block
}

fn rejected() -> Block {
    let mut block = confirmed();
    block.height = None;
    block.fate = Fate {
        state: "rejected".into(),
        since_unix_ms: RECEIVED + 7,
        confirmations: 0,
        places: vec![place("a", "invalid", 0, None), place("b", "unanswered", 0, None)],
        changes: vec![change(0, "open", None), change(7, "rejected", None)],
        diagnosis: Some(Diagnosis {
            kind: "rejected".into(),
            text: "both nodes refused it: high-hash".into(),
            behind_ms: None,
        }),
        ..block.fate
    };
    let delivery = &mut block.deliveries[0];
    delivery.status = "refused".into();
    (delivery.durable, delivery.durable_ms) = (Some(false), None);
    delivery.journal_error = Some("the journal cannot save the block: disk full".into());
    delivery.findings = vec![Finding {
        check: "high-hash".into(),
        severity: "error".into(),
        expected: "a hash of at most 7fff…".into(),
        found: "ffff…".into(),
    }];
    delivery.kept_off_p2p = Some("finding".into());
    delivery.peers = Vec::new();
    (delivery.peers_with_block, delivery.peers_addressed, delivery.peers_sent_to) = (0, 0, 0);
    delivery.first_echo = None;
    let mut masked = node("b", Some("refused"), Some("duplicate-invalid".into()), Some(6.5));
    masked.masked = true;
    let error = json!({"code": -22, "message": "Block decode failed"});
    delivery.nodes =
        vec![node("a", Some("refused"), Some(error), Some(3.0)), masked, node("c", None, None, None)];
    delivery.submissions[0].answer = Some("high-hash".into());
    block
}

fn read(block: &Block) -> History {
    serde_json::from_value(json!({"block": block, "ledger": {"available": true, "why": null}})).unwrap()
}

fn render(block: &Block) -> String {
    read(block).render(NOW, Style::default())
}

#[test]
fn a_confirmed_block_is_told_from_its_receipt_to_its_last_change() {
    let expected = "\
CONFIRMED  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5  height 433, 1234 bytes
  It is in the chain for good, as far as work can tell: 6 deep and more, says a.

  chain      litecoin
  parent     2652a5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c
  received   2026-11-20 11:07:18.042 UTC, 2h 1m ago, by front_door
  state      confirmed since 2026-11-20 11:22:18.042 UTC, 1h 46m ago
  peers      3 of 4 peers proven to have it; sent to 3
  bytes      kept: --raw FILE writes them

Timeline (after the block was received)
     after  UTC                      what
   +0.0 ms  2026-11-20 11:07:18.042  received by front_door from pool@10.0.0.5:41234
   +0.0 ms  2026-11-20 11:07:18.042  open: in no node's active chain
   +1.3 ms  2026-11-20 11:07:18.043  on disk
   +2.1 ms  2026-11-20 11:07:18.044  inspected, nothing found
   +3.1 ms  2026-11-20 11:07:18.045  a: accepted (null), the first verdict
   +4.0 ms  2026-11-20 11:07:18.046  b: accepted (duplicate)
   +4.1 ms  2026-11-20 11:07:18.046  first peer proven to have it: a
   +5.0 ms  2026-11-20 11:07:18.047  pool@10.0.0.5:41234 was told: accepted
   +9.0 ms  2026-11-20 11:07:18.051  active: it is in the active chain, says a
  +12.3 ms  2026-11-20 11:07:18.054  first echo: 198.51.100.4:9333 has it and had not been sent it
  +38.9 ms  2026-11-20 11:07:18.081  half of the peers have it: 2 of 4
  +61.2 ms  2026-11-20 11:07:18.103  last peer proven to have it: 203.0.113.7:9333, 3 of 4
   +15m 0s  2026-11-20 11:22:18.042  confirmed: it is deep enough, says a

Verdicts (times in ms since the delivery began)
  node  verdict   its words  answered  judged  attempts
  a     accepted  null            3.1     3.1         1
  b     accepted  duplicate       4.0     4.0         1

Where your nodes have it
  node  place   deep  as of (UTC)
  a     active    48  2026-11-20 13:08:13.042
  b     active    47  2026-11-20 13:08:13.042

Submissions
  handed in (UTC)          by          who                  answered  was told
  2026-11-20 11:07:18.042  front_door  pool@10.0.0.5:41234      5 ms  accepted

Peers (times in ms since it was received)
  peer              outcome      stage      queued  written  acked  processed  outcome
  a                 already_had  processed     2.2      2.3    2.5        4.0      4.1
  203.0.113.7:9333  accepted     processed     2.2      2.3    2.5       61.1     61.2
  203.0.113.8:9333  accepted     processed     2.2      2.3    2.5       38.8     38.9
  203.0.113.9:9333  timed_out    processed     2.2      2.3    2.5     3999.9   4000.0
";
    assert_eq!(render(&confirmed()), expected);
}

#[test]
fn a_lost_race_shows_the_rival_the_reorganisation_and_each_delivery() {
    let expected = "\
ORPHANED  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5  height 433, 1234 bytes
  Another block is in its place for good: 8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4, says a.
  Why: a rival was known 412 ms before this block, and the next block was built on it (lost_race)

  chain      litecoin
  parent     2652a5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c
  received   2026-11-20 11:07:18.042 UTC, 2h 1m ago, by front_door
  state      orphaned since 2026-11-20 11:37:18.042 UTC, 1h 31m ago
  race       the rival was 412 ms ahead of this block
  peers      3 of 4 peers proven to have it; sent to 3
  sent again 1 time, as no node had it
  bytes      not kept any more

Timeline (after the block was received)
      after  UTC                      delivery  what
  -412.0 ms  2026-11-20 11:07:17.630            a rival was first heard of, from 203.0.113.9:9333
    +0.0 ms  2026-11-20 11:07:18.042  #1        received by front_door from pool@10.0.0.5:41234
    +0.0 ms  2026-11-20 11:07:18.042            open: in no node's active chain
    +1.3 ms  2026-11-20 11:07:18.043  #1        on disk
    +2.1 ms  2026-11-20 11:07:18.044  #1        inspected, nothing found
    +3.1 ms  2026-11-20 11:07:18.045  #1        a: accepted (null), the first verdict
    +4.0 ms  2026-11-20 11:07:18.046  #1        b: accepted (duplicate)
    +4.1 ms  2026-11-20 11:07:18.046  #1        first peer proven to have it: a
    +5.0 ms  2026-11-20 11:07:18.047  #1        pool@10.0.0.5:41234 was told: accepted
    +9.0 ms  2026-11-20 11:07:18.051            active: it is in the active chain, says a
   +12.3 ms  2026-11-20 11:07:18.054  #1        first echo: 198.51.100.4:9333 has it and had not been sent it
   +38.9 ms  2026-11-20 11:07:18.081  #1        half of the peers have it: 2 of 4
   +61.2 ms  2026-11-20 11:07:18.103  #1        last peer proven to have it: 203.0.113.7:9333, 3 of 4
    +2m 30s  2026-11-20 11:09:48.042            side: 8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4 is at its height, says a
     +3m 0s  2026-11-20 11:10:18.042  #2        sent on its way again by replay
     +3m 0s  2026-11-20 11:10:18.043  #2        on disk
     +3m 0s  2026-11-20 11:10:18.044  #2        a: inconclusive (duplicate-inconclusive), the first verdict
     +3m 0s  2026-11-20 11:10:18.044  #2        inspected, nothing found
    +30m 0s  2026-11-20 11:37:18.042            orphaned: 8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4 is in its place for good, says a

Verdicts (times in ms since the delivery began)
  node  delivery  verdict       its words               answered  judged  attempts
  a     #1        accepted      null                         3.1     3.1         1
  a     #2        inconclusive  duplicate-inconclusive       2.0     2.0         1
  b     #1        accepted      duplicate                    4.0     4.0         1
  b     #2        unanswered    timeout                                          1
  b, #2: no answer in 4 s

Where your nodes have it
  node  place    as of (UTC)              instead of it
  a     side     2026-11-20 13:08:13.042  8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4
  b     unknown  2026-11-20 13:08:13.042  8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4

Submissions
  delivery  handed in (UTC)          by          who                  answered  was told
  #1        2026-11-20 11:07:18.042  front_door  pool@10.0.0.5:41234      5 ms  accepted

Deliveries
  #   sent (UTC)               by          bytes  status        on disk  have it  form
  #1  2026-11-20 11:07:18.042  front_door   1234  accepted      yes          3/4  5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c2652a
  #2  2026-11-20 11:10:18.042  replay       1234  inconclusive  yes          0/1  5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c2652a

Peers of delivery #1 (times in ms since it was received)
  peer              outcome      stage      queued  written  acked  processed  outcome
  a                 already_had  processed     2.2      2.3    2.5        4.0      4.1
  203.0.113.7:9333  accepted     processed     2.2      2.3    2.5       61.1     61.2
  203.0.113.8:9333  accepted     processed     2.2      2.3    2.5       38.8     38.9
  203.0.113.9:9333  timed_out    processed     2.2      2.3    2.5     3999.9   4000.0

Peers of delivery #2 (times in ms since it was received)
  peer              outcome   stage      queued  written  acked  processed  outcome
  203.0.113.9:9333  outraced  processed     2.2      2.3    2.5       49.9     50.0
";
    assert_eq!(render(&orphaned()), expected);
}

#[test]
fn a_rejected_block_shows_every_nodes_words_and_the_findings() {
    let expected = "\
REJECTED  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5  height unknown, 1234 bytes
  Every node of yours has refused it.
  Why: both nodes refused it: high-hash (rejected)

  chain      litecoin
  parent     2652a5ef416491b43e224b4ba98c761eef7b4afb5c43395daa411c159515316c
  received   2026-11-20 11:07:18.042 UTC, 2h 1m ago, by front_door
  state      rejected since 2026-11-20 11:07:18.049 UTC, 2h 0m ago
  on disk    NO: the journal cannot save the block: disk full. It was sent all the same
  peers      none is sent the block: finding
  bytes      kept: --raw FILE writes them

Timeline (after the block was received)
    after  UTC                      what
  +0.0 ms  2026-11-20 11:07:18.042  received by front_door from pool@10.0.0.5:41234
  +0.0 ms  2026-11-20 11:07:18.042  open: in no node's active chain
  +2.1 ms  2026-11-20 11:07:18.044  inspected, 1 finding
  +3.0 ms  2026-11-20 11:07:18.045  a: refused (error -22), the first verdict
  +5.0 ms  2026-11-20 11:07:18.047  pool@10.0.0.5:41234 was told: high-hash
  +6.5 ms  2026-11-20 11:07:18.049  b: refused (duplicate-invalid)
  +7.0 ms  2026-11-20 11:07:18.049  rejected: every node has refused it

Verdicts (times in ms since the delivery began)
  node  verdict  its words          answered  judged  attempts
  a     refused  error -22               3.0     3.0         1
  b     refused  duplicate-invalid       6.5     6.5         1
  c     pending                                              1
  a: Block decode failed
  b: it refused this block before and says no more than that; the reason is its first refusal, or our finding

Where your nodes have it
  node  place       as of (UTC)
  a     invalid     2026-11-20 13:08:13.042
  b     unanswered  2026-11-20 13:08:13.042

Submissions
  handed in (UTC)          by          who                  answered  was told
  2026-11-20 11:07:18.042  front_door  pool@10.0.0.5:41234      5 ms  high-hash

Findings
  error    high-hash
           expected  a hash of at most 7fff…
           found     ffff…
";
    assert_eq!(render(&rejected()), expected);
}

#[test]
fn colours_change_nothing_but_colours() {
    for block in [confirmed(), orphaned(), rejected()] {
        let mut coloured = read(&block).render(NOW, Style { colour: true });
        assert!(coloured.starts_with("\x1b["), "{coloured:?}");
        for code in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, render(&block));
    }
}

#[test]
fn a_block_that_is_still_open_tells_what_is_to_come() {
    let mut block = confirmed();
    block.fate = Fate {
        state: "active".into(),
        confirmations: 2,
        changes: vec![change(0, "open", None), change(9, "active", None)],
        replays: Replays { done: 2, next_unix_ms: Some(NOW + 60_000) },
        ..block.fate
    };
    block.deliveries[0].repeats = 3;
    let page = render(&block);
    for line in [
        "  It is in the active chain, 2 of 6 deep, says a.\n",
        "  received   2026-11-20 11:07:18.042 UTC, 2h 1m ago, by front_door; handed in again: 3\n",
        "  sent again 2 times, as no node had it; next at 2026-11-20 13:09:18.042 UTC\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    block.fate.state = "side".into();
    block.fate.by = Some(RIVAL.into());
    let side = format!("  A rival is at its height: {RIVAL}, says a. It is lost if that one gets 6 deep.\n");
    assert!(render(&block).contains(&side), "{}", render(&block));
}

#[test]
fn a_word_of_the_chain_that_its_keeper_has_not_heard_yet_is_in_the_timeline_once() {
    let mut block = confirmed();
    block.deliveries[0].finality = Some(ledger::FinalityReport {
        state: "chainlocked".into(),
        ms: Some(950.0),
        by: None,
        node: Some("a".into()),
        claimed_ms: Some(900.0),
    });
    let page = render(&block);
    assert!(page.contains("+950.0 ms  2026-11-20 11:07:18.992  chainlocked, says a\n"), "{page}");
    assert!(page.contains("+900.0 ms  2026-11-20 11:07:18.942  a peer said that it is final\n"), "{page}");
    block.fate.changes.push(change(951, "chainlocked", None));
    let page = render(&block);
    assert!(!page.contains("chainlocked, says a\n"), "{page}");
    let kept = "+951.0 ms  2026-11-20 11:07:18.993  chainlocked: the chain has made it final, says a\n";
    assert!(page.contains(kept), "{page}");
    block.deliveries[0].finality = None;
    block.fate.changes = Vec::new();
    block.deliveries = Vec::new();
    assert!(render(&block).contains("  Nothing is known of it.\n"));
}

#[test]
fn words_that_are_too_long_for_the_table_are_below_it() {
    let mut block = confirmed();
    let long = "mandatory-script-verify-flag-failed (Signature must be zero)";
    block.deliveries[0].nodes = vec![node("a", Some("refused"), Some(long.into()), Some(1.0))];
    let page = render(&block);
    assert!(page.contains("  a     refused  mandatory-script-verify-flag-failed…"), "{page}");
    assert!(page.contains(&format!("\n  a: {long}\n")), "{page}");
}

/// Every text of a JSON document with something at its end that a terminal would obey.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str("\x1b[2J\r\n\u{9b}\u{202e}"),
        Value::Array(values) => values.iter_mut().for_each(poison),
        Value::Object(fields) => {
            // The doors are an enumeration: no other word is read.
            fields.iter_mut().filter(|(name, _)| *name != "source").for_each(|(_, value)| poison(value));
        }
        _ => {}
    }
}

#[test]
fn nothing_that_comes_from_elsewhere_can_steer_the_terminal() {
    for mut block in [confirmed(), orphaned(), rejected()] {
        block.deliveries[0].merged_with =
            Some(ledger::MergedReport { hash: RIVAL.into(), chain: Some("dogecoin".into()) });
        block.deliveries[0].finality = Some(ledger::FinalityReport {
            state: "chainlocked".into(),
            ms: Some(950.0),
            by: Some(RIVAL.into()),
            node: Some("a".into()),
            claimed_ms: None,
        });
        let lines = render(&block).lines().count();
        let mut json = serde_json::to_value(&block).unwrap();
        poison(&mut json);
        let page = render(&serde_json::from_value(json).unwrap());
        let obeyed = page.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(obeyed, None, "{page:?}");
        assert!(page.lines().count() <= lines + 8, "no line is faked: {page}");
    }
}
