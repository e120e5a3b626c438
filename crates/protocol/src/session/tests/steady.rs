//! The conversation after the handshake.

use wire::{Command, GetHeaders, InvItem, MAX_INV, Reject, RejectCode};

use super::*;
use crate::session::Via;

const SECOND: Duration = Duration::from_secs(1);
const BLOCK: u32 = 2;

fn interval() -> Duration {
    REGTEST.session_policy().ping_interval
}

fn pong_timeout() -> Duration {
    REGTEST.session_policy().pong_timeout
}

/// Waits until the session pings, and gives the nonce.
fn pinged(talk: &mut Talk) -> u64 {
    let outputs = talk.wait(interval());
    let [Output::Send(Message::Ping(nonce))] = outputs[..] else { panic!("{outputs:?}") };
    nonce
}

fn inv(blocks: &[BlockHash]) -> Message {
    Message::Inv(blocks.iter().map(|block| InvItem::block(BLOCK, *block)).collect())
}

#[test]
fn a_peer_is_pinged_each_interval_and_its_pong_is_a_round_trip() {
    let mut talk = Talk::ready();
    assert_eq!(talk.wait(interval() - Duration::from_millis(1)), []);
    let first = pinged(&mut talk);
    talk.now += Duration::from_millis(35);
    let trip = Event::RoundTrip(Duration::from_millis(35));
    assert_eq!(talk.hear(Message::Pong(first)), [Output::Event(trip)]);
    assert_eq!(talk.wait(interval() - Duration::from_millis(1)), [], "the interval counts from the pong");
    assert_ne!(pinged(&mut talk), first);
}

#[test]
fn pongs_to_other_pings_are_passed_on_and_do_not_count_as_ours() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hear(Message::Pong(0)), [Output::Event(Event::Pong(0))], "nothing was asked");
    let nonce = pinged(&mut talk);
    for other in [0, nonce ^ 1, u64::MAX] {
        assert_eq!(talk.hear(Message::Pong(other)), [Output::Event(Event::Pong(other))]);
    }
    assert!(matches!(talk.hear(Message::Pong(nonce))[..], [Output::Event(Event::RoundTrip(_))]));
    assert_eq!(
        talk.hear(Message::Pong(nonce)),
        [Output::Event(Event::Pong(nonce))],
        "each ping has one pong"
    );
}

#[test]
fn a_peer_that_falls_silent_is_hung_up_on_when_the_pong_is_overdue() {
    let mut talk = Talk::ready();
    pinged(&mut talk);
    assert_eq!(talk.wait(pong_timeout() - SECOND), []);
    let reason = Disconnect::PongTimeout(pong_timeout());
    assert_eq!(talk.wait(SECOND), [Output::Disconnect(reason)]);
}

#[test]
fn a_peer_that_talks_is_busy_and_not_dead_for_as_long_as_it_talks() {
    let mut talk = Talk::ready();
    pinged(&mut talk);
    for _ in 0..10 {
        assert_eq!(talk.wait(pong_timeout() - SECOND), []);
        assert_eq!(talk.hear(Message::FeeFilter(1)), []);
    }
    assert_eq!(talk.wait(pong_timeout() - SECOND), []);
    assert_eq!(hangs_up(&talk.wait(SECOND)), Some(&Disconnect::PongTimeout(pong_timeout())));
}

#[test]
fn time_that_stands_still_or_jumps_back_neither_pings_nor_hangs_up() {
    let mut talk = Talk::ready();
    pinged(&mut talk);
    let later = talk.now;
    talk.now = talk.session.opened;
    assert_eq!(talk.wait(Duration::ZERO), []);
    talk.now = later;
    assert_eq!(talk.wait(Duration::ZERO), []);
}

#[test]
fn ten_undecodable_messages_in_a_row_are_too_many_and_good_ones_forgive() {
    let mut talk = Talk::ready();
    for _ in 0..9 {
        assert_eq!(talk.hear_garbage(), [Output::Event(Event::Garbage { kind: "invalid" })]);
    }
    for _ in 0..50 {
        talk.hear(Message::FeeFilter(1));
        assert_eq!(hangs_up(&talk.hear_garbage()), None, "one was forgiven");
    }
    assert_eq!(hangs_up(&talk.hear_garbage()), Some(&Disconnect::Garbage { kind: "invalid" }));
}

#[test]
fn an_announced_block_that_is_unknown_is_asked_about_and_a_known_one_is_not() {
    let mut talk = Talk::ready();
    talk.wait(SECOND);
    let known = hash(b"known");
    talk.shelf.known.insert(known);
    let outputs = talk.hear(inv(&[known]));
    assert_eq!(outputs, [Output::Event(Event::Announced { block: known, via: Via::Inv })]);

    let unknown = hash(b"unknown");
    let outputs = talk.hear(inv(&[unknown]));
    let question = GetHeaders {
        protocol: REGTEST.session_policy().protocol as u32,
        locator: talk.shelf.locator.clone(),
        stop: BlockHash::ZERO,
    };
    let announced = Output::Event(Event::Announced { block: unknown, via: Via::Inv });
    assert_eq!(outputs, [announced, Output::Send(Message::GetHeaders(question))]);
}

