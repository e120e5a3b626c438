//! No bytes make the judge panic or hoard, and no damage to a block goes unnoticed.

#[path = "../../../crates/wire/tests/common/allocations.rs"]
mod allocations;
mod common;

use std::sync::LazyLock;

use allocations::Meter;
use bytes::{BufMut, Bytes};
use chain::{Chain, Network};
use common::{Recorded, block, blocks, draft::Draft};
use dogecoin::{AuxPow, Dogecoin, DogecoinDialect};
use proptest::{collection::vec, prelude::*, sample::Index};
use recordings::{laws, unhex};
use wire::{Command, Dialect, Encode, Header, Message, Reader};

/// Where the 32 bytes stand in a block's auxpow that nobody checks.
fn named_block(recorded: &Recorded) -> std::ops::Range<usize> {
    let auxpow = AuxPow::of(&recorded.header()).expect("merge-mined");
    let start = 80 + auxpow.coinbase().len();
    start..start + 32
}

#[test]
fn no_bit_behind_the_header_can_be_flipped_unnoticed_but_those_that_nobody_checks() {
    let recorded = block("dogecoin_mainnet_371337.json");
    let unchecked = named_block(&recorded);
    let auxpow_end = 80 + recorded.header().extension().len();
    for offset in 80..recorded.bytes.len() {
        // Every bit of the auxpow, one of each byte of the transactions.
        for bit in (0..8).filter(|bit| offset < auxpow_end || offset % 8 == *bit) {
            let mut bytes = recorded.bytes.to_vec();
            bytes[offset] ^= 1 << bit;
            let inspection = recorded.inspect(&bytes.into());
            let noticed = !inspection.is_sound();
            assert_eq!(
                noticed,
                !unchecked.contains(&offset),
                "bit {bit} of {offset}: {:?}",
                inspection.findings
            );
        }
    }
}

#[test]
fn every_byte_of_a_header_may_be_anything() {
    for recorded in ["block_coinbase_only.json", "block_auxpow_simple.json"].map(block) {
        // The flag in the version says what is to follow; there, anything may be wrong.
        laws::every_byte_of_a_header_may_be_anything(&recorded, |offset| offset == 1);
    }
}

#[test]
fn no_beginning_of_a_block_is_sound() {
    for name in ["block_auxpow_tree8_parent5tx.json", "block_auxpow_by_node.json"] {
        laws::no_beginning_is_sound(&block(name));
    }
}

/// The most that may be held for so many bytes: findings and their words, and for each transaction of ten bytes where
/// its parts lie, twice.
fn bound(length: usize) -> usize {
    16 * 1024 + 160 * 1024 + 40 * length
}

/// Judges bytes, as a block and as the payload of a message, and holds the memory that this takes against the bound.
fn weigh(bytes: &Bytes) -> Result<(), TestCaseError> {
    let regtest = Dogecoin::new(Network::Regtest);
    let meter = Meter::start();
    drop(regtest.inspect(bytes, 0));
    let peak = meter.peak();
    prop_assert!(peak <= bound(bytes.len()), "{peak} bytes for a block of {}", bytes.len());
    for command in [Command::HEADERS, Command::CMPCTBLOCK] {
        let payload = bytes.clone();
        let meter = Meter::start();
        drop(Message::decode(command, payload, &DogecoinDialect));
        let peak = meter.peak();
        prop_assert!(peak <= 1024 + 16 * bytes.len(), "{peak} bytes for {command} of {}", bytes.len());
    }
    Ok(())
}

/// A merge-mined header, and behind it lists that say to be longer than the bytes are.
fn announced(counts: [u64; 4], length: usize) -> Bytes {
    let mut bytes = Draft::default().own_header().to_vec();
    let [inputs, script, coinbase_branch, chain_branch] = counts;
    bytes.put_u32_le(1);
    bytes.put_compact_size(inputs);
    bytes.put_bytes(0, 36);
    bytes.put_compact_size(script);
    bytes.put_bytes(0, script.min(100) as usize + 4);
    bytes.put_u8(0);
    bytes.put_u32_le(0);
    bytes.put_bytes(0, 32);
    bytes.put_compact_size(coinbase_branch);
    bytes.put_bytes(0, 4);
    bytes.put_compact_size(chain_branch);
    bytes.put_bytes(0, length);
    bytes.into()
}

