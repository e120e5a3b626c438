use relay::{EchoReport, FinalityReport, MergedReport, NodeReport, PeerReport, Report, Source};
use serde_json::json;

use super::*;

fn peer(name: &str, outcome: Option<&str>, detail: Option<&str>, times: [Option<f64>; 5]) -> PeerReport {
    let stages = ["queued", "written", "acked", "processed"];
    let passed = stages.iter().zip(times).rev().find(|(_, at)| at.is_some());
    PeerReport {
        peer: name.into(),
        outcome: outcome.map(str::to_owned),
        detail: detail.map(str::to_owned),
        stage: passed.map(|(stage, _)| (*stage).to_owned()),
        queued_ms: times[0],
        written_ms: times[1],
        acked_ms: times[2],
        processed_ms: times[3],
        outcome_ms: times[4],
    }
}

fn node(name: &str, judgement: Option<&'static str>, verdict: Option<Value>, at: Option<f64>) -> NodeReport {
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

/// The daemon's own type, so that a change of its form breaks these tests.
fn report() -> Report {
    Report {
        chain: "litecoin".into(),
        hash: "c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5".into(),
        height: Some(433),
        form: String::new(),
        submissions: Vec::new(),
        parent: "8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4".into(),
        merged_with: None,
        size: 1234,
        source: Source::Cli,
        received_unix_ms: 1_795_172_838_042,
        age_ms: 412.7,
        repeats: 0,
        status: "accepted".into(),
        durable: Some(true),
        durable_ms: Some(1.26),
        journal_error: None,
        inspected_ms: Some(2.14),
        findings: Vec::new(),
        kept_off_p2p: None,
        peers_with_block: 2,
        peers_addressed: 3,
        peers_sent_to: 2,
        first_echo: Some(EchoReport { ms: 12.31, peer: "127.0.0.1:19447".into() }),
        finality: None,
        nodes: vec![node("a", Some("accepted"), Some(Value::Null), Some(3.11))],
        peers: vec![
            peer("a", Some("already_had"), None, [Some(3.4), Some(3.5), Some(3.6), Some(4.0), Some(4.1)]),
            peer("127.0.0.1:19445", Some("accepted"), None, [2.2, 2.3, 2.5, 6.0, 6.1].map(Some)),
            peer("127.0.0.1:19446", None, None, [Some(2.2), Some(2.3), None, None, None]),
            peer("127.0.0.1:19447", Some("withheld"), Some("observer"), [None, None, None, None, Some(2.2)]),
        ],
    }
}

fn read(report: &Report) -> Delivery {
    serde_json::from_value(serde_json::to_value(report).unwrap()).unwrap()
}

fn render(report: &Report, goal: Goal) -> String {
    read(report).render(goal, Style::default())
}

#[test]
fn an_accepted_block_is_told_from_the_verdict_down_to_each_peers_times() {
    let expected = "\
ACCEPTED  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5  height 433, 1234 bytes
  A node of yours has it in its active chain.

  chain      litecoin, handed in by cli
  parent     8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4
  received   2026-11-20 11:07:18.042 UTC, 0.4s ago
  on disk    after 1.3 ms
  inspected  after 2.1 ms, nothing found
  peers      2 of 3 peers proven to have it; sent to 2
  echo       after 12.3 ms from 127.0.0.1:19447, who had not been sent it

Nodes (times in ms since it was received)
  node  verdict   its words  answered  judged  attempts
  a     accepted  null            3.1     3.1         1

Peers (times in ms since it was received)
  peer             outcome              stage      queued  written  acked  processed  outcome
  a                already_had          processed     3.4      3.5    3.6        4.0      4.1
  127.0.0.1:19445  accepted             processed     2.2      2.3    2.5        6.0      6.1
  127.0.0.1:19446  open                 written       2.2      2.3
  127.0.0.1:19447  withheld (observer)                                                    2.2
";
    assert_eq!(render(&report(), Goal::Node), expected);
}

#[test]
fn a_refused_block_shows_findings_both_nodes_words_and_the_disks_failure() {
    let mut report = report();
    report.status = "refused".into();
    report.height = None;
    report.repeats = 2;
    (report.durable, report.durable_ms) = (Some(false), None);
    report.journal_error = Some("the journal cannot save the block: disk full".into());
    report.findings =
        vec![relay::told(&chain::Finding::error("high-hash", "a hash of at most 7fff…", "ffff\x1b[2J…"))];
    report.kept_off_p2p = Some("finding".into());
    (report.peers, report.first_echo) = (Vec::new(), None);
    let mut masked = node("a", Some("refused"), Some("duplicate-invalid".into()), Some(3.0));
    masked.masked = true;
    report.nodes = vec![
        masked,
        node("b", Some("refused"), Some(json!({"code": -22, "message": "Block decode failed"})), Some(4.0)),
        node("c", Some("unanswered"), Some(json!({"unanswered": "timeout", "message": "no answer"})), None),
        node("d", None, None, None),
    ];
    let expected = "\
REFUSED  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5  height unknown, 1234 bytes
  Your nodes refuse it; their words and our findings say why.

  chain      litecoin, handed in by cli
  parent     8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4
  received   2026-11-20 11:07:18.042 UTC, 0.4s ago; handed in again since: 2
  on disk    NO: the journal cannot save the block: disk full. It was sent all the same
  inspected  after 2.1 ms, 1 finding
  peers      none is sent the block: finding
  echo       none yet

Findings
  error    high-hash
           expected  a hash of at most 7fff…
           found     ffff\\u{1b}[2J…

Nodes (times in ms since it was received)
  node  verdict     its words          answered  judged  attempts
  a     refused     duplicate-invalid       3.0     3.0         1
  b     refused     error -22               4.0     4.0         1
  c     unanswered  timeout                                     1
  d     pending                                                 1
  a: it refused this block before and says no more than that; the reason is its first refusal, or our finding
  b: Block decode failed
  c: no answer
";
    assert_eq!(render(&report, Goal::Node), expected);
}

#[test]
fn the_goal_decides_what_success_is() {
    let delivery = read(&report());
    assert!(delivery.has_reached(Goal::Node) && delivery.has_reached(Goal::Peers(2)));
    assert!(!delivery.has_reached(Goal::Peers(3)));
    let page = delivery.render(Goal::Peers(3), Style::default());
    assert!(
        page.contains("  Not reached in time: 3 peers with the block; 2 are proven to have it.\n"),
        "{page}"
    );
    for status in ["inconclusive", "refused", "unanswered", "pending"] {
        assert!(!read(&Report { status: status.into(), ..report() }).has_reached(Goal::Node), "{status}");
    }
}

#[test]
fn without_nodes_the_peers_speak_for_the_block() {
    let none = Report { status: "pending".into(), nodes: Vec::new(), ..report() };
    assert!(read(&none).has_reached(Goal::Node));
    assert!(render(&none, Goal::Node).contains("No node is configured; peers are proven to have it."));
    let nobody = Report { peers_with_block: 0, ..none };
    assert!(!read(&nobody).has_reached(Goal::Node));
}

#[test]
fn colours_change_nothing_but_colours() {
    let coloured = read(&report()).render(Goal::Node, Style { colour: true });
    assert!(coloured.starts_with("\x1b[32mACCEPTED\x1b[0m  c43395"), "{coloured:?}");
    let mut plain = coloured;
    for code in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, render(&report(), Goal::Node));
}

#[test]
fn the_chains_last_word_is_told_with_its_source_and_what_was_only_heard() {
    let said = |finality: FinalityReport| {
        let page = render(&Report { finality: Some(finality), ..report() }, Goal::Node);
        let line = page.lines().find_map(|line| line.strip_prefix("  last word  "));
        line.expect("there is such a line").to_owned()
    };
    let awaited =
        FinalityReport { state: "awaited".into(), ms: None, by: None, node: None, claimed_ms: Some(900.0) };
    assert_eq!(said(awaited.clone()), "awaited; a peer said so after 900.0 ms");
    let locked = FinalityReport {
        state: "chainlocked".into(),
        ms: Some(1234.56),
        node: Some("a".into()),
        ..awaited.clone()
    };
    assert_eq!(said(locked), "chainlocked after 1234.6 ms, says a; a peer said so after 900.0 ms");
    let (by, node) = (Some("c433".into()), Some("a".into()));
    let dead = FinalityReport { state: "orphaned".into(), ms: Some(5.0), by, node, claimed_ms: None };
    assert_eq!(said(dead.clone()), "orphaned after 5.0 ms: c433 is final instead, says a");
    let head = |finality| {
        let page = render(&Report { finality: Some(finality), ..report() }, Goal::Node);
        page.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(head(awaited)[0].starts_with("ACCEPTED  "));
    assert!(head(dead.clone())[0].starts_with("ORPHANED  "));
    assert!(head(dead)[1].contains("another block in its place"));
}

#[test]
fn the_block_that_has_a_merge_mined_blocks_work_is_named_and_whether_it_is_ours() {
    let said = |chain: Option<&str>| {
        let merged = MergedReport { hash: "c433".into(), chain: chain.map(Into::into) };
        let page = render(&Report { merged_with: Some(merged), ..report() }, Goal::Node);
        page.lines().find_map(|line| line.strip_prefix("  mined with ")).expect("a line").to_owned()
    };
    assert_eq!(said(Some("litecoin")), "c433, which is known here, on litecoin");
    assert_eq!(said(None), "c433, which is not known here");
}
