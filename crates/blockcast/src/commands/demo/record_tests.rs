use relay::EchoReport;
use serde_json::json;

use super::super::samples::{answer, entry, locked, members, merged, record, report, truth, truth_without};
use super::*;

/// The problems of a report that was changed, as `who: what`, false claims marked.
fn problems(change: impl FnOnce(&mut Report)) -> Vec<String> {
    let mut report = report();
    change(&mut report);
    told(&record(report))
}

fn told(record: &Record) -> Vec<String> {
    let tell = |problem: &Problem| {
        let mark = if problem.false_claim { "FALSE " } else { "" };
        format!("{mark}{}: {}", problem.who, problem.what)
    };
    assert_eq!(record.simulation.holds, record.simulation.problems.is_empty());
    record.simulation.problems.iter().map(tell).collect()
}

/// Gives a member another outcome.
fn set(report: &mut Report, name: &str, outcome: Option<&str>) {
    let new = entry(name, outcome, Some(9.0));
    let old = report.peers.iter_mut().find(|entry| entry.peer == new.peer).unwrap();
    *old = new;
}

#[test]
fn a_block_that_everybody_took_who_keeps_his_word_and_nobody_else_is_as_it_should_be() {
    assert_eq!(problems(|_| {}), [""; 0]);
    let record = record(report());
    assert!(record.is_complete() && !record.is_settled(), "two peers are open");
}

#[test]
fn a_peer_that_never_takes_a_block_and_is_called_accepted_is_a_false_claim_whatever_the_word() {
    for name in ["deaf-1", "mute-1", "zombie-1", "cutting-1"] {
        for word in ["accepted", "already_had"] {
            let kind = name.trim_end_matches("-1");
            let expected = format!("FALSE {name}: is called accepted, and a {kind} peer never takes a block");
            assert_eq!(problems(|report| set(report, name, Some(word))), [expected]);
        }
    }
}

#[test]
fn whoever_is_called_accepted_and_does_not_have_the_block_is_a_false_claim() {
    for name in ["honest-1", "slow-1", "flapping-1", "alpha"] {
        let record = Record::new(1, 35, answer(), report(), &members(), &truth_without(name));
        let expected = format!("FALSE {name}: is called accepted and does not have the block");
        assert_eq!(told(&record), [expected]);
    }
}

#[test]
fn a_false_claim_is_not_hidden_by_a_later_connection() {
    let told = problems(|report| {
        set(report, "cutting-1", Some("accepted"));
        report.peers.push(entry("cutting-1", Some("disconnected"), Some(4000.0)));
    });
    assert_eq!(told, ["FALSE cutting-1: is called accepted, and a cutting peer never takes a block"]);
}

#[test]
fn a_peer_that_keeps_its_word_must_be_called_accepted() {
    let open = problems(|report| set(report, "honest-2", None));
    assert_eq!(open, ["honest-2: has the block and is called open"]);
    let withheld = problems(|report| set(report, "slow-1", Some("withheld parent_unknown")));
    assert_eq!(withheld, ["slow-1: has the block and is called withheld (parent_unknown)"]);
    let gone = problems(|report| report.peers.retain(|entry| entry.peer != "127.0.0.1:30000"));
    assert_eq!(gone, ["honest-1: has the block and is called not_connected"]);
}

#[test]
fn a_flapping_peer_may_have_it_or_not() {
    for outcome in [None, Some("disconnected"), Some("accepted")] {
        assert_eq!(problems(|report| set(report, "flapping-1", outcome)), [""; 0]);
    }
}

#[test]
fn the_observer_counts_by_its_echo_and_must_not_be_sent_to() {
    let none = problems(|report| report.first_echo = None);
    assert_eq!(none, ["observer: has the block, and there is no echo"]);
    let other = problems(|report| {
        report.first_echo = Some(EchoReport { ms: 9.0, peer: entry("honest-1", None, None).peer });
    });
    assert_eq!(other, ["observer: has the block, and the first echo is from 127.0.0.1:30000"]);
    let sent = problems(|report| set(report, "observer", Some("accepted")));
    assert_eq!(sent, ["observer: is to observe, and is called accepted"]);
}

#[test]
fn an_echo_of_somebody_who_does_not_have_the_block_is_a_false_claim() {
    let record = Record::new(1, 35, answer(), report(), &members(), &truth_without("observer"));
    let expected = "FALSE observer: is said to have announced the block and does not have it";
    assert_eq!(told(&record), [expected]);
}

#[test]
fn every_node_must_have_accepted_it_and_be_called_so() {
    let refused = problems(|report| report.nodes[1].judgement = Some("refused".into()));
    assert_eq!(refused, ["beta: has the block and is called refused"]);
    let awaited = problems(|report| report.nodes[0].judgement = None);
    assert_eq!(awaited, ["alpha: has the block and is called pending"]);
    let absent = problems(|report| report.nodes.clear());
    assert_eq!(absent.len(), 2);
}

#[test]
fn a_node_that_is_slow_or_away_is_not_waited_for_and_must_not_be_claimed() {
    for temperament in [Temperament::SLOW, Temperament::Deaf, Temperament::Down] {
        let mut members = members();
        members[1].temperament = temperament;
        let judge = |judgement, truth: &Truth| {
            let mut report = report();
            report.nodes[1].judgement = judgement;
            told(&Record::new(1, 35, answer(), report, &members, truth))
        };
        assert_eq!(judge(None, &truth_without("beta")), [""; 0]);
        assert_eq!(judge(None, &truth()), [""; 0], "it has taken it and cannot say so");
        assert_eq!(judge(Some("unanswered".into()), &truth_without("beta")), [""; 0]);
        let claimed = judge(Some("accepted".into()), &truth_without("beta"));
        assert_eq!(claimed, ["FALSE beta: is called accepted and does not have the block"]);
    }
}