#[test]
fn what_an_auxpow_announces_is_held_against_what_is_there() {
    const HUGE: [u64; 5] = [0x1_0000, 31_250, 31_251, 1 << 32, u64::MAX];
    for huge in HUGE {
        for counts in [[huge, 4, 0, 0], [1, huge, 0, 0], [1, 4, huge, 0], [1, 4, 0, huge]] {
            weigh(&announced(counts, 300)).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let small = announced([1, 4, 0, 0], 84);
    assert!(Header::read(&mut Reader::new(&small), &DogecoinDialect).is_ok(), "all of it is there");
}

#[test]
fn the_largest_of_everything_stays_within_the_bound() {
    let small = Draft::default();
    let huge = [
        Draft { coinbase_branch: vec![[1; 32]; 31_000], ..small.clone() },
        Draft { chain_branch: vec![[1; 32]; 31_250], ..small.clone() },
        Draft { tail: vec![0xfa; 900_000], ..small.clone() },
        Draft { tail: dogecoin::MARK.repeat(225_000), ..small.clone() },
        Draft { outputs: 90_000, ..small.clone() },
        Draft { witness: Some(vec![vec![]; 900_000]), ..small.clone() },
    ];
    for draft in huge {
        let auxpow = draft.bytes();
        weigh(&auxpow).unwrap_or_else(|error| panic!("{error}"));
        // The same as the only header of a message.
        let payload = [&[1], &auxpow[..auxpow.len() - small.body.len()], &[0]].concat();
        weigh(&payload.into()).unwrap_or_else(|error| panic!("{error}"));
    }
    // As many transactions as there may be, each as short as can be read.
    let mut bytes = small.own_header().to_vec();
    bytes[1] = 0;
    bytes.put_compact_size(16_666);
    bytes.put_bytes(0, 10 * 16_666);
    weigh(&bytes.into()).unwrap_or_else(|error| panic!("{error}"));
}

/// The headers of a recorded conversation, merge-mined ones among them.
fn recorded_headers() -> Bytes {
    let file = recordings::read("dogecoin/announce_sendheaders.json");
    let messages = file["messages"].as_array().expect("messages").iter();
    let payloads = messages.filter(|message| message["cmd"] == "headers");
    let raw = payloads.filter_map(|message| message["raw_hex"].as_str());
    unhex(raw.max_by_key(|raw| raw.len()).expect("headers")).slice(24..)
}

static BLOCKS: LazyLock<Vec<Recorded>> = LazyLock::new(blocks);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_do_no_harm(bytes: Vec<u8>, now: u32) {
        let bytes = Bytes::from(bytes);
        let inspection = Dogecoin::new(Network::Mainnet).inspect(&bytes, now);
        prop_assert!(!inspection.is_sound());
        weigh(&bytes)?;
        // What is read ends where the bytes do, at the latest.
        let mut reader = Reader::new(&bytes);
        if DogecoinDialect.skip_transaction(&mut reader).is_ok() || AuxPow::read(&mut Reader::new(&bytes)).is_ok() {
            prop_assert!(reader.offset() <= bytes.len());
        }
    }

    #[test]
    fn random_bytes_behind_a_good_header_do_no_harm(body: Vec<u8>, merged: bool) {
        let mut bytes = block("block_auxpow_simple.json").bytes[..80].to_vec();
        bytes[1] = merged.into();
        bytes.extend_from_slice(&body);
        let bytes = Bytes::from(bytes);
        prop_assert!(!Dogecoin::new(Network::Regtest).inspect(&bytes, 0).is_sound());
        weigh(&bytes)?;
    }

    #[test]
    fn any_recorded_block_can_be_cut_and_overwritten_anywhere(
        which in any::<Index>(),
        at in any::<Index>(),
        cut in any::<Option<Index>>(),
        patch in vec(any::<u8>(), 0..12),
    ) {
        let recorded = which.get(&BLOCKS);
        let length = recorded.bytes.len();
        let cut = cut.map(|cut| cut.index(length));
        let (bytes, inspection) = laws::damage_is_withstood(recorded, (at.index(length), &patch), cut, 0);
        weigh(&bytes)?;
        if let Some(block) = inspection.block {
            recorded.chain.check_work(&block.header).ok();
            recorded.chain.parent_block(&block.header);
        }
    }

    #[test]
    fn lists_of_headers_can_be_damaged_anywhere(changes in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut bytes = recorded_headers().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        weigh(&bytes.into())?;
    }
}
