use std::collections::HashSet;

use std::time::Duration;

use relay::Report;
use serde_json::json;
use simnet::{Minted, Temperament};
use wire::Header;

use super::*;
use crate::commands::demo::record::{Member, Part, PoolAnswer, Record, Truth, Twin};
use crate::commands::demo::samples::{answer, entry, locked, members, merged, record, report, truth};

fn plain() -> Story {
    Story::new(Style::default())
}

/// The block that is reported.
fn minted(report: &Report) -> Minted {
    Minted {
        bytes: vec![0; report.size].into(),
        hash: report.hash.parse().unwrap(),
        header: Header::new([0; 80]),
        parent: report.parent.parse().unwrap(),
        height: report.height.unwrap(),
        coinbase: Vec::new().into(),
        coinbase_branch: Vec::new(),
        flaw: None,
    }
}

/// What is told of a block from its finding to its end.
fn told(story: &mut Story, number: u32, record: &Record) -> String {
    let found = story.found(
        number,
        &record.report.chain,
        &minted(&record.report),
        35,
        record.simulation.twin.as_ref(),
    );
    let so_far = story.so_far(record);
    found + &so_far + &story.rest(record) + &story.end(record)
}

/// No line is wider than a terminal, and none ends in blanks.
fn fits(page: &str) -> bool {
    page.lines().all(|line| line.chars().count() <= 100 && !line.ends_with(' '))
}

fn changed(change: impl FnOnce(&mut Report)) -> Record {
    let mut report = report();
    change(&mut report);
    record(report)
}

/// Gives a peer another outcome.
fn set(report: &mut Report, name: &str, outcome: Option<&str>, ms: Option<f64>) {
    let new = entry(name, outcome, ms);
    let old = report.peers.iter_mut().find(|entry| entry.peer == new.peer).unwrap();
    *old = new;
}

/// Everybody on a second chain.
fn others() -> Vec<Member> {
    let member = |name: &str, part| Member {
        name: name.into(),
        address: String::new(),
        temperament: Temperament::Honest,
        part,
    };
    let signers = (1..=5).map(|number| member(&format!("quorum-{number}"), Part::Quorum));
    let others = [
        member("honest-1", Part::Peer),
        member("observer", Part::Observer),
        member("gamma", Part::Node("primary")),
        Member { temperament: Temperament::SLOW, ..member("delta", Part::Node("backup")) },
    ];
    signers.chain(others).collect()
}

