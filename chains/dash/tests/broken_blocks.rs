//! What is wrong with a block is named as the daemon names it; what can be mended is mended.

mod common;

use bytes::Bytes;
use chain::{Chain, Network};
use common::{Draft, Recorded, block, blocks, coinbase, mined, modern_coinbase, with_transactions};
use dash::{Dash, MAX_PAYLOAD, x11};
use recordings::{
    checks,
    forge::{self, NONCE},
    laws,
};

/// dashd 23.1.2 was given these faults (20 November 2026, regtest). The words are what `submitblock` said to the same
/// bytes; the flag is whether the peer that had pushed them unasked was cut off.
#[test]
fn findings_are_the_words_that_the_daemon_used_for_the_same_faults() {
    let sent = block("block_dip3_433.json");
    let coinbase_value = 80 + 1 + 4 + 1 + 36 + 1 + 1 + 4 + 1 + 7;
    let fault = |case| forge::recorded_fault(&sent, case, x11::hash).expect("a case");
    let cases = [
        ("bad-txnmrklroot", true, sent.changed(|bytes| bytes[coinbase_value] ^= 1)),
        ("high-hash", true, fault("proof of work above the target (nonce changed)")),
        ("time-too-new", false, fault("time 4 h in the future")),
        ("bad-version(0x00000001)", true, fault("block version 1")),
        ("Block decode failed", false, fault("block cut 10 bytes short")),
        ("duplicate", false, fault("10 extra zero bytes behind the block")),
        ("prev-blk-not-found", false, fault("unknown parent (random prev hash, valid pow)")),
    ];
    for (verdict, cut_off, bytes) in cases {
        let (expected, sound): (&[&str], bool) = match verdict {
            "Block decode failed" => (&["decode-failed"], false),
            // What trails is cut off, and an unknown parent is no fault of the block's.
            "duplicate" => (&["trailing-bytes"], true),
            "prev-blk-not-found" => (&[], true),
            "time-too-new" => (&["time-too-new"], true),
            "bad-version(0x00000001)" => (&["bad-version"], false),
            word => (&[word], false),
        };
        let inspection = sent.inspect(&bytes);
        assert_eq!(checks(&inspection), expected);
        assert_eq!(inspection.is_sound(), sound, "{verdict}");
        assert!(!(sound && cut_off), "what is sent to peers must not cost the connection: {verdict}");
    }
}

#[test]
fn trailing_bytes_are_cut_off_for_peers() {
    blocks().iter().for_each(laws::trailing_bytes_are_cut_off);
}

#[test]
fn a_list_with_its_end_repeated_is_seen_through() {
    let recorded = block("block_20tx_dip3.json");
    let mut list = recorded.transactions();
    list.truncate(3);
    let honest = with_transactions(&recorded, &list);
    list.push(list[2].clone());
    let forged = with_transactions(&recorded, &list);
    assert_eq!(forged[36..68], honest[36..68], "the root is the same");
    assert_eq!(checks(&recorded.inspect(&honest)), [""; 0]);
    assert_eq!(checks(&recorded.inspect(&forged)), ["bad-txns-duplicate"]);
}

#[test]
fn there_is_one_coinbase_and_it_comes_first() {
    let recorded = block("block_20tx_dip3.json");
    let list = recorded.transactions();
    let twice = [list[0].clone(), list[0].clone()];
    assert_eq!(checks(&recorded.inspect(&with_transactions(&recorded, &twice)))[0], "bad-cb-multiple");
    let missing = with_transactions(&recorded, &list[1..]);
    assert_eq!(checks(&recorded.inspect(&missing)), ["bad-cb-missing"]);
    let empty = mined([&recorded.bytes[..36], &[0; 32], &recorded.bytes[68..80], &[0]].concat());
    assert_eq!(checks(&recorded.inspect(&empty)), ["bad-cb-missing"]);
}