/// What is wrong with a block of a chain where a quorum makes blocks final.
fn last_word(change: impl FnOnce(&mut relay::FinalityReport, &mut HashSet<String>)) -> Record {
    let (mut report, mut truth) = locked(report(), 900.0);
    change(report.finality.as_mut().unwrap(), truth.final_to.as_mut().unwrap());
    Record::new(1, 35, answer(), report, &members(), &truth)
}

#[test]
fn a_block_that_is_final_must_be_called_so_and_no_other() {
    let record = last_word(|_, _| {});
    assert_eq!(record.simulation.finality, Some(Finality { is_final: true, called_final: true }));
    assert_eq!(told(&record), [""; 0]);
    let early = last_word(|_, known| known.clear());
    assert_eq!(told(&early), ["FALSE chain: has not made the block final, which is called chainlocked"]);
    let awaited = last_word(|said, _| said.state = "awaited".into());
    assert_eq!(told(&awaited), ["chain: has made the block final, which is called awaited"]);
    assert!(!awaited.is_complete(), "its last word is waited for");
    let dead = last_word(|said, _| said.state = "orphaned".into());
    assert_eq!(told(&dead), ["FALSE chain: has made the block final, which is called orphaned"]);
    let neither = last_word(|said, known| {
        said.state = "awaited".into();
        known.clear();
    });
    assert_eq!(told(&neither), ["chain: has not made the block final, which is called awaited"]);
    assert!(!neither.is_complete());
}

#[test]
fn a_node_that_is_said_to_know_what_is_final_must_know_it() {
    let record = last_word(|_, known| assert!(known.remove("alpha")));
    assert_eq!(told(&record), ["FALSE alpha: is said to know that the block is final"]);
}

#[test]
fn a_last_word_that_is_not_told_at_all_is_missing_and_one_too_many_is_a_false_claim() {
    let (mut untold, known) = locked(report(), 900.0);
    untold.finality = None;
    let record = Record::new(1, 35, answer(), untold, &members(), &known);
    assert_eq!(told(&record), ["chain: has made the block final, which is called awaited"]);
    let (claimed, _) = locked(report(), 900.0);
    let record = Record::new(1, 35, answer(), claimed, &members(), &truth());
    assert_eq!(told(&record), ["FALSE chain: has not made the block final, which is called chainlocked"]);
}

#[test]
fn whose_work_a_block_has_must_be_said_and_where_that_block_is_known() {
    let judge = |change: fn(&mut Report)| {
        let (mut report, truth) = merged(report());
        change(&mut report);
        told(&Record::new(1, 35, answer(), report, &members(), &truth))
    };
    let work = |report: &mut Report| report.merged_with.take().unwrap();
    let hash = work(&mut merged(report()).0).hash;
    assert_eq!(judge(|_| {}), [""; 0]);
    let unsaid = judge(|report| report.merged_with = None);
    assert_eq!(unsaid, [format!("chain: has the work of {hash}, which is not said")]);
    let unknown = judge(|report| report.merged_with.as_mut().unwrap().chain = None);
    assert_eq!(unknown, ["chain: has the work of a block of litecoin, which is not said"]);
    let elsewhere = judge(|report| report.merged_with.as_mut().unwrap().chain = Some("dash".into()));
    assert_eq!(elsewhere, ["FALSE chain: has no work of a block that is known on dash"]);
    let other = judge(|report| report.merged_with.as_mut().unwrap().hash = "00".repeat(32));
    assert_eq!(other, [format!("FALSE chain: has the work of {hash}, and not of {}", "00".repeat(32))]);

    let alone = record(merged(report()).0);
    assert_eq!(told(&alone), ["FALSE chain: has no work of a block that is known on litecoin"]);
}

#[test]
fn the_pool_must_be_answered_null() {
    let refused = PoolAnswer { accepted: false, answer: json!("inconclusive"), ms: 4000.0 };
    let record = Record::new(1, 35, refused, report(), &members(), &truth());
    assert_eq!(told(&record), ["pool: was answered \"inconclusive\" and not null"]);
    assert!(!record.is_complete());
}

#[test]
fn waiting_mends_what_is_missing_and_no_false_claim() {
    let mut missing = report();
    set(&mut missing, "honest-1", None);
    assert!(!record(missing).is_complete());
    let mut claimed = report();
    set(&mut claimed, "deaf-1", Some("timed_out"));
    set(&mut claimed, "mute-1", Some("accepted"));
    let claimed = record(claimed);
    assert!(claimed.is_complete() && claimed.is_settled() && !claimed.simulation.holds);
}

#[test]
fn as_json_it_is_the_report_with_the_simulation_beside() {
    let json = serde_json::to_value(record(report())).unwrap();
    let plain = serde_json::to_value(report()).unwrap();
    for (key, value) in plain.as_object().unwrap() {
        assert_eq!(json[key], *value, "{key}");
    }
    let simulation = &json["simulation"];
    assert_eq!(simulation["pool"], json!({"accepted": true, "answer": null, "ms": 5.13}));
    let mute = json!({
        "name": "mute-1", "address": "127.0.0.1:30006", "temperament": "mute", "observer": false,
        "has_block": false, "called_accepted": false, "outcome": "open", "detail": null, "outcome_ms": null,
        "connections": 1,
    });
    assert_eq!(simulation["peers"][6], mute);
    let alpha = json!({
        "name": "alpha", "role": "primary", "temperament": "honest", "has_block": true, "called_accepted": true,
        "judgement": "accepted", "judged_ms": 3.12,
    });
    assert_eq!(simulation["nodes"][0], alpha);
}