#[test]
fn the_first_page_says_who_is_simulated_on_which_chain_and_where_to_look() {
    let (members, others) = (members(), others());
    let first = ChainPage {
        name: "litecoin",
        title: "Litecoin",
        members: &members,
        front_door: "127.0.0.1:45002".parse().unwrap(),
    };
    let second = ChainPage {
        name: "dash",
        title: "Dash",
        members: &others,
        front_door: "127.0.0.1:45003".parse().unwrap(),
    };
    let opening = Opening {
        chains: vec![first, second],
        program: "target/release/blockcast".into(),
        http: "127.0.0.1:45001".parse().unwrap(),
        is_usual: false,
        login: ("pool", "demo"),
        config: "/tmp/blockcast-demo-x/config".into(),
    };
    let expected = "\
Blockcast demo: your pool finds blocks

Simulated, in this process: networks of Litecoin and Dash, some peers ill, and your nodes.
Real: the engine, its configuration, its front doors, all sockets. Nothing leaves this machine.

  litecoin  dash
         3     1  honest    take a block, check it, say that they have it, pass it on
         -     5  quorum    honest, and sign what they see first: then it is final
         1     1  observer  never sent a block: what it announces, the network has
         1     -  slow      honest, but a block keeps them busy for 1.5 s
         1     -  deaf      reads nothing after the handshake
         1     -  mute      reads everything and never says a word
         1     -  zombie    answers pings, ignores blocks
         1     -  cutting   hangs up in the middle of each block
         1     -  flapping  honest, but away for some seconds every now and then
         2     2  nodes     yours: get each block by RPC, and are peers as well

  status      http://127.0.0.1:45001/broadcaster_status
              target/release/blockcast status --url http://127.0.0.1:45001
  litecoin    alpha (primary), beta (backup); front door 127.0.0.1:45002
  dash        gamma (primary), delta (slow backup); front door 127.0.0.1:45003
  front door  which a pool calls as if it were its node, and so can you:
              curl -u pool:demo -d '{\"method\":\"getblockcount\"}' http://127.0.0.1:45002/
  config      /tmp/blockcast-demo-x/config, until this ends
";
    let page = opening.render(Style::default());
    assert_eq!(page, expected);
    assert!(fits(&page));
    let usual = Opening { is_usual: true, http: "127.0.0.1:7904".parse().unwrap(), ..opening.clone() };
    let page = usual.render(Style::default());
    assert!(page.contains("  target/release/blockcast status\n"), "{page}");
    let connected =
        |opening: &Opening<'_>| opening.connected(16, Duration::from_millis(3_140), Duration::from_secs(5));
    assert_eq!(
        connected(&opening),
        "\n16 of 17 peers are connected after 3.14 s.\n\
         A block is found every 5 s, on litecoin and dash in turn; Ctrl-C ends it.\n"
    );
    let alone = Opening { chains: vec![first], ..opening };
    assert!(alone.render(Style::default()).contains("a network of Litecoin, some"));
    assert!(connected(&alone).contains(" every 5 s; Ctrl-C"));
    let three = Opening { chains: vec![first, second, ChainPage { name: "dogecoin", ..first }], ..alone };
    assert!(fits(&three.render(Style::default())));
}

#[test]
fn the_first_block_explains_everything_and_the_next_only_what_is_new() {
    let mut story = plain();
    let first = "
Block 1  litecoin, found at height 4: 20.0 kB, 35 transactions
              c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  pool        is answered after 5.1 ms: accepted (null); on disk after 2.2 ms
  nodes       alpha (primary) accepted after 3.1 ms, beta (backup) accepted after 3.3 ms
  honest      3 of 3 say that they have it: first after 8.1 ms, median 71 ms, last 214 ms
  echo        after 96 ms the observer announces it, which was not sent it: the network has it
  slow        1 of 1 say that they have it: after 1.61 s
  deaf-1      open                sent, but it reads nothing (not counted)
  mute-1      open                sent and read, not a word back so far (not counted)
  zombie-1    processed_unproven  answers the ping behind it, does not have it (not counted)
  cutting-1   disconnected        hung up in the middle of the block (not counted)
  flapping-1  accepted            is there this time
  so          2 nodes and 5 peers proven to have it, one more by its echo; the simulation agrees
";
    let page = told(&mut story, 1, &record(report()));
    assert_eq!(page, first);
    assert!(fits(&page));

    let second = "
Block 2  litecoin, found at height 4: 20.0 kB, 35 transactions
              c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  pool        is answered after 5.1 ms: accepted; on disk after 2.2 ms
  nodes       alpha accepted after 3.1 ms, beta accepted after 3.3 ms
  honest      3 of 3: first after 8.1 ms, median 71 ms, last 214 ms
  echo        after 96 ms
  slow        1 of 1: after 1.61 s
  flapping-1  not_connected       is away; gets the block when it is back
  others      deaf-1 open, mute-1 open, zombie-1 processed_unproven, cutting-1 disconnected
  so          2 nodes and 4 peers proven to have it, one more by its echo; no false claim
";
    let away = changed(|report| report.peers.retain(|peer| peer.peer != "127.0.0.1:30009"));
    let page = told(&mut story, 2, &away);
    assert_eq!(page, second);
    assert!(fits(&page));
}

