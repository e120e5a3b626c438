//! What counts as an acceptance: what a peer says of its chain, and never that it has processed something.

use std::time::Instant;

use bytes::Bytes;
use net::{Packet, Plan};
use protocol::{
    PeerId,
    delivery::{Outcome, Tracker},
    session::Event,
};
use wire::{BlockHash, CompactBlock, GetHeaders, Header, InvItem, Message};

use crate::{
    scene::{Goods, Heard, Ours, proven},
    support::{chain, magic},
};

const PEER: PeerId = PeerId(1);
const BARRIER: u64 = 0xbeef;

fn header(parent: BlockHash, nonce: u32) -> Header {
    let mut bytes = [0; 80];
    bytes[4..36].copy_from_slice(parent.as_wire());
    bytes[76..].copy_from_slice(&nonce.to_le_bytes());
    Header::new(bytes)
}

fn name(header: &Header) -> BlockHash {
    chain().block_hash(header)
}

/// Tells a tracker what the host was told, as the relay does, until the pong has come.
async fn follow(ours: &mut Ours, tracker: &mut Tracker) {
    loop {
        match ours.hear().await {
            Heard::Written(_, handed, now) => drop(tracker.written(PEER, handed, now)),
            Heard::Event(Event::Headers { headers, via }, now) if via.is_proof() => {
                let named: Vec<_> = headers.into_iter().map(|header| (name(&header), header)).collect();
                tracker.headers(PEER, &named, now);
            }
            Heard::Event(Event::Announced { block, via }, now)
                if via.is_proof() && block == tracker_block() =>
            {
                tracker.announced(PEER, now);
            }
            Heard::Event(Event::Pong(BARRIER), now) => {
                tracker.pong(PEER, now);
                return;
            }
            Heard::Event(..) => {}
        }
    }
}

fn parent() -> BlockHash {
    BlockHash::from_wire([7; 32])
}

fn tracker_block() -> BlockHash {
    name(&header(parent(), 1))
}

/// Each row is a block that nobody asked for, and what a real daemon answers to it and to the probe behind it
/// (measured.md: "Learning that a peer accepted it"), before it answers the ping behind both.
#[tokio::test]
async fn only_what_a_peer_says_of_its_chain_is_an_acceptance_and_a_pong_alone_never_is() {
    let ours_header = header(parent(), 1);
    let rival = header(parent(), 2);
    let unrelated = header(BlockHash::from_wire([9; 32]), 3);
    let headers =
        |headers: &[&Header]| Message::Headers(headers.iter().map(|&header| header.clone()).collect());
    let inv = |block: BlockHash| Message::Inv(vec![InvItem::block(2, block)]);
    let early_echo = Message::CompactBlock(Box::new(CompactBlock {
        header: ours_header.clone(),
        nonce: 1,
        short_ids: vec![[1; 6]],
        prefilled: Vec::new(),
        extension: Bytes::new(),
    }));
    let table = [
        ("the tip, and the probe is answered", vec![headers(&[&ours_header])], Outcome::Accepted),
        ("the tip, and it is announced back", vec![inv(tracker_block())], Outcome::Accepted),
        ("the tip, in initial block download", vec![], Outcome::ProcessedUnproven),
        ("an equal-work fork", vec![headers(&[&rival])], Outcome::Outraced { by: name(&rival) }),
        ("a gap: its parent is unknown", vec![headers(&[])], Outcome::ProcessedUnproven),
        ("too far ahead in time or height", vec![headers(&[])], Outcome::ProcessedUnproven),
        ("a duplicate, which draws no reply", vec![], Outcome::ProcessedUnproven),
        ("headers of another chain", vec![headers(&[&unrelated])], Outcome::ProcessedUnproven),
        ("another block's announcement", vec![inv(name(&rival))], Outcome::ProcessedUnproven),
        ("an echo from before validation", vec![early_echo], Outcome::ProcessedUnproven),
    ];
    for (what, answers, expected) in table {
        let (mut ours, mut peer) = proven(Goods::default(), 0).await;
        let mut tracker = Tracker::new(tracker_block(), parent());
        assert!(tracker.queued(PEER, "peer", Instant::now()));
        let probe = GetHeaders { protocol: 70_017, locator: vec![parent()], stop: BlockHash::ZERO };
        let words = [
            Message::Block(Bytes::from(vec![0x5a; 100_000])),
            Message::GetHeaders(probe),
            Message::Ping(BARRIER),
        ];
        let packets = words.iter().map(|word| Packet::of(magic(), word)).collect();
        ours.push(Plan { block: Some(tracker_block()), packets });

        for word in &words {
            assert_eq!(peer.receive().await.as_ref(), Some(word), "{what}");
        }
        for answer in &answers {
            peer.send(answer).await;
        }
        peer.send(&Message::Pong(BARRIER)).await;
        follow(&mut ours, &mut tracker).await;
        assert_eq!(tracker.deliveries()[0].outcome, Some(expected.clone()), "{what}");
        assert_eq!(tracker.successes(), usize::from(expected == Outcome::Accepted), "{what}");
    }
}

/// Before a byte of the block was written, its pong can be no answer to it, and its announcement no acceptance.
#[tokio::test]
async fn answers_that_come_before_the_block_are_no_acceptance() {
    let (mut ours, mut peer) = proven(Goods::default(), 0).await;
    let mut tracker = Tracker::new(tracker_block(), parent());
    assert!(tracker.queued(PEER, "peer", Instant::now()));
    peer.send(&Message::Inv(vec![InvItem::block(2, tracker_block())])).await;
    peer.send(&Message::Pong(BARRIER)).await;
    follow(&mut ours, &mut tracker).await;
    assert_eq!(tracker.successes(), 0);

    ours.push(Plan {
        block: Some(tracker_block()),
        packets: vec![Packet::of(magic(), &Message::Block(Bytes::from_static(b"block")))],
    });
    let Heard::Written(_, handed, now) = ours.hear().await else { panic!("it was written") };
    assert_eq!(tracker.written(PEER, handed, now), Some(Outcome::AlreadyHad));
}