#[test]
fn what_no_peer_would_read_or_accept_for_its_size_is_named() {
    let recorded = block("block_dip3_433.json");
    let check = |list: &[Bytes]| checks(&recorded.inspect(&with_transactions(&recorded, list)));
    let sized = |script: usize| Draft { script: &vec![0x6a; script], ..Draft::PLAIN }.bytes();
    // 4 + 1 + 41 + 1 + 8 + 5 + 4 bytes around the script.
    let largest = sized(100_000 - 64);
    assert_eq!(largest.len(), 100_000);
    assert_eq!(check(&[modern_coinbase(433), largest.clone()]), [""; 0]);
    assert_eq!(check(&[modern_coinbase(433), sized(100_001 - 64)]), ["bad-txns-oversize"]);
    let mut list = vec![modern_coinbase(433)];
    list.extend((0..19).map(|_| largest.clone()));
    // 80 + 1 bytes of header and count, and the last transaction fills the block.
    let used: usize = 81 + list.iter().map(Bytes::len).sum::<usize>();
    list.push(sized(2_000_000 - used - 64));
    assert_eq!(list.iter().map(Bytes::len).sum::<usize>() + 81, 2_000_000);
    assert!(!check(&list).contains(&"bad-blk-length"));
    list[20] = sized(2_000_001 - used - 64);
    assert!(check(&list).contains(&"bad-blk-length"));

    laws::what_cannot_fit_is_not_read(&recorded, MAX_PAYLOAD);
}

#[test]
fn a_target_above_the_limit_is_no_target() {
    laws::a_target_above_the_limit_is_none(&block("dash_mainnet_844898.json"));
}

#[test]
fn the_finding_of_a_high_hash_holds_target_and_hash() {
    let recorded = block("dash_mainnet_844898.json");
    let inspection = recorded.inspect(&recorded.changed(|bytes| bytes[NONCE] ^= 1));
    let finding = &inspection.findings[0];
    assert_eq!(finding.check, "high-hash");
    assert!(
        finding.expected.ends_with("000000000000003f732300000000000000000000000000000000000000000000"),
        "{finding}"
    );
    assert_eq!(finding.found, inspection.hash.expect("a header").to_string());
}

#[test]
fn the_past_is_judged_by_its_own_rules() {
    let mainnet = Dash::new(Network::Mainnet);
    let old = block("block_coinbase_only.json");
    let found = |script: &[u8], version: u8, others: &[Bytes]| {
        let list = [&[coinbase(1, 0, script, None)], others].concat();
        let bytes = with_transactions(&old, &list);
        let recorded = Recorded { bytes, ..block("block_coinbase_only.json") };
        let bytes = recorded.changed(|bytes| bytes[..4].copy_from_slice(&[version, 0, 0, 0]));
        let mut found = checks(&mainnet.inspect(&bytes, u32::MAX));
        assert_eq!(found.remove(0), "bad-diffbits", "regtest's target is not mainnet's");
        found
    };
    // 950 and 951; 245,816 and 245,817; 619,381 and 619,382.
    assert_eq!(found(&[2, 0xb6, 3], 1, &[]), [""; 0]);
    assert_eq!(found(&[2, 0xb7, 3], 1, &[]), ["bad-version"]);
    assert_eq!(found(&[3, 0x38, 0xc0, 3], 2, &[]), [""; 0]);
    assert_eq!(found(&[3, 0x39, 0xc0, 3], 2, &[]), ["bad-version"]);
    assert_eq!(found(&[3, 0x75, 0x73, 9], 3, &[]), [""; 0]);
    assert_eq!(found(&[3, 0x76, 0x73, 9], 3, &[]), ["bad-version"]);
    // DIP1, at 782,208, lets blocks grow and transactions shrink.
    let large = Draft { script: &[0x6a; 200_000], ..Draft::PLAIN }.bytes();
    assert_eq!(found(&[3, 0x7f, 0xef, 11], 4, std::slice::from_ref(&large)), [""; 0]);
    assert_eq!(found(&[3, 0x80, 0xef, 11], 4, std::slice::from_ref(&large)), ["bad-txns-oversize"]);
    assert_eq!(found(&[3, 0x7f, 0xef, 11], 4, &vec![large; 5]), ["bad-txns-duplicate", "bad-blk-length"]);
    // A height in too many bytes; and one that is the coinbase's own business from DIP3 on, or before BIP34.
    assert_eq!(found(&[4, 0x7f, 0xef, 11, 0], 4, &[]), ["bad-cb-height"]);
    assert_eq!(found(&[2, 1, 0], 1, &[]), [""; 0]);
}

#[test]
fn less_than_a_header_has_no_name() {
    laws::less_than_a_header_has_no_name(&Dash::new(Network::Regtest));
}