#[test]
fn the_last_word_is_told_and_what_it_means_once() {
    let mut story = plain();
    let label = |page: String| page.lines().find(|line| line.starts_with("  final ")).map(str::to_owned);
    assert_eq!(label(told(&mut story, 1, &record(report()))), None);
    let (report, truth) = locked(report(), 912.3);
    let record = |report| Record::new(2, 35, answer(), report, &members(), &truth);
    let page = told(&mut story, 2, &record(report.clone()));
    assert!(page.starts_with("\nBlock 2  dash, found at height 4: 20.0 kB, 35 transactions\n"), "{page}");
    let first = "  final       chainlocked after 912 ms, says alpha: a quorum has signed it, it stays";
    assert_eq!(label(page).as_deref(), Some(first));
    let second = label(told(&mut story, 4, &record(report.clone())));
    assert_eq!(second.as_deref(), Some("  final       chainlocked after 912 ms, says alpha"));

    let mut awaited = report.clone();
    let finality = awaited.finality.as_mut().unwrap();
    (finality.state, finality.ms, finality.node) = ("awaited".into(), None, None);
    story.found(6, "dash", &minted(&report), 35, None);
    let record_of_awaited = record(awaited);
    assert_eq!(label(story.so_far(&record_of_awaited)), None, "it may come yet");
    assert_eq!(label(story.rest(&record_of_awaited)).as_deref(), Some("  final       awaited"));
    assert!(story.end(&record_of_awaited).contains("PROBLEM     chain has made the block final, which is"));
    let untold = record(Report { finality: None, ..report });
    assert_eq!(label(told(&mut story, 8, &untold)).as_deref(), Some("  final       nothing is said"));
}

#[test]
fn two_blocks_of_one_find_name_each_other_and_what_that_means_is_told_once() {
    let mut story = plain();
    let (report, truth) = merged(report());
    let record = |report, truth: &Truth| Record::new(1, 35, answer(), report, &members(), truth);
    let page = told(&mut story, 1, &record(report.clone(), &truth));
    let head = "
Block 1  dogecoin, found with block 2 at height 4: 20.0 kB, 35 transactions
              c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  mined with  5ecd7ab3a23dfc9ef8a9b04b26d6a1e1d9f8bb2f0a2d4b6cf5d60a25d4c9a7b1
              known on litecoin: block 2; one find for two chains, neither waits for the other
  pool  ";
    assert!(page.starts_with(head) && fits(&page), "{page}");
    let page = told(&mut story, 1, &record(report.clone(), &truth));
    assert!(page.contains("\n              known on litecoin: block 2\n"), "{page}");

    let parent =
        Truth { twin: truth.twin.clone().map(|twin| Twin { has_work: false, ..twin }), ..truth.clone() };
    let page = told(&mut story, 1, &record(Report { merged_with: None, ..report.clone() }, &parent));
    assert!(page.contains("  dogecoin, found with block 2 at") && !page.contains("mined with"), "{page}");

    let mut unknown = report.clone();
    unknown.merged_with.as_mut().unwrap().chain = None;
    let unknown = record(unknown, &truth);
    story.found(1, "dogecoin", &minted(&report), 35, None);
    assert_eq!(story.so_far(&unknown), "", "it may become known yet");
    assert!(story.rest(&unknown).contains("\n              not known here: block 2\n"));
    let unsaid = record(Report { merged_with: None, ..report }, &truth);
    assert!(told(&mut story, 1, &unsaid).contains("\n  mined with  nothing is said\n"));
}

