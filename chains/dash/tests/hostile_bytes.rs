//! No bytes make the judge panic, and no damage to a block's body goes unnoticed.

mod common;

use std::sync::LazyLock;

use bytes::Bytes;
use chain::{Chain, Network};
use common::{Recorded, block, blocks};
use dash::{Dash, DashDialect};
use proptest::{collection::vec, prelude::*, sample::Index};
use recordings::laws;
use wire::{Dialect, Reader};

#[test]
fn no_single_bit_of_a_body_can_be_flipped_unnoticed() {
    laws::no_bit_of_a_body_can_be_flipped(&block("block_dip3_433.json"));
}

#[test]
fn every_byte_of_a_header_may_be_anything() {
    laws::every_byte_of_a_header_may_be_anything(&block("block_coinbase_only.json"), |_| false);
}

#[test]
fn no_beginning_of_a_block_is_sound() {
    laws::no_beginning_is_sound(&block("block_with_quorum_commitment_type6.json"));
}

static BLOCKS: LazyLock<Vec<Recorded>> = LazyLock::new(blocks);

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
        which in any::<Index>(),
        at in any::<Index>(),
        cut in any::<Option<Index>>(),
        patch in vec(any::<u8>(), 0..12),
    ) {
        let recorded = which.get(&BLOCKS);
        let length = recorded.bytes.len();
        let cut = cut.map(|cut| cut.index(length));
        laws::damage_is_withstood(recorded, (at.index(length), &patch), cut, 0);
    }
}
