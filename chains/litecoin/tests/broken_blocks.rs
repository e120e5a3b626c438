//! What is wrong with a block is named as the daemon names it; what can be mended is mended.

mod common;

use bytes::Bytes;
use chain::{Chain, Network};
use common::{Recorded, block, blocks, coinbase, mined, tail, transaction, with_transactions};
use litecoin::{Litecoin, MAX_PAYLOAD, pow_hash};
use recordings::{
    checks,
    forge::{self, NONCE},
    laws,
};

/// The recording's cases that need no context, made again, with what the daemon said to them by RPC.
#[test]
fn findings_are_the_words_that_the_daemon_used_for_the_same_faults() {
    let sent = block("block_mweb_hogex_only.json");
    let made = |case: &str| match case {
        "bad merkle root (a coinbase byte flipped, header untouched)" => Some(sent.changed(|bytes| {
            // The last byte of the first output's value, so that the shape stays.
            bytes[80 + 1 + 6 + 41 + 6 + 4 + 7] ^= 1;
        })),
        other => forge::recorded_fault(&sent, other, pow_hash),
    };
    let mut compared = 0;
    for case in recordings::read("litecoin/relay_invalid_blocks.json")["cases"].as_array().expect("cases") {
        let Some(body) = case["submitblock_same_bytes"]["body"].as_str() else { continue };
        let Some(bytes) = made(case["case"].as_str().expect("a name")) else { continue };
        let verdict: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let (word, p2p) = match verdict["result"].as_str() {
            Some("duplicate") => ("trailing-bytes", true),
            Some("prev-blk-not-found") => ("", true),
            Some("time-too-new") => ("time-too-new", true),
            Some(word) => (word.split('(').next().expect("a word"), false),
            None => ("decode-failed", false),
        };
        let inspection = sent.inspect(&bytes);
        let found = checks(&inspection);
        assert_eq!(found.first().copied().unwrap_or_default(), word, "{case}");
        assert_eq!(inspection.is_sound(), p2p, "{found:?}");
        if p2p {
            assert_eq!(case["disconnected"], false, "what is sent to peers must not cost the connection");
        }
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[test]
fn trailing_bytes_are_cut_off_for_peers() {
    blocks().iter().for_each(laws::trailing_bytes_are_cut_off);
}

#[test]
fn a_list_with_its_end_repeated_is_seen_through() {
    let recorded = block("block_mweb_activation_432_pegin.json");
    let mut list = recorded.transactions();
    list.push(list[2].clone());
    let forged = with_transactions(&recorded, &list, &tail(&recorded));
    assert_eq!(forged[36..68], recorded.bytes[36..68], "the root is the same");
    let inspection = recorded.inspect(&forged);
    assert!(checks(&inspection).contains(&"bad-txns-duplicate"), "{:?}", inspection.findings);
}

#[test]
fn there_is_one_coinbase_and_it_comes_first() {
    let recorded = block("block_20tx_segwit.json");
    let list = recorded.transactions();
    let second = with_transactions(&recorded, &[list[0].clone(), list[0].clone()], &[]);
    assert_eq!(checks(&recorded.inspect(&second))[0], "bad-cb-multiple");
    let missing = with_transactions(&recorded, &list[1..], &[]);
    assert_eq!(checks(&recorded.inspect(&missing)), ["bad-cb-missing"]);
    let empty = mined([&recorded.bytes[..36], &[0; 32], &recorded.bytes[68..80], &[0]].concat());
    assert_eq!(checks(&recorded.inspect(&empty)), ["bad-cb-missing"]);
}

#[test]
fn a_coinbase_tells_its_height_in_the_shortest_form() {
    let recorded = block("block_coinbase_only.json");
    let checks = |script: &[u8]| {
        let bytes = with_transactions(&recorded, &[coinbase(script)], &[]);
        let inspection = recorded.inspect(&bytes);
        (checks(&inspection), inspection.block.expect("readable").height)
    };
    assert_eq!(checks(&[2, 0xb0, 1, 0]), (vec![], Some(432)));
    assert_eq!(checks(&[3, 0xb0, 1, 0]), (vec!["bad-cb-height"], None), "a digit too many");
    assert_eq!(checks(b"/pool/"), (vec!["bad-cb-height"], None));
    assert_eq!(checks(&[0x51]), (vec!["bad-cb-length"], Some(1)));
    assert_eq!(checks(&[&[0x51][..], &[0; 100]].concat()), (vec!["bad-cb-length"], Some(1)));
}

#[test]
fn what_no_peer_would_read_or_accept_for_its_size_is_named() {
    let recorded = block("block_coinbase_only.json");
    let check = |list: &[Bytes]| checks(&recorded.inspect(&with_transactions(&recorded, list, &[])));
    let coinbase = coinbase(&[0x51, 0]);
    assert_eq!(check(&[coinbase.clone(), transaction(&vec![0x6a; 1_000_000], None)]), ["bad-blk-length"]);
    assert_eq!(check(&[coinbase.clone(), transaction(&vec![0x6a; 999_000], None)]), [""; 0]);
    let heavy = transaction(&vec![0x6a; 999_000], Some(&[1; 10_000]));
    assert_eq!(check(&[coinbase.clone(), heavy]), ["unexpected-witness", "bad-blk-weight"]);

    laws::what_cannot_fit_is_not_read(&recorded, MAX_PAYLOAD);
}

#[test]
fn a_target_above_the_limit_is_not_worth_a_hash() {
    laws::a_target_above_the_limit_is_none(&block("litecoin_mainnet_2265985.json"));
}

#[test]
fn the_finding_of_a_high_hash_holds_target_and_hash() {
    let recorded = block("litecoin_mainnet_2265985.json");
    let inspection = recorded.inspect(&recorded.changed(|bytes| bytes[NONCE] ^= 1));
    let finding = &inspection.findings[0];
    assert_eq!(finding.check, "high-hash");
    assert!(
        finding.expected.ends_with("000000000000010ccd0000000000000000000000000000000000000000000000"),
        "{finding}"
    );
    assert_eq!(finding.found.len(), 64);
}

#[test]
fn the_past_is_judged_by_its_own_rules() {
    // Height 1,048,576 is below segwit's on mainnet: version 2 is fine there, and witnesses never are.
    let chain = Litecoin::new(Network::Mainnet);
    let old = block("block_coinbase_only.json");
    let bytes = with_transactions(&old, &[coinbase(&[3, 0, 0, 0x10]), transaction(&[0x51], Some(&[1]))], &[]);
    let bytes = Recorded { bytes, ..old }.changed(|bytes| bytes[..4].copy_from_slice(&[2, 0, 0, 0]));
    let found = checks(&chain.inspect(&bytes, u32::MAX));
    assert_eq!(
        found,
        ["bad-diffbits", "unexpected-witness"],
        "height 1,048,576: version 2 is fine, witnesses are not"
    );
}

#[test]
fn less_than_a_header_has_no_name() {
    laws::less_than_a_header_has_no_name(&Litecoin::new(Network::Regtest));
}
