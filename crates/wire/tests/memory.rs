//! What reading a message allocates is bounded by the bytes that have arrived, whatever they say.

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use allocations::Meter;
use bytes::{BufMut, Bytes};
use common::{CHAINS, transcripts};
use proptest::{collection::vec, prelude::*, sample::Index};
use wire::{Command, Encode, Message};

/// The messages that hold lists, and what may stand before the first list's count.
const LISTS: [(Command, usize); 11] = [
    (Command::ADDR, 0),
    (Command::ADDRV2, 0),
    (Command::INV, 0),
    (Command::GETDATA, 0),
    (Command::NOTFOUND, 0),
    (Command::HEADERS, 0),
    (Command::GETHEADERS, 4),
    (Command::GETBLOCKTXN, 32),
    (Command::BLOCKTXN, 32),
    (Command::CMPCTBLOCK, 88),
    (Command::REJECT, 0),
];

/// The most that may be held for a message of so many bytes. The worst are entries that are short on the wire and wide
/// in memory: a compact block's transactions of ten bytes, which are a shared buffer's handle each, in a list that
/// doubles as it grows.
fn bound(length: usize) -> usize {
    1024 + 16 * length
}

/// Reads a payload in each dialect, and holds the memory that this takes against the bound.
fn weigh(command: Command, payload: &Bytes) -> Result<(), TestCaseError> {
    for chain in &CHAINS {
        let shared = payload.clone();
        let meter = Meter::start();
        let read = Message::decode(command, shared, chain.dialect);
        let peak = meter.peak();
        prop_assert!(
            peak <= bound(payload.len()),
            "{}: {peak} bytes for {command} of {}: {:?}",
            chain.name,
            payload.len(),
            read.map(|message| message.command())
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn counts_of_any_size_over_bytes_of_any_kind_allocate_for_what_is_there(
        count in prop_oneof![0u64..2000, Just(50_000), Just(0x1_0000), Just(1 << 32), Just(u64::MAX)],
        fill in any::<u8>(),
        length in 0usize..20_000,
        noise in vec((any::<Index>(), any::<u8>()), 0..8),
    ) {
        for (command, before) in LISTS {
            let mut payload = vec![0; before];
            payload.put_compact_size(count);
            payload.put_bytes(fill, length);
            for (at, value) in &noise {
                let at = at.index(payload.len());
                payload[at] = *value;
            }
            weigh(command, &payload.into())?;
        }
    }
}

/// The worst case of each list: as many of the shortest entries as there may be.
#[test]
fn full_lists_of_the_shortest_entries_stay_within_the_bound() {
    let list = |before: usize, count: u64, entry: &[u8], behind: usize| {
        let mut payload = vec![0; before];
        payload.put_compact_size(count);
        (0..count).for_each(|_| payload.put_slice(entry));
        payload.put_bytes(0, behind);
        Bytes::from(payload)
    };
    let full = [
        (Command::ADDR, list(0, 1000, &[0; 30], 0)),
        // Of a network that nobody knows, with no bytes.
        (Command::ADDRV2, list(0, 1000, &[0, 0, 0, 0, 0, 9, 0, 0, 0], 0)),
        (Command::INV, list(0, 50_000, &[0; 36], 0)),
        (Command::HEADERS, list(0, 2000, &[0; 81], 0)),
        (Command::GETBLOCKTXN, list(32, 0x1_0000, &[0], 0)),
        // Transactions of no inputs and no outputs.
        (Command::BLOCKTXN, list(32, 0x1_0000, &[0; 10], 0)),
        (Command::CMPCTBLOCK, list(89, 0x1_0000, &[0; 11], 0)),
        (Command::CMPCTBLOCK, list(88, 0x1_0000, &[0; 6], 1)),
    ];
    for (command, payload) in full {
        for chain in &CHAINS {
            let read = Message::decode(command, payload.clone(), chain.dialect);
            assert!(read.is_ok(), "{} {command}: {read:?}", chain.name);
        }
        weigh(command, &payload).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn recorded_messages_stay_within_the_bound() {
    let mut weighed = 0;
    for chain in &CHAINS {
        for recording in transcripts(chain.name) {
            for recorded in recording.messages() {
                let raw = recorded.raw();
                let command =
                    Command::from_wire(raw[4..16].try_into().expect("twelve bytes")).expect("a name");
                weigh(command, &recorded.payload())
                    .unwrap_or_else(|error| panic!("{}: {error}", recording.file));
                weighed += 1;
            }
        }
    }
    assert!(weighed > 500, "{weighed}");
}
