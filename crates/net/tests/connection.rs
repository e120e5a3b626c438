//! Connections over real sockets: what a peer can do to us, and what becomes of what we send.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use net::{Closed, Packet, Plan};
use protocol::session::{Disconnect, Event};
use support::{Note, connect, frame, magic, ready, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{BlockHash, Command, FrameError, FrameHeader, HEADER_LEN, Message};

const BLOCK: BlockHash = BlockHash::from_wire([1; 32]);

/// A plan as the relay makes it: a block of this size, and a ping behind it.
fn block_plan(size: usize) -> Plan {
    let block = Packet::new(magic(), Command::BLOCK, Bytes::from(vec![0x5a; size]));
    Plan { block: Some(BLOCK), packets: vec![block, Packet::of(magic(), &Message::Ping(99))] }
}

fn ping(nonce: u64) -> Plan {
    Plan::control(magic(), &Message::Ping(nonce))
}

/// A frame's header that claims this many bytes to come.
fn claim(length: u32) -> [u8; HEADER_LEN] {
    let command = *Command::BLOCK.as_wire();
    FrameHeader { magic: magic(), command, length, checksum: [0; 4] }.to_wire()
}

#[tokio::test]
async fn frames_that_come_in_pieces_are_put_together() {
    for piece in [1, 7, 23, 25] {
        let (mut ours, mut peer) = connect(0).await;
        let conversation =
            [frame(&version()), frame(&Message::Verack), frame(&Message::Ping(piece as u64))].concat();
        for piece in conversation.chunks(piece) {
            peer.send_raw(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.expect(Command::PONG).await, Message::Pong(piece as u64));
        ours.note(|note| matches!(note, Note::Event(Event::Ready { .. }))).await;
    }
}

#[tokio::test]
async fn another_networks_magic_ends_the_connection_at_its_fourth_byte() {
    let (mut ours, mut peer) = connect(0).await;
    peer.send_raw(b"HTTP").await;
    let closed = ours.closed().await;
    assert!(
        matches!(&closed, Closed::Frame(FrameError::Magic { found, .. }) if found == b"HTTP"),
        "{closed}"
    );
    assert_eq!(closed.kind(), "bad_magic");
}

/// The header alone ends it, before a byte of the payload is sent: there is nothing to buffer.
#[tokio::test]
async fn a_stranger_may_claim_one_kibibyte_and_a_proven_peer_the_chains_cap() {
    for (proven, limit) in [(false, 1024), (true, 32_000_000)] {
        let start = async || if proven { ready(0).await } else { connect(0).await };
        let (mut ours, mut peer) = start().await;
        peer.send_raw(&claim(limit + 1)).await;
        let closed = ours.closed().await;
        let Closed::Frame(FrameError::TooLong { length, limit: found }) = closed else { panic!("{closed}") };
        assert_eq!((length, found), (limit as usize + 1, limit as usize));

        let (ours, mut peer) = start().await;
        peer.send_raw(&claim(limit)).await;
        if proven {
            ours.push(ping(1));
            assert_eq!(peer.expect(Command::PING).await, Message::Ping(1));
        } else {
            peer.expect(Command::VERSION).await;
        }
        assert!(ours.is_running(), "a claim of {limit} bytes is allowed");
    }
}

#[tokio::test]
async fn a_damaged_message_is_dropped_and_the_next_one_understood() {
    let (mut ours, mut peer) = ready(0).await;
    let mut damaged = frame(&Message::Ping(1));
    damaged[HEADER_LEN] ^= 1;
    peer.send_raw(&damaged).await;
    peer.send(&Message::Ping(2)).await;
    assert_eq!(peer.expect(Command::PONG).await, Message::Pong(2));
    ours.note(|note| *note == Note::Event(Event::Garbage { kind: "bad_checksum" })).await;
    assert!(ours.is_running());
}

#[tokio::test]
async fn what_the_session_hangs_up_for_is_the_reason_that_is_given() {
    let (mut ours, mut peer) = connect(0).await;
    peer.send(&Message::Verack).await;
    let closed = ours.closed().await;
    assert!(matches!(&closed, Closed::Session(Disconnect::Unexpected { .. })), "{closed}");
    assert_eq!(closed.kind(), "unexpected_message");
    peer.expect(Command::VERSION).await;
    assert_eq!(peer.receive().await, None, "the socket is closed");
}

#[tokio::test]
async fn plans_are_written_in_their_order_and_a_block_is_reported_written_once_and_then_acknowledged() {
    let (mut ours, mut peer) = ready(0).await;
    ours.push(ping(1));
    ours.push(block_plan(3_000_000));
    ours.push(ping(2));
    assert_eq!(peer.expect(Command::PING).await, Message::Ping(1));
    let Message::Block(bytes) = peer.receive().await.expect("the block") else { panic!("something else") };
    assert_eq!(bytes, vec![0x5a; 3_000_000]);
    assert_eq!(peer.receive().await, Some(Message::Ping(99)));
    assert_eq!(peer.receive().await, Some(Message::Ping(2)));

    let written = ours.note(|note| !matches!(note, Note::Event(_))).await;
    assert_eq!(written, Note::Written(BLOCK));
    assert_eq!(ours.note(|note| !matches!(note, Note::Event(_))).await, Note::Acked(BLOCK));
    ours.lane.close();
    assert_eq!(ours.rest().await, [], "each once");
}

#[tokio::test]
async fn both_ends_may_send_a_large_block_at_the_same_moment() {
    let (mut ours, mut peer) = ready(0).await;
    ours.push(block_plan(16_000_000));
    // Written to its end before anything is read: this only ends if our reader does not wait for our writer.
    let theirs = Message::Block(Bytes::from(vec![0xa5; 16_000_000]));
    peer.send(&theirs).await;
    peer.send(&Message::Pong(5)).await;
    ours.note(|note| *note == Note::Event(Event::Pong(5))).await;
    let Message::Block(bytes) = peer.expect(Command::BLOCK).await else { panic!("something else") };
    assert_eq!(bytes.len(), 16_000_000);
    assert_eq!(peer.receive().await, Some(Message::Ping(99)));
}

#[tokio::test]
async fn closing_the_lane_ends_the_connection_also_while_a_block_is_being_written() {
    let (mut ours, mut peer) = ready(0).await;
    ours.lane.close();
    assert!(matches!(ours.closed().await, Closed::Asked));
    assert_eq!(peer.receive().await, None);

    let (mut ours, _peer) = ready(4096).await;
    ours.push(block_plan(16_000_000));
    ours.lane.close();
    assert!(matches!(ours.closed().await, Closed::Asked));
}

#[tokio::test]
async fn a_peer_that_leaves_is_said_to_have_left_also_in_the_middle_of_a_message() {
    for parting in [&b""[..], &frame(&Message::Ping(1))[..10], &frame(&Message::Ping(1))[..30]] {
        let (mut ours, mut peer) = ready(0).await;
        peer.send_raw(parting).await;
        drop(peer);
        let closed = ours.closed().await;
        assert!(matches!(closed, Closed::ByPeer), "{closed}");
    }
}

/// The writer task sleeps while a thread sends: what that has written is told all the same if the peer leaves at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_thread_has_written_is_reported_even_if_the_connection_ends_before_the_task_wakes_up() {
    for _ in 0..20 {
        let (mut ours, mut peer) = ready(0).await;
        let lane = ours.lane.clone();
        let sender = tokio::task::spawn_blocking(move || {
            lane.load(std::sync::Arc::new(block_plan(20_000))).expect("room in the lane");
            net::volley(&[lane]);
        });
        peer.expect(Command::BLOCK).await;
        drop(peer);
        sender.await.expect("no panic");
        let notes = ours.rest().await;
        let written = notes.iter().filter(|note| **note == Note::Written(BLOCK)).count();
        assert_eq!(written, 1, "{notes:?}");
    }
}

/// The only test that waits in real time: five seconds are what it is about.
#[tokio::test]
async fn a_peer_that_takes_nothing_for_five_seconds_is_stuck_and_one_that_takes_little_is_not() {
    let (mut stuck, _never_reads) = ready(4096).await;
    let (slow, mut trickles) = ready(4096).await;
    let (mut awake, mut pings) = ready(4096).await;
    awake.push(block_plan(16_000_000));
    let begun = Instant::now();
    stuck.push(block_plan(16_000_000));
    slow.push(block_plan(1_000_000));

    let mut taken = vec![0; 8 * 1024];
    let mut count = 0;
    while stuck.is_running() || awake.is_running() || begun.elapsed() < Duration::from_millis(6500) {
        assert!(begun.elapsed() < Duration::from_secs(10), "a standstill is noticed");
        count += trickles.socket.get_mut().read(&mut taken).await.expect("an open connection");
        if awake.is_running() {
            // To keep us awake helps it nothing. It may be cut off while it writes.
            drop(pings.socket.get_mut().write_all(&frame(&Message::Ping(1))).await);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for stuck in [&mut stuck, &mut awake] {
        let closed = stuck.closed().await;
        assert!(matches!(closed, Closed::Stuck), "{closed}");
    }
    assert!(stuck.lane.is_closed());

    assert!(slow.is_running(), "{count} bytes were taken");
    let total = HEADER_LEN + 1_000_000 + HEADER_LEN + 8;
    let mut rest = vec![0; total - count];
    trickles.socket.get_mut().read_exact(&mut rest).await.expect("all of the block");
    assert!(slow.is_running());
}
