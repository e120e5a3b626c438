//! What we announced is served, and not without bounds.

use wire::{BlockTxn, GetBlockTxn, GetHeaders, InvItem};

use super::*;
use crate::headers::HeaderView;

/// The types by which litecoinds ask for blocks: plain, compact, with witness, with witness and MWEB.
const BLOCK_REQUESTS: [u32; 4] = [2, 4, 0x4000_0002, 0x6000_0002];

fn getdata(kind: u32, hashes: &[BlockHash]) -> Message {
    Message::GetData(hashes.iter().map(|hash| InvItem::block(kind, *hash)).collect())
}

fn served(block: &IndexedBlock) -> Output {
    Output::Event(Event::Served { block: block.hash })
}

fn with_block() -> (Talk, Arc<IndexedBlock>) {
    let (mut talk, block) = (Talk::ready(), block());
    talk.shelve(&block);
    (talk, block)
}

#[test]
fn our_block_is_sent_whole_by_whatever_type_it_is_asked_for() {
    for kind in BLOCK_REQUESTS {
        let (mut talk, block) = with_block();
        let outputs = talk.hear(getdata(kind, &[block.hash]));
        let whole = Output::Send(Message::Block(block.bytes.clone()));
        assert_eq!(outputs, [whole, served(&block)], "{kind:#x}");
    }
}

#[test]
fn what_we_do_not_have_is_not_found_and_said_once() {
    let (mut talk, block) = with_block();
    let unknown = hash(b"unknown");
    let transaction = InvItem { kind: 1, hash: *block.hash.as_wire() };
    let request = vec![InvItem::block(2, unknown), InvItem::block(2, block.hash), transaction];
    let outputs = talk.hear(Message::GetData(request));
    assert_eq!(commands(&outputs), ["block", "notfound"]);
    let missing = Message::NotFound(vec![InvItem::block(2, unknown), transaction]);
    assert_eq!(outputs.last(), Some(&Output::Send(missing)));
}

#[test]
fn a_peer_gets_32_bodies_and_then_one_a_second() {
    let (mut talk, block) = with_block();
    let bodies = |outputs: &[Output]| commands(outputs).iter().filter(|command| *command == "block").count();
    let many = vec![block.hash; 100];
    let outputs = talk.hear(getdata(2, &many));
    assert_eq!(bodies(&outputs), 32);
    let Some(Output::Send(Message::NotFound(missing))) = outputs.last() else { panic!("{outputs:?}") };
    assert_eq!(missing.len(), 68);

    assert_eq!(bodies(&talk.hear(getdata(2, &many))), 0);
    talk.now += Duration::from_millis(2500);
    assert_eq!(bodies(&talk.hear(getdata(2, &many))), 2);
    talk.now += Duration::from_millis(500);
    assert_eq!(bodies(&talk.hear(getdata(2, &many))), 1, "half a second was left over");
    talk.now += Duration::from_secs(1_000_000);
    assert_eq!(bodies(&talk.hear(getdata(2, &many))), 32, "no more than at the start");
}

#[test]
fn transactions_of_our_block_are_sent_as_they_stand_in_it() {
    let (mut talk, block) = with_block();
    let last = block.transactions.len() as u16 - 1;
    let indexes = vec![0, 3, last];
    let outputs =
        talk.hear(Message::GetBlockTxn(GetBlockTxn { block: block.hash, indexes: indexes.clone() }));
    let transactions: Vec<_> =
        indexes.iter().map(|&index| block.transaction(index.into()).unwrap()).collect();
    let answer = BlockTxn { block: block.hash, transactions };
    assert_eq!(outputs, [Output::Send(Message::BlockTxn(answer)), served(&block)]);
}

#[test]
fn who_asks_for_a_transaction_that_cannot_be_is_hung_up_on() {
    let (mut talk, block) = with_block();
    let beyond = block.transactions.len() as u16;
    let request = GetBlockTxn { block: block.hash, indexes: vec![0, beyond] };
    let outputs = talk.hear(Message::GetBlockTxn(request));
    assert!(matches!(hangs_up(&outputs), Some(Disconnect::Misbehaving(_))), "{outputs:?}");
    assert_eq!(commands(&outputs), [] as [&str; 0]);
}

#[test]
fn transactions_of_an_unknown_block_are_not_found() {
    let (mut talk, _) = with_block();
    let block = hash(b"unknown");
    let outputs = talk.hear(Message::GetBlockTxn(GetBlockTxn { block, indexes: vec![0] }));
    assert_eq!(outputs, [Output::Send(Message::NotFound(vec![InvItem::block(2, block)]))]);
}

#[test]
fn transactions_count_against_the_allowance_too() {
    let (mut talk, block) = with_block();
    let request = Message::GetBlockTxn(GetBlockTxn { block: block.hash, indexes: vec![0] });
    for _ in 0..32 {
        assert_eq!(commands(&talk.hear(request.clone())), ["blocktxn"]);
    }
    assert_eq!(commands(&talk.hear(request)), ["notfound"]);
}

