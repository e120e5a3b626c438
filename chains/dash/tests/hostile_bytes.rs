//! No bytes make the judge panic, and no damage to a block's body goes unnoticed.

mod common;

use bytes::Bytes;
use chain::{Chain, Network};
use common::{block, blocks};
use dash::{Dash, DashDialect};
use proptest::prelude::*;
use wire::{Dialect, Reader};

#[test]
fn no_single_bit_of_a_body_can_be_flipped_unnoticed() {
    let recorded = block("block_dip3_433.json");
    for offset in 80..recorded.bytes.len() {
        for bit in 0..8 {
            let mut bytes = recorded.bytes.to_vec();
            bytes[offset] ^= 1 << bit;
            let inspection = recorded.inspect(&bytes.into());
            assert!(!inspection.is_sound(), "bit {bit} of byte {offset}: {:?}", inspection.findings);
        }
    }
}

#[test]
fn every_byte_of_a_header_may_be_anything() {
    let recorded = block("block_coinbase_only.json");
    for offset in 0..80 {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let mut bytes = recorded.bytes.to_vec();
            bytes[offset] = value;
            assert!(recorded.inspect(&bytes.into()).block.is_some());
        }
    }
}

#[test]
fn no_beginning_of_a_block_is_sound() {
    let recorded = block("block_with_quorum_commitment_type6.json");
    for length in 0..recorded.bytes.len() {
        let inspection = recorded.inspect(&recorded.bytes.slice(..length));
        assert!(!inspection.is_sound() && !inspection.findings.is_empty(), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_do_no_harm(bytes: Vec<u8>, now: u32) {
        let bytes = Bytes::from(bytes);
        let inspection = Dash::new(Network::Mainnet).inspect(&bytes, now);
        prop_assert!(!inspection.is_sound());
        // What is read of a transaction ends where the bytes do, at the latest.
        let mut reader = Reader::new(&bytes);
        if DashDialect.skip_transaction(&mut reader).is_ok() {
            prop_assert!(reader.offset() <= bytes.len());
        }
    }

    #[test]
    fn random_bytes_behind_a_good_header_do_no_harm(body: Vec<u8>) {
        let recorded = block("block_coinbase_only.json");
        let bytes = [&recorded.bytes[..80], &body].concat().into();
        prop_assert!(!recorded.inspect(&bytes).is_sound());
    }

    #[test]
    fn any_recorded_block_can_be_cut_and_overwritten_anywhere(
        which in 0usize..7,
        at in any::<prop::sample::Index>(),
        cut in any::<Option<prop::sample::Index>>(),
        patch in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let recorded = blocks().swap_remove(which);
        let mut bytes = recorded.bytes.to_vec();
        let start = at.index(bytes.len());
        let end = (start + patch.len()).min(bytes.len());
        bytes[start..end].copy_from_slice(&patch[..end - start]);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let length = bytes.len();
        let inspection = recorded.inspect(&bytes.into());
        if cut.is_some() {
            prop_assert!(!inspection.is_sound());
        }
        if let Some(block) = inspection.block {
            prop_assert!(block.bytes.len() <= length, "nothing is ever added");
            prop_assert!(block.transactions.iter().all(|entry| entry.range().end <= block.bytes.len()));
        }
    }
}
