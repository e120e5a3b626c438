//! What a peer can make us hold, counted by the allocator.
//!
//! The scripted peer lives on the same thread, so its memory is counted too: tests measure from a moment at which both
//! ends have what they need for an idle connection.

use bytes::BufMut;
use protocol::session::Event;
use wire::{Command, FrameHeader, HANDSHAKE_LIMIT, HEADER_LEN, Message};

use crate::{
    allocations::Meter,
    framing::framed,
    scene::{Goods, Ours, proven, stranger},
    support::{Peer, frame, magic},
};

const CAP: usize = 32_000_000;

/// The header of a frame with a payload of this length, of which nothing is known.
fn claim(command: Command, length: usize) -> [u8; HEADER_LEN] {
    let length = u32::try_from(length).expect("a length on the wire");
    FrameHeader { magic: magic(), command: *command.as_wire(), length, checksum: [0; 4] }.to_wire()
}

#[tokio::test]
async fn a_stranger_holds_less_than_a_kibibyte_beyond_an_idle_connection() {
    let words = [&claim(Command::VERSION, HANDSHAKE_LIMIT)[..], &[0; HANDSHAKE_LIMIT - 1]].concat();
    let mut strangers: Vec<(Ours, Peer)> = Vec::new();
    for _ in 0..20 {
        let (ours, mut peer) = stranger().await;
        peer.expect(Command::VERSION).await;
        strangers.push((ours, peer));
    }
    let meter = Meter::start();
    for (ours, peer) in &mut strangers {
        peer.send_raw(&words).await;
        ours.has_read_all().await;
    }
    assert!(meter.peak() <= strangers.len() * HANDSHAKE_LIMIT, "{} bytes", meter.peak());
    assert!(strangers.iter().all(|(ours, _)| ours.is_running()), "they may still say the last byte");
}

#[tokio::test]
async fn a_cap_size_claim_before_verack_ends_the_connection_and_nothing_is_reserved_for_it() {
    for introduced in [false, true] {
        let (mut ours, mut peer) = stranger().await;
        peer.expect(Command::VERSION).await;
        if introduced {
            peer.send(&crate::support::version()).await;
            peer.expect(Command::VERACK).await;
        }
        let bytes = claim(Command::VERACK, CAP);
        let meter = Meter::start();
        peer.send_raw(&bytes).await;
        let closed = ours.closed().await;
        assert_eq!(closed.kind(), "oversized", "{closed}");
        assert!(meter.peak() < 1024, "{} bytes", meter.peak());
    }
}

#[tokio::test]
async fn a_cap_size_claim_by_a_proven_peer_holds_what_has_arrived_and_gives_it_back() {
    const ARRIVES: usize = 300_000;
    let (ours, mut peer) = proven(Goods::default(), 0).await;
    let bytes = claim(Command::BLOCK, CAP);
    let meter = Meter::start();
    peer.send_raw(&bytes).await;
    ours.has_read_all().await;
    assert!(meter.peak() <= 2 * 64 * 1024, "{} bytes for a claim", meter.peak());

    let part = vec![0; ARRIVES];
    let meter = Meter::start();
    peer.send_raw(&part).await;
    ours.has_read_all().await;
    // A buffer that grows doubles, and the old one is there until it is copied.
    assert!(meter.peak() <= 4 * ARRIVES, "{} bytes for {ARRIVES}", meter.peak());
    assert!(meter.held() >= ARRIVES / 2, "{} bytes: it is there somewhere", meter.held());
}

#[tokio::test]
async fn what_a_large_message_took_is_given_back_when_it_is_over() {
    let (mut ours, mut peer) = proven(Goods::default(), 0).await;
    let block = frame(&Message::Block(vec![7; 3_000_000].into()));
    let pong = frame(&Message::Pong(1));
    let meter = Meter::start();
    peer.send_raw(&block).await;
    peer.send_raw(&pong).await;
    assert_eq!(ours.event().await, Event::Pong(1));
    assert!(meter.peak() >= block.len(), "it was here as a whole");
    assert!(meter.held() < 32 * 1024, "{} bytes", meter.held());
}

#[tokio::test]
async fn a_huge_count_allocates_nothing() {
    // What stands before the count, and the most that the daemons allow.
    let lists: [(Command, usize, u64); 9] = [
        (Command::ADDR, 0, 1000),
        (Command::ADDRV2, 0, 1000),
        (Command::INV, 0, 50_000),
        (Command::GETDATA, 0, 50_000),
        (Command::NOTFOUND, 0, 50_000),
        (Command::HEADERS, 0, 2000),
        (Command::GETHEADERS, 4, 101),
        (Command::GETBLOCKTXN, 32, 0x1_0000),
        (Command::CMPCTBLOCK, 88, 0x1_0000),
    ];
    for (command, before, allowed) in lists {
        for (count, kind) in [(allowed, "truncated"), (u64::MAX, "too_many")] {
            let (mut ours, mut peer) = proven(Goods::default(), 0).await;
            let mut payload = vec![0; before];
            wire::Encode::put_compact_size(&mut payload, count);
            payload.put_bytes(0, 8);
            let bytes = framed(command, &payload);
            let meter = Meter::start();
            peer.send_raw(&bytes).await;
            assert_eq!(ours.event().await, Event::Garbage { kind }, "{command} of {count}");
            assert!(meter.peak() < 2048, "{} bytes for {command} of {count}", meter.peak());
        }
    }
}