#[test]
fn nodes_that_are_slow_or_down_are_told_at_the_end_and_hold_up_nothing() {
    let mut story = plain();
    let mut members = members();
    members[1].temperament = Temperament::SLOW;
    members.insert(
        2,
        Member {
            name: "gamma".into(),
            address: String::new(),
            temperament: Temperament::Down,
            part: Part::Node("backup"),
        },
    );
    let mut late = report();
    (late.nodes[1].judgement, late.nodes[1].judged_ms) = (None, None);
    let record = |report| Record::new(1, 35, answer(), report, &members, &truth());
    story.found(1, "litecoin", &minted(&late), 35, None);
    let so_far = story.so_far(&record(late.clone()));
    assert!(so_far.contains("\n  nodes       alpha (primary) accepted after 3.1 ms\n  honest "), "{so_far}");
    assert!(so_far.contains("\n  slow  "), "{so_far}");
    let end = story.end(&record(late.clone()));
    let expected =
        "  beta        pending             a node that did not answer yet; nobody waits (not counted)
  gamma       pending             a node that is down; is tried again, nobody waits (not counted)
  deaf-1 ";
    assert!(end.starts_with(expected), "{end}");
    late.nodes[1].judgement = Some("accepted".into());
    late.nodes[1].judged_ms = Some(1805.0);
    let page = told(&mut story, 2, &record(late.clone()));
    assert!(
        page.contains(
            "\n  beta        accepted            a slow node, after 1.80 s; nobody waited for it\n"
        )
    );
    assert!(page.contains("\n  others      gamma pending, deaf-1 open"), "{page}");
    let page = told(&mut story, 3, &record(late));
    assert!(page.contains("\n  others      beta accepted after 1.80 s, gamma pending, deaf-1"), "{page}");
    assert!(fits(&page) && fits(&end));
}

