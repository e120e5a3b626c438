use chain::Network;
use ledger::Block;
use litecoin::Litecoin;
use protocol::fate::{Place as Where, Weight, Word};

use super::*;
use crate::{Acknowledge, Delivery, Submission};

const LOCK: &str = "locked-for-good";
const RIVAL: BlockHash = BlockHash::from_wire([9; 32]);
const TIP: BlockHash = BlockHash::from_wire([8; 32]);

/// A block that a node has taken, in a state, as the ledger has it.
fn known(state: &str, by: Option<BlockHash>) -> Block {
    let recordings = recordings::read("litecoin/block_coinbase_only.json");
    let bytes = recordings::unhex(recordings["block_hex"].as_str().unwrap());
    let chain: &dyn chain::Chain = &Litecoin::new(Network::Regtest);
    let header = wire::Header::new(*bytes.first_chunk().unwrap());
    let submission = Submission::own(ledger::Source::Rest, bytes);
    let block = chain.block_hash(&header);
    let delivery = Delivery::new(block, header.parent(), &submission, &[], Acknowledge::First, None, 1);
    let mut report = delivery.report("litecoin");
    report.status = "accepted".into();
    let change = Change { unix_ms: 1, state: state.into(), by: None, node: Some("a".into()) };
    let fate = ledger::Fate {
        state: state.into(),
        by: by.map(|by| by.to_string()),
        node: Some("a".into()),
        changes: vec![change],
        ..ledger::Fate::default()
    };
    Block {
        chain: "litecoin".into(),
        hash: report.hash.clone(),
        height: Some(5),
        parent: report.parent.clone(),
        fate,
        deliveries: vec![report],
        raw_kept: true,
    }
}

fn hear(followed: &mut Followed, place: Where, rival: Option<u32>) -> Option<News> {
    let rival = rival.map(|depth| (RIVAL, depth));
    let word = Word { place, rival, weight: Weight::default() };
    followed.hear("a", word, TIP, Instant::now(), 1);
    followed.judge(LOCK, None)
}

#[test]
fn what_a_lock_has_made_final_stays_so_after_a_start_until_the_lock_is_known_again() {
    let mut followed = Followed::of(known(LOCK, None), 3, Some(LOCK)).unwrap();
    let news = hear(&mut followed, Where::Active(1), None).expect("its depth is news");
    assert!(!news.is_first_word && news.took_back.is_none());
    assert_eq!((followed.told.state.as_str(), followed.told.changes.len()), (LOCK, 1));
}

#[test]
fn an_orphan_stays_one_while_its_rival_does_and_is_given_up_only_at_a_depth() {
    let mut followed = Followed::of(known("orphaned", Some(RIVAL)), 3, Some(LOCK)).unwrap();
    hear(&mut followed, Where::Side, Some(2)).expect("where it is is news");
    assert_eq!((followed.told.state.as_str(), followed.is_lost()), ("orphaned", false));
    followed.fate.locked(Standing::Dead { by: RIVAL }, "a");
    hear(&mut followed, Where::Side, Some(2));
    assert!(!followed.is_lost(), "a lock is one node's word");
    hear(&mut followed, Where::Side, Some(3));
    assert!(followed.is_lost());
    assert!(!followed.is_over());
    hear(&mut followed, Where::Side, Some(3 + BEYOND));
    assert!(followed.is_over());
}

#[test]
fn nothing_is_told_while_the_history_is_awaited() {
    let mut followed = Followed::of(known("open", None), 3, None).unwrap();
    followed.history = History::Awaited;
    assert!(hear(&mut followed, Where::Active(1), None).is_none());
    followed.history = History::Unavailable;
    assert!(followed.judge(LOCK, None).is_some(), "it has not been forgotten that there is something new");
}

#[test]
fn a_rival_waits_for_the_word_of_the_node_that_took_the_block() {
    let mut followed = Followed::of(known("open", None), 3, None).unwrap();
    followed.taken.insert("b".into(), Instant::now());
    assert!(hear(&mut followed, Where::Side, Some(1)).is_none());
    let word = Word { place: Where::Active(1), rival: None, weight: Weight::default() };
    followed.hear("b", word, TIP, Instant::now(), 1);
    followed.judge(LOCK, None).expect("its word");
    assert_eq!(followed.told.state, "active");
    // And not for ever.
    let long_ago = Instant::now().checked_sub(SAY_WITHIN).unwrap();
    let mut followed = Followed::of(known("open", None), 3, None).unwrap();
    followed.taken.insert("b".into(), long_ago);
    assert!(hear(&mut followed, Where::Side, Some(1)).is_some());
}

#[test]
fn a_node_is_asked_again_once_it_has_taken_the_block_whatever_its_tip() {
    let mut followed = Followed::of(known("open", None), 3, None).unwrap();
    hear(&mut followed, Where::Unknown, None);
    assert!(!followed.is_due("a", TIP) && followed.is_due("a", RIVAL) && followed.is_due("b", TIP));
    followed.taken.insert("a".into(), Instant::now());
    assert!(followed.is_due("a", TIP));
    assert!(!followed.is_gone(&["a"]), "what it said before is no word about it");
    hear(&mut followed, Where::Unknown, None);
    assert!(followed.is_gone(&["a"]) && !followed.is_gone(&["b"]));
    assert!(followed.send_again(1, Duration::from_secs(60)));
    assert!(!followed.send_again(9, Duration::from_secs(60)), "not again so soon");
}

#[test]
fn of_too_many_changes_the_first_last_word_stays() {
    let state = |number: usize| if number == CHANGES / 2 { "confirmed" } else { "open" };
    let change =
        |number: usize| Change { unix_ms: number as u64, state: state(number).into(), by: None, node: None };
    let mut changes: Vec<_> = (0..CHANGES + 30).map(change).collect();
    trim(&mut changes);
    assert_eq!(changes.len(), CHANGES);
    assert!(changes.iter().any(|change| change.state == "confirmed"));
    assert_eq!((changes[0].unix_ms, changes[CHANGES - 1].unix_ms as usize), (0, CHANGES + 29));
}
