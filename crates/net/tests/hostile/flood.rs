//! Peers that say too much.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use wire::{BlockHash, Command, Header, InvItem, MAX_HEADERS, MAX_INV, Message};

use crate::{
    allocations::Meter,
    scene::{Goods, Heard, peer, run, session, sockets},
    support::frame,
};

/// A chain of headers that branches nowhere.
fn headers(count: usize) -> Message {
    let mut parent = BlockHash::ZERO;
    let chain = (0..count).map(|nonce| {
        let mut bytes = [0; 80];
        bytes[4..36].copy_from_slice(parent.as_wire());
        bytes[76..].copy_from_slice(&(nonce as u32).to_le_bytes());
        parent = BlockHash::from_wire(wire::sha256d(&bytes));
        Header::new(bytes)
    });
    Message::Headers(chain.collect())
}

/// What each message of a flood costs: so many events, so many questions of ours, and memory for one of them at a time.
#[tokio::test]
async fn floods_cost_one_event_a_message_and_no_memory() {
    const MESSAGES: usize = 30;
    let blocks = (0..MAX_INV as u32).map(|n| InvItem::block(2, BlockHash::from_wire([n as u8; 32])));
    let floods = [
        ("headers", headers(MAX_HEADERS), 1),
        ("inv of blocks", Message::Inv(blocks.collect()), 16),
        ("inv of transactions", Message::Inv(vec![InvItem { kind: 1, hash: [1; 32] }; MAX_INV]), 0),
    ];
    for (what, message, events_each) in floods {
        let (ours, theirs) = sockets(0).await;
        let events = Arc::new(AtomicUsize::new(0));
        let count = events.clone();
        let goods = Goods { locator: vec![BlockHash::from_wire([3; 32])], ..Goods::default() };
        let (lane, running) = run(ours, session(Duration::ZERO), goods, move |heard| {
            if matches!(heard, Heard::Event(..)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut peer = peer(theirs);
        peer.handshake().await;
        peer.expect(Command::GETHEADERS).await;
        let bytes = frame(&message);

        let meter = Meter::start();
        for _ in 0..MESSAGES {
            peer.send_raw(&bytes).await;
        }
        peer.send(&Message::Ping(1)).await;
        let mut questions = 0;
        loop {
            match peer.receive().await.expect("an open connection") {
                Message::Pong(1) => break,
                Message::GetHeaders(_) => questions += 1,
                other => panic!("{what}: {other:?}"),
            }
        }
        // The receive buffer, which doubles as it grows, and the message made of it.
        assert!(meter.peak() <= 6 * bytes.len(), "{what}: {} bytes of {} each", meter.peak(), bytes.len());
        assert!(meter.held() < 64 * 1024, "{what}: {} bytes are kept", meter.held());
        // The handshake's event came first.
        assert_eq!(events.load(Ordering::Relaxed), 1 + events_each * MESSAGES, "{what}");
        // One in 250 ms at most, however long this takes on a busy machine.
        assert!(questions < MESSAGES, "{what}: {questions} questions");
        assert!(!running.is_finished());
        lane.close();
    }
}
