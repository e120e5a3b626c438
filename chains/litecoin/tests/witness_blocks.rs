//! Blocks whose witnesses are missing, wrong, or not asked for.

mod common;

use bytes::{BufMut, Bytes};
use chain::{Chain, Network, merkle};
use common::{block, blocks, coinbase, transaction, with_transactions};
use litecoin::Litecoin;
use recordings::checks;
use wire::sha256d;

#[test]
fn a_missing_coinbase_witness_is_put_back() {
    let mut mended = 0;
    for recorded in blocks() {
        let first = &recorded.inspect(&recorded.bytes).block.expect("sound").transactions[0];
        let (start, end) = (first.range().start, first.range().end);
        let witness = &recorded.bytes[end - 38..end - 4];
        assert_eq!(witness[..2], [1, 32], "{}", recorded.name);
        if witness[2..] != [0; 32] {
            continue;
        }
        let stripped = [
            &recorded.bytes[..start + 4],
            &recorded.bytes[start + 6..end - 38],
            &recorded.bytes[end - 4..],
            b"and trailing bytes",
        ];
        let inspection = recorded.inspect(&stripped.concat().into());
        assert_eq!(checks(&inspection), ["trailing-bytes", "coinbase-witness-missing"], "{}", recorded.name);
        assert!(inspection.is_sound());
        let (block, whole) =
            (inspection.block.expect("sound"), recorded.inspect(&recorded.bytes).block.expect("sound"));
        assert_eq!(block.bytes, recorded.bytes, "{}", recorded.name);
        assert_eq!(block.transactions, whole.transactions, "{}", recorded.name);
        mended += 1;
    }
    assert!(mended >= 6, "{mended}");
}

#[test]
fn a_wrong_reserved_value_is_not_mended() {
    let recorded = block("block_coinbase_only.json");
    let end = recorded.bytes.len();
    let inspection = recorded.inspect(&recorded.changed(|bytes| bytes[end - 5] = 1));
    assert_eq!(checks(&inspection), ["bad-witness-merkle-match"]);
    let inspection = recorded.inspect(&recorded.changed(|bytes| {
        bytes.remove(end - 5);
        bytes[end - 37] = 31;
    }));
    assert_eq!(checks(&inspection), ["bad-witness-nonce-size"]);
}

#[test]
fn witnesses_without_commitment_are_unexpected() {
    let recorded = block("block_coinbase_only.json");
    let list = [coinbase(&[0x51, 0]), transaction(&[0x51], Some(&[1; 70]))];
    assert_eq!(checks(&recorded.inspect(&with_transactions(&recorded, &list, &[]))), ["unexpected-witness"]);
    let list = [coinbase(&[0x51, 0]), transaction(&[0x51], None)];
    assert_eq!(checks(&recorded.inspect(&with_transactions(&recorded, &list, &[]))), [""; 0]);
}

/// A coinbase that commits to these hashes, in this order, and has no witness.
fn committing(script: &[u8], commitments: &[[u8; 32]]) -> Bytes {
    let bytes = coinbase(script);
    let outputs_at = bytes.len() - 4 - 11;
    let mut committing = bytes[..outputs_at].to_vec();
    assert_eq!(bytes[outputs_at], 1, "one output");
    committing.put_u8(1 + commitments.len() as u8);
    committing.put_slice(&bytes[outputs_at + 1..bytes.len() - 4]);
    for commitment in commitments {
        committing.put_i64_le(0);
        committing.put_slice(&[38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]);
        committing.put_slice(commitment);
    }
    committing.put_u32_le(0);
    committing.into()
}

#[test]
fn of_several_commitments_the_last_counts() {
    let recorded = block("block_coinbase_only.json");
    // Alone in its block, a coinbase commits to a tree of one zero leaf.
    let right = sha256d(&[merkle::tree(vec![[0; 32]]).root, [0; 32]].concat());
    let check = |commitments: &[[u8; 32]]| {
        let bytes = with_transactions(&recorded, &[committing(&[0x51, 0], commitments)], &[]);
        checks(&recorded.inspect(&bytes))
    };
    assert_eq!(check(&[right]), ["coinbase-witness-missing"]);
    assert_eq!(check(&[[1; 32], right]), ["coinbase-witness-missing"]);
    assert_eq!(check(&[right, [1; 32]]), ["coinbase-witness-missing", "bad-witness-merkle-match"]);
}

#[test]
fn before_segwit_a_commitment_means_nothing() {
    let recorded = block("block_coinbase_only.json");
    // Height 1,048,576, which on mainnet is before segwit.
    let bytes = with_transactions(&recorded, &[committing(&[3, 0, 0, 0x10], &[[1; 32]])], &[]);
    let inspection = Litecoin::new(Network::Mainnet).inspect(&bytes, u32::MAX);
    assert_eq!(checks(&inspection), ["bad-diffbits"], "{:?}", inspection.findings);
    assert_eq!(inspection.block.expect("readable").bytes, bytes, "nothing is put in");
}