#[test]
fn getheaders_is_answered_even_if_with_nothing() {
    let mut talk = Talk::ready();
    let request = GetHeaders { protocol: 70_017, locator: vec![hash(b"?")], stop: BlockHash::ZERO };
    let answer = |headers| [Output::Send(Message::Headers(headers))];
    assert_eq!(talk.hear(Message::GetHeaders(request.clone())), answer(Vec::new()));
    let header = block().header.clone();
    talk.shelf.headers = vec![header.clone()];
    assert_eq!(talk.hear(Message::GetHeaders(request)), answer(vec![header]));
}

#[test]
fn a_peer_gets_headers_8_times_and_then_once_a_second_and_silence_beyond() {
    let mut talk = Talk::ready();
    let request = GetHeaders { protocol: 70_017, locator: vec![hash(b"?")], stop: BlockHash::ZERO };
    let mut answers = |time| {
        talk.now += time;
        let outputs = (0..20).flat_map(|_| talk.hear(Message::GetHeaders(request.clone())));
        commands(&outputs.collect::<Vec<_>>())
    };
    assert_eq!(answers(Duration::ZERO), ["headers"; 8]);
    assert_eq!(answers(Duration::from_millis(999)), [] as [&str; 0]);
    assert_eq!(answers(Duration::from_millis(1001)), ["headers"; 2]);
    assert_eq!(answers(Duration::from_secs(1_000_000)), ["headers"; 8], "no more than at the start");
}

#[test]
fn headers_and_bodies_have_allowances_of_their_own() {
    let (mut talk, block) = with_block();
    let request = GetHeaders { protocol: 70_017, locator: vec![hash(b"?")], stop: BlockHash::ZERO };
    for _ in 0..9 {
        talk.hear(Message::GetHeaders(request.clone()));
    }
    assert_eq!(talk.hear(Message::GetHeaders(request)), []);
    assert_eq!(commands(&talk.hear(getdata(2, &[block.hash]))), ["block"]);
}

#[test]
fn the_headers_after_a_locator_follow_its_newest_block_in_whatever_order_it_stands() {
    let header = |parent: BlockHash, nonce: u32| {
        let mut bytes = [0; 80];
        bytes[4..36].copy_from_slice(parent.as_wire());
        bytes[76..].copy_from_slice(&nonce.to_le_bytes());
        Header::new(bytes)
    };
    let name = |n: u32| hash(&n.to_le_bytes());
    let work = chain::Target::from_compact(0x207f_ffff).unwrap().work();
    let mut view = HeaderView::new();
    view.anchor(name(0), header(BlockHash::ZERO, 0), 100);
    for n in 1..=10 {
        view.insert(name(n), header(name(n - 1), n), work);
    }
    let nonces = |locator: &[BlockHash], stop| -> Vec<_> {
        view.after(locator, stop).iter().map(|header| header.fixed()[76]).collect()
    };
    assert_eq!(nonces(&[name(2), hash(b"?"), name(7)], BlockHash::ZERO), [8, 9, 10]);
    assert_eq!(nonces(&[name(7), name(2)], name(8)), [8]);
    assert_eq!(nonces(&[name(7)], name(2)), [8, 9, 10], "a stop below is never met");
}

#[test]
fn a_block_that_is_waited_for_is_handed_on_unread_and_no_other_is() {
    let mut talk = Talk::ready();
    let block = block();
    assert_eq!(talk.hear(Message::Block(block.bytes.clone())), [], "nobody asked for it");
    talk.shelf.awaited.insert(block.hash);
    let arrived = Event::Block { block: block.hash, payload: block.bytes.clone() };
    assert_eq!(talk.hear(Message::Block(block.bytes.clone())), [Output::Event(arrived)]);
    for cut in [0, 79] {
        assert_eq!(
            talk.hear(Message::Block(block.bytes.slice(..cut))),
            [],
            "without a header it has no name"
        );
    }
    let headed = Event::Block { block: block.hash, payload: block.bytes.slice(..80) };
    let outputs = talk.hear(Message::Block(block.bytes.slice(..80)));
    assert_eq!(outputs, [Output::Event(headed)], "what it is worth is for others to say");
}

#[test]
fn a_peer_that_lacks_a_block_that_is_waited_for_says_so() {
    let mut talk = Talk::ready();
    let kind = talk.chain.dialect().inv_types().full_block;
    let (awaited, other) = (hash(b"awaited"), hash(b"other"));
    talk.shelf.awaited.insert(awaited);
    let missing = |kind| Message::NotFound(vec![InvItem::block(kind, other), InvItem::block(kind, awaited)]);
    assert_eq!(talk.hear(missing(kind)), [Output::Event(Event::Missing { block: awaited })]);
    assert_eq!(talk.hear(missing(1)), [], "that is a transaction");
    let flood = Message::NotFound(vec![InvItem::block(kind, awaited); wire::MAX_INV]);
    assert_eq!(talk.hear(flood).len(), 4);
}
