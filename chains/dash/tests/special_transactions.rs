//! Transactions with types: what the coinbase and the others must be from DIP3 on (height 432 on regtest).

mod common;

use bytes::{BufMut, Bytes};
use common::{Draft, Recorded, block, coinbase, coinbase_payload, modern_coinbase, with_transactions};
use recordings::checks;

fn regtest() -> Recorded {
    block("block_dip3_433.json")
}

/// The checks that fail in a block of these transactions.
fn found(list: &[Bytes]) -> Vec<&'static str> {
    let recorded = regtest();
    checks(&recorded.inspect(&with_transactions(&recorded, list)))
}

/// The checks that fail in a block of height 433 with this transaction behind its coinbase.
fn found_with(draft: Draft<'_>) -> Vec<&'static str> {
    found(&[modern_coinbase(433), draft.bytes()])
}

#[test]
fn a_coinbase_of_the_old_form_is_not_one_any_more() {
    let height = |list: &[Bytes]| {
        let recorded = regtest();
        recorded.inspect(&with_transactions(&recorded, list)).block.expect("readable").height
    };
    // 431 and 432, in the script.
    let (before, first) = ([2, 0xaf, 1], [2, 0xb0, 1]);
    assert_eq!(found(&[coinbase(2, 0, &before, None)]), [""; 0]);
    assert_eq!(height(&[coinbase(2, 0, &before, None)]), Some(431));
    assert_eq!(found(&[coinbase(2, 0, &first, None)]), ["bad-cb-type"]);
    assert_eq!(height(&[coinbase(2, 0, &first, None)]), Some(432));
    // One that tells no height at all is taken to be new.
    assert_eq!(found(&[coinbase(2, 0, b"/pool/", None)]), ["bad-cb-type"]);
    assert_eq!(height(&[coinbase(2, 0, b"/pool/", None)]), None);
    assert_eq!(found(&[coinbase(3, 0, &first, None)]), ["bad-cb-type", "bad-txns-cb-type"]);
    assert_eq!(found(&[coinbase(2, 5, &first, None)]), ["bad-txns-type"]);
}

#[test]
fn the_payload_tells_the_height_and_the_script_need_not() {
    let recorded = regtest();
    for script in [&[0x6a][..], &[2, 0xaf, 1], b"/pool/"] {
        let bytes =
            with_transactions(&recorded, &[coinbase(3, 5, script, Some(&coinbase_payload(3, 77_777)))]);
        let inspection = recorded.inspect(&bytes);
        assert_eq!(inspection.findings, []);
        assert_eq!(inspection.block.expect("sound").height, Some(77_777));
    }
    let with_script = |script: &[u8]| found(&[coinbase(3, 5, script, Some(&coinbase_payload(3, 433)))]);
    assert_eq!(with_script(&[]), ["bad-cb-length"]);
    assert_eq!(with_script(&[0; 100]), [""; 0]);
    assert_eq!(with_script(&[0; 101]), ["bad-cb-length"]);
    assert_eq!(found(&[coinbase(2, 0, &[0x51], None)]), ["bad-cb-length"], "two bytes before DIP3");
}

#[test]
fn a_coinbase_payload_is_complete_and_of_its_time() {
    let with_payload = |payload: &[u8]| found(&[coinbase(3, 5, &[0x6a], Some(payload))]);
    let whole = coinbase_payload(3, 433);
    assert_eq!(with_payload(&whole), [""; 0]);
    assert_eq!(with_payload(&[]), ["bad-cbtx-payload"]);
    assert_eq!(with_payload(&whole[..whole.len() - 1]), ["bad-cbtx-payload"]);
    assert_eq!(with_payload(&[&whole[..], &[0]].concat()), ["bad-cbtx-payload"]);
    for version in [0, 1, 2, 4] {
        assert_eq!(with_payload(&coinbase_payload(version, 433)), ["bad-cbtx-version"], "{version}");
    }
    assert_eq!(with_payload(&coinbase_payload(3, -1)), ["bad-cbtx-height"]);
    let mut far = whole;
    far[2 + 4 + 64] = 1;
    assert_eq!(with_payload(&far), ["bad-cbtx-cldiff"], "a distance to no ChainLock");
    far[2 + 4 + 64 + 1] = 0xc0;
    assert_eq!(with_payload(&far), [""; 0]);
}

#[test]
fn before_dip3_there_are_no_types() {
    let old = coinbase(2, 0, &[2, 0xaf, 1], None);
    let special = Draft { version: 3, kind: 8, payload: Some(&[1, 0]), ..Draft::PLAIN }.bytes();
    assert_eq!(found(&[old.clone(), special]), ["bad-tx-type"]);
    assert_eq!(found(&[modern_coinbase(431)]), ["bad-cb-height", "bad-tx-type"], "the script has to tell it");
    // Without version 3 a type meant nothing, and no payload follows.
    assert_eq!(found(&[old, Draft { version: 2, kind: 8, ..Draft::PLAIN }.bytes()]), [""; 0]);
}

#[test]
fn a_type_is_known_and_has_its_version() {
    assert_eq!(found_with(Draft { version: 3, ..Draft::PLAIN }), [""; 0]);
    assert_eq!(found_with(Draft { version: -1, ..Draft::PLAIN }), [""; 0]);
    assert_eq!(found_with(Draft { kind: 1, ..Draft::PLAIN }), ["bad-txns-type"]);
    let unknown = Draft { version: 3, kind: 10, payload: Some(&[1]), ..Draft::PLAIN };
    assert_eq!(found_with(unknown), ["bad-txns-type"]);
    let spends = Draft { version: 3, kind: 5, payload: Some(&coinbase_payload(3, 433)), ..Draft::PLAIN };
    assert_eq!(found_with(spends), ["bad-cbtx-invalid"]);
}

#[test]
fn a_type_without_its_payload_is_named() {
    let cases = [
        (1, "bad-protx-payload"),
        (2, "bad-protx-payload"),
        (3, "bad-protx-payload"),
        (4, "bad-protx-payload"),
        (6, "bad-qc-payload"),
        (7, "bad-mnhf-payload"),
        (8, "bad-assetlocktx-payload"),
        (9, "bad-assetunlocktx-payload"),
    ];
    for (kind, check) in cases {
        assert_eq!(found_with(Draft { version: 3, kind, payload: Some(&[]), ..Draft::PLAIN }), [check]);
        let short = Draft { version: 3, kind, payload: Some(&[1]), ..Draft::PLAIN };
        assert_eq!(found_with(short), [check]);
    }
    for (kind, payload) in [(1, vec![2; 200]), (7, vec![1; 130]), (8, vec![1, 0]), (9, vec![1; 145])] {
        let whole = Draft { version: 3, kind, payload: Some(&payload), ..Draft::PLAIN };
        assert_eq!(found_with(whole), [""; 0], "{kind}");
    }
}

#[test]
fn a_payload_whose_length_is_wrong_is_no_payload() {
    let recorded = regtest();
    let transactions = recorded.transactions();
    // The recorded coinbase's payload is 175 bytes long, which is one byte's worth of length.
    let length = transactions[0].len() - 176;
    assert_eq!(transactions[0][length], 175);
    let with_length = |byte: u8| {
        let mut coinbase = transactions[0].to_vec();
        coinbase[length] = byte;
        found(&[coinbase.into()])
    };
    assert_eq!(with_length(175), [""; 0]);
    assert_eq!(with_length(176), ["decode-failed"]);
    assert_eq!(with_length(0xfd), ["decode-failed"]);
    // What the length leaves behind are bytes behind the block; the root, which was made of them too, tells of it.
    assert_eq!(with_length(174), ["trailing-bytes", "bad-txnmrklroot", "bad-cbtx-payload"]);
}

#[test]
fn what_is_missing_or_too_much_of_a_transaction_is_named() {
    let bare = |kind: u16, inputs: usize, outputs: usize, payload: usize| {
        let payload = vec![1; payload];
        found_with(Draft {
            version: 3,
            kind,
            inputs,
            outputs,
            payload: (kind != 0).then_some(&payload),
            ..Draft::PLAIN
        })
    };
    assert_eq!(bare(0, 0, 1, 0), ["bad-txns-vin-empty"]);
    assert_eq!(bare(0, 1, 0, 0), ["bad-txns-vout-empty"]);
    assert_eq!(bare(8, 0, 0, 0)[..2], ["bad-txns-vin-empty", "bad-txns-vout-empty"]);
    assert_eq!(bare(7, 0, 0, 130), [""; 0]);
    assert_eq!(bare(9, 0, 1, 145), [""; 0]);
    assert_eq!(bare(9, 0, 0, 145), ["bad-txns-vout-empty"]);
    assert_eq!(bare(1, 1, 1, 10_000), [""; 0]);
    assert_eq!(bare(1, 1, 1, 10_001), ["bad-txns-payload-oversize"]);
}

#[test]
fn quorum_commitments_are_those_of_the_block() {
    let recorded = block("block_with_quorum_commitment_type6.json");
    let list = recorded.transactions();
    let payload = list[1].len() - 317;
    assert_eq!(list[1][payload..payload + 6], [1, 0, 0xba, 1, 0, 0], "version 1, height 442");
    let found = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = list.clone();
        let mut bytes = list[1].to_vec();
        change(&mut bytes);
        changed[1] = bytes.into();
        checks(&recorded.inspect(&with_transactions(&recorded, &changed)))
    };
    assert_eq!(found(&|_| {}), [""; 0]);
    assert_eq!(found(&|bytes| bytes[payload] = 2), ["bad-qc-version"]);
    assert_eq!(found(&|bytes| bytes[payload + 2] ^= 1), ["bad-qc-height"]);
    // The commitment's own version decides whether an index follows.
    assert_eq!(found(&|bytes| bytes[payload + 6] = 4), ["bad-qc-payload"]);
    // Three signers have three bits.
    assert_eq!(found(&|bytes| bytes[payload + 42] = 8), ["bad-qc-payload"]);
    assert_eq!(found(&|bytes| bytes[payload + 42] = 7), [""; 0]);
}

#[test]
fn of_many_transactions_with_the_same_fault_the_first_is_described() {
    let recorded = regtest();
    let mut list = vec![modern_coinbase(433)];
    let mut script = Vec::new();
    for number in 0..1000u32 {
        script.clear();
        script.put_u32_le(number);
        list.push(Draft { version: 3, kind: 77, payload: Some(&script), ..Draft::PLAIN }.bytes());
    }
    let inspection = recorded.inspect(&with_transactions(&recorded, &list));
    assert_eq!(checks(&inspection), ["bad-txns-type"]);
    let found = &inspection.findings[0].found;
    assert_eq!(found, "type 77 in transaction 1, and 999 more transactions like it");
}
