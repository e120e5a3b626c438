//! Blocks whose MWEB part is missing, wrong, or announced by the wrong transaction.

mod common;

use bytes::{BufMut, Bytes};
use common::{block, coinbase, tail, transaction, with_transactions};
use recordings::checks;
use wire::Encode;

#[test]
fn the_hogex_and_the_mweb_part_belong_together() {
    let recorded = block("block_mweb_hogex_only.json");
    let (list, tail) = (recorded.transactions(), tail(&recorded));
    let hogex = &list[1];
    assert_eq!(hogex[4..6], [0, 8]);
    let check =
        |list: &[Bytes], tail: &[u8]| checks(&recorded.inspect(&with_transactions(&recorded, list, tail)));
    // With the root redone, the coinbase's commitment still holds: it does not cover the coinbase, and the HogEx stays.
    let pair = [list[0].clone(), hogex.clone()];
    assert_eq!(check(&pair, &tail), [""; 0]);
    assert_eq!(check(&pair, &[]), ["mweb-missing"]);
    assert_eq!(check(&pair, &[0]), ["mweb-missing"]);

    let mut other_height = tail.to_vec();
    other_height[2] ^= 1;
    assert_eq!(check(&pair, &other_height), ["mweb-hash-mismatch", "mweb-height-mismatch"]);
    let mut other_root = tail.to_vec();
    other_root[10] ^= 1;
    assert_eq!(check(&pair, &other_root), ["mweb-hash-mismatch"]);

    let unmarked: Bytes =
        [&hogex[..4], &hogex[6..hogex.len() - 5], &hogex[hogex.len() - 4..]].concat().into();
    assert_eq!(check(&[list[0].clone(), unmarked], &[]), ["hogex-missing"]);

    let first_marked = [list[0].clone(), hogex.clone(), hogex.clone()];
    assert!(check(&first_marked, &tail).contains(&"bad-hogex-position"));

    let script_at = hogex.len() - 5 - 34;
    assert_eq!(hogex[script_at..script_at + 2], [0x58, 0x20]);
    let mut elsewhere = hogex.to_vec();
    elsewhere[script_at] = 0x59;
    assert!(check(&[list[0].clone(), elsewhere.into()], &tail).contains(&"bad-hogex"));

    // One input of MWEB's own inside a transaction: offsets, no inputs, no outputs, one kernel without features.
    let body = [&[1][..], &[0; 64], &[0, 0, 1, 0], &[0; 97]].concat();
    let carrier = [&hogex[..hogex.len() - 5], &body, &[0; 4]].concat();
    assert_eq!(check(&[list[0].clone(), carrier.into()], &[])[0], "unexpected-mweb-data");
}

#[test]
fn a_mainnet_block_of_today_without_hogex_lacks_its_mweb_part() {
    let recorded = block("litecoin_mainnet_2265985.json");
    let list = recorded.transactions();
    let mut bytes = recorded.bytes[..80].to_vec();
    bytes.put_compact_size(list.len() as u64 - 1);
    list[..list.len() - 1].iter().for_each(|transaction| bytes.put_slice(transaction));
    let found = checks(&recorded.inspect(&bytes.into()));
    assert_eq!(found, ["bad-txnmrklroot", "bad-witness-merkle-match", "mweb-missing"]);
}

/// A transaction marked as HogEx.
fn marked(transaction: &[u8]) -> Bytes {
    let (head, lock_time) = transaction.split_at(transaction.len() - 4);
    [&head[..4], &[0, 8], &head[4..], &[0], lock_time].concat().into()
}

#[test]
fn a_coinbase_alone_announces_no_mweb_part() {
    let recorded = block("block_coinbase_only.json");
    let check =
        |list: &[Bytes], tail: &[u8]| checks(&recorded.inspect(&with_transactions(&recorded, list, tail)));
    // The daemon looks for a part only behind two transactions or more, so what follows is not one.
    let mweb = tail(&block("block_mweb_hogex_only.json"));
    assert_eq!(check(&[marked(&coinbase(&[0x51, 0]))], &mweb), ["trailing-bytes", "mweb-missing"]);

    // A coinbase may pay to what looks like an MWEB header.
    let alone = coinbase(&[0x51, 0]);
    let script_at = alone.len() - 4 - 2;
    let paying = [&alone[..script_at], &[34, 0x58, 0x20], &[9; 32], &[0; 4]].concat();
    assert_eq!(check(&[paying.into()], &[]), [""; 0]);
}

#[test]
fn a_hogex_without_outputs_is_not_a_transaction() {
    let recorded = block("block_coinbase_only.json");
    let spending = transaction(&[0x51], None);
    // Behind version, one input of 41 bytes with its count: no outputs.
    let hogex = marked(&[&spending[..4 + 42], &[0], &[0; 4]].concat());
    let mut bytes = recorded.bytes[..80].to_vec();
    bytes.put_compact_size(2);
    bytes.put_slice(&coinbase(&[0x51, 0]));
    bytes.put_slice(&hogex);
    let inspection = recorded.inspect(&bytes.into());
    assert_eq!(checks(&inspection), ["decode-failed"]);
    assert!(inspection.findings[0].found.contains("no outputs"), "{}", inspection.findings[0]);
}