#[test]
fn each_part_is_told_when_it_is_known_and_not_twice() {
    let mut story = plain();
    story.found(1, "litecoin", &minted(&report()), 35, None);
    let early = |change: fn(&mut Report)| {
        let mut report = report();
        report.first_echo = None;
        set(&mut report, "slow-1", None, None);
        change(&mut report);
        Record::new(1, 35, answer(), report, &members(), &truth())
    };
    let unsaved = early(|report| report.durable = None);
    assert_eq!(story.so_far(&unsaved), "", "what comes first is told first");
    let labels =
        |page: String| page.lines().map(|line| line[2..12].trim().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(labels(story.so_far(&early(|report| report.nodes[1].judged_ms = None))), "pool");
    assert_eq!(labels(story.so_far(&early(|report| set(report, "honest-2", None, None)))), "nodes");
    assert_eq!(labels(story.so_far(&early(|_| {}))), "honest");
    assert_eq!(story.so_far(&early(|_| {})), "");
    assert_eq!(labels(story.rest(&early(|_| {}))), "echo slow");
    assert_eq!(story.so_far(&record(report())), "");
}

#[test]
fn what_is_wrong_stands_where_it_belongs_and_at_the_end() {
    let mut report = report();
    set(&mut report, "honest-2", Some("timed_out"), None);
    set(&mut report, "mute-1", Some("accepted"), Some(4.0));
    report.first_echo = None;
    report.nodes[1].judgement = Some("refused".into());
    (report.durable, report.durable_ms) = (Some(false), None);
    let refused = PoolAnswer { accepted: false, answer: json!({"error": "no\u{1b}[2J"}), ms: 5.0 };
    let record = Record::new(1, 35, refused, report, &members(), &truth());
    let expected = "
Block 1  litecoin, found at height 4: 20.0 kB, 35 transactions
              c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  pool        is answered after 5.0 ms: {\"error\":\"no\\u001b[2J\"}; NOT on disk
  nodes       alpha (primary) accepted after 3.1 ms, beta (backup) refused after 3.3 ms
  honest      2 of 3 say that they have it: after 8.1 ms and 214 ms; honest-2 timed_out
  echo        none
  slow        1 of 1 say that they have it: after 1.61 s
  deaf-1      open                sent, but it reads nothing (not counted)
  mute-1      accepted            says that it has it
  zombie-1    processed_unproven  answers the ping behind it, does not have it (not counted)
  cutting-1   disconnected        hung up in the middle of the block (not counted)
  flapping-1  accepted            is there this time
  PROBLEM     pool was answered {\"error\":\"no\\u001b[2J\"} and not null
  PROBLEM     beta has the block and is called refused
  PROBLEM     honest-2 has the block and is called timed_out
  PROBLEM     observer has the block, and there is no echo
  PROBLEM     FALSE CLAIM: mute-1 is called accepted, and a mute peer never takes a block
";
    assert_eq!(told(&mut plain(), 1, &record), expected);
}

#[test]
fn what_happens_later_is_explained_once() {
    let mut story = plain();
    told(&mut story, 1, &record(report()));
    let cut_off = changed(|report| set(report, "deaf-1", Some("disconnected"), Some(5100.0)));
    let peer = cut_off.simulation.peers.iter().find(|peer| peer.name == "deaf-1").unwrap();
    assert_eq!(
        story.later(peer, &[1]),
        "  meanwhile   block 1 at deaf-1 disconnected: took no byte for 5 s, so it was cut off (not counted)\n"
    );
    assert_eq!(story.later(peer, &[2, 3]), "  meanwhile   blocks 2, 3 at deaf-1 disconnected\n");
}

#[test]
fn a_long_list_is_broken_into_lines_that_fit() {
    let mut story = plain();
    let mut members = members();
    for number in 2..12 {
        let mut more = members.iter().find(|member| member.name == "zombie-1").unwrap().clone();
        more.name = format!("zombie-{number}");
        members.push(more);
    }
    let record = Record::new(1, 35, answer(), report(), &members, &truth());
    told(&mut story, 1, &record);
    let page = told(&mut story, 2, &record);
    assert!(fits(&page), "{page}");
    let zombies: HashSet<_> = page.split_whitespace().filter(|word| word.starts_with("zombie-")).collect();
    assert_eq!(zombies.len(), 11, "{page}");
}

#[test]
fn the_last_page_sums_up() {
    let mut tally = Tally::default();
    tally.add(&record(report()));
    tally.add(&record(report()));
    let expected = "
2 blocks  all as it should be; one more was on its way
  nodes       4 of 4 times accepted
  peers       8 of 8 deliveries to honest and slow ones proven
  honest      first after 8.1 ms, median 71 ms, last 214 ms
  false       0: nobody was said to have a block who did not
";
    assert_eq!(closing(&tally, 1, Style::default()), expected);

    let mut claimed = report();
    claimed.peers.push(entry("mute-1", Some("accepted"), Some(9.0)));
    tally.add(&record(claimed));
    let page = closing(&tally, 0, Style::default());
    assert!(page.starts_with("\n3 blocks  NOT all as it should be\n"), "{page}");
    assert!(
        page.ends_with(
            "  false       1: claims that are not true, of who has a block or that one is final\n"
        ),
        "{page}"
    );
}

#[test]
fn the_last_page_counts_final_blocks_where_there_are_such() {
    let mut tally = Tally::default();
    tally.add(&record(report()));
    let (report, truth) = locked(report(), 900.0);
    tally.add(&Record::new(2, 35, answer(), report, &members(), &truth));
    let page = closing(&tally, 0, Style::default());
    let expected = "  final       1 of 1 block that a quorum is to sign
  false       0: nobody was said to have a block who did not, and no block to be final that was not
";
    assert!(page.ends_with(expected) && fits(&page), "{page}");
}

#[test]
fn a_run_that_was_ended_at_once_says_so() {
    let none = Tally::default();
    assert_eq!(closing(&none, 0, Style::default()), "\nEnded before a block could be judged.\n");
    for (under_way, more) in [(1, "one more was on its way"), (2, "two more were on their way")] {
        let expected = format!("\nEnded before a block could be judged; {more}.\n");
        assert_eq!(closing(&none, under_way, Style::default()), expected);
    }
}

#[test]
fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
    for (numbers, expected) in [(&[][..], 0.0), (&[3.0], 3.0), (&[1.0, 2.0], 1.5), (&[1.0, 2.0, 9.0], 2.0)] {
        assert_eq!(median(numbers), expected);
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let record = record(report());
    let mut coloured = told(&mut Story::new(Style { colour: true }), 1, &record);
    assert!(coloured.contains("\x1b[32maccepted\x1b[0m (null)"), "{coloured:?}");
    for code in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m", "\x1b[1m", "\x1b[0m"] {
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, told(&mut plain(), 1, &record));
}