#[test]
fn questions_are_rare_and_the_last_one_that_came_too_early_is_asked_by_the_clock() {
    let mut talk = Talk::ready();
    talk.wait(SECOND);
    assert_eq!(commands(&talk.hear(inv(&[hash(b"a")]))), ["getheaders"]);
    talk.now += Duration::from_millis(249);
    assert_eq!(commands(&talk.hear(inv(&[hash(b"b")]))), [] as [&str; 0]);
    assert_eq!(commands(&talk.hear(inv(&[hash(b"c")]))), [] as [&str; 0]);
    assert_eq!(commands(&talk.wait(SECOND)), ["getheaders"]);
    assert_eq!(talk.wait(SECOND), [], "it was asked");

    // The same, but the answer to an earlier question tells before the clock comes round.
    assert_eq!(commands(&talk.hear(inv(&[hash(b"d")]))), ["getheaders"]);
    assert_eq!(commands(&talk.hear(inv(&[hash(b"e")]))), [] as [&str; 0]);
    talk.shelf.known.insert(hash(b"e"));
    assert_eq!(talk.wait(SECOND), []);
}

#[test]
fn a_huge_inv_costs_a_bounded_number_of_events_and_one_question() {
    let mut talk = Talk::ready();
    talk.wait(SECOND);
    let items: Vec<_> = (0..MAX_INV as u32).map(|n| hash(&n.to_le_bytes())).collect();
    let outputs = talk.hear(inv(&items));
    assert_eq!(commands(&outputs), ["getheaders"]);
    assert_eq!(events(&outputs).len(), 16);
}

#[test]
fn transactions_are_of_no_interest() {
    let mut talk = Talk::ready();
    let transaction = |kind| InvItem { kind, hash: [7; 32] };
    assert_eq!(talk.hear(Message::Inv([1, 5, 0x4000_0001].map(transaction).to_vec())), []);
}

#[test]
fn a_blocks_rejection_is_reported_in_the_peers_words_and_a_transactions_is_not() {
    let mut talk = Talk::ready();
    let block = hash(b"block");
    let reject = |command: &'static [u8]| {
        Message::Reject(Reject {
            command: Bytes::from_static(command),
            code: RejectCode(0x10),
            reason: Bytes::from_static(b"bad-cb-amount\n"),
            data: Bytes::copy_from_slice(block.as_wire()),
        })
    };
    let expected = Event::Rejected { block, reason: "bad-cb-amount?".into() };
    assert_eq!(talk.hear(reject(b"block")), [Output::Event(expected)]);
    assert_eq!(talk.hear(reject(b"tx")), []);
}

#[test]
fn an_unknown_command_is_ignored_and_not_garbage() {
    let mut talk = Talk::ready();
    let command = Command::from_wire(*b"newfangled\0\0").expect("a name");
    for _ in 0..100 {
        assert_eq!(talk.hear(Message::Unknown { command, payload: Bytes::from_static(b"?") }), []);
    }
}

#[test]
fn a_peer_whose_headers_follow_nothing_that_we_named_is_on_another_chain() {
    let header = |parent: BlockHash| {
        let mut fixed = [0; 80];
        fixed[4..36].copy_from_slice(parent.as_wire());
        Header::new(fixed)
    };
    let (ours, known, theirs) = (hash(b"tip"), hash(b"known"), hash(b"another genesis"));
    // What follows a block that was named, or one that we know, is of our chain; nothing at all says nothing.
    for headers in [vec![], vec![header(ours)], vec![header(known)]] {
        let mut talk = Talk::ready();
        talk.shelf.known.insert(known);
        assert_eq!(hangs_up(&talk.hear(Message::Headers(headers))), None);
        // An announcement that we cannot place is no answer, and no proof.
        assert_eq!(hangs_up(&talk.hear(Message::Headers(vec![header(theirs)]))), None);
    }
    // One strange message may be an announcement that overtook the answer: it is asked again, and the answer decides.
    let strange = Message::Headers(vec![header(theirs), header(ours)]);
    for honest in [true, false] {
        let mut talk = Talk::ready();
        assert_eq!(hangs_up(&talk.hear(strange.clone())), None);
        assert_eq!(commands(&talk.wait(Duration::from_secs(1))), ["getheaders"]);
        if honest {
            assert_eq!(hangs_up(&talk.hear(Message::Headers(vec![header(ours)]))), None);
        } else {
            let outputs = talk.hear(strange.clone());
            assert_eq!(hangs_up(&outputs), Some(&Disconnect::WrongChain { stranger: theirs }));
        }
    }
}
