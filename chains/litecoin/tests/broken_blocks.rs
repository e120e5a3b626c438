//! What is wrong with a block is named as the daemon names it; what can be mended is mended.

mod common;

use bytes::{BufMut, Bytes};
use chain::{Chain, Network, Severity};
use common::{
    BITS, NONCE, Recorded, TIME, block, blocks, changed, checks, coinbase, mined, recording, tail, time_of,
    transaction, transactions, unhex, with_transactions,
};
use litecoin::{Litecoin, MAX_PAYLOAD};
use wire::Encode;

/// The recording's cases that need no context, made again, with what the daemon said to them by RPC.
#[test]
fn findings_are_the_words_that_the_daemon_used_for_the_same_faults() {
    let sent = block("block_mweb_hogex_only.json");
    let made = |case: &str| match case {
        "bad merkle root (a coinbase byte flipped, header untouched)" => changed(&sent, |bytes| {
            // The last byte of the first output's value, so that the shape stays.
            bytes[80 + 1 + 6 + 41 + 6 + 4 + 7] ^= 1;
        }),
        "proof of work above the target (nonce changed)" => {
            let chain = Litecoin::new(Network::Regtest);
            let tries =
                (0u32..).map(|nonce| changed(&sent, |b| b[NONCE..80].copy_from_slice(&nonce.to_le_bytes())));
            let high = |bytes: &Bytes| {
                chain.check_work(&wire::Header::new(bytes[..80].try_into().expect("80 bytes"))).is_err()
            };
            tries.into_iter().find(high).expect("half of all nonces")
        }
        "time 4 h in the future" => mined(
            changed(&sent, |bytes| {
                let time = time_of(bytes) + 4 * 3600;
                bytes[TIME..BITS].copy_from_slice(&time.to_le_bytes());
            })
            .to_vec(),
        ),
        "block version 1" => {
            mined(changed(&sent, |bytes| bytes[..4].copy_from_slice(&[1, 0, 0, 0])).to_vec())
        }
        "block cut 10 bytes short" => sent.bytes.slice(..sent.bytes.len() - 10),
        "10 extra zero bytes behind the block" => changed(&sent, |bytes| bytes.put_bytes(0, 10)),
        "unknown parent (random prev hash, valid pow)" => {
            mined(changed(&sent, |bytes| bytes[4] ^= 1).to_vec())
        }
        _ => Bytes::new(),
    };
    let mut compared = 0;
    for case in recording("litecoin/relay_invalid_blocks.json")["cases"].as_array().expect("cases") {
        let Some(body) = case["submitblock_same_bytes"]["body"].as_str() else { continue };
        let bytes = made(case["case"].as_str().expect("a name"));
        if bytes.is_empty() {
            continue;
        }
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
    for recorded in blocks() {
        for extra in [&[0][..], &[1], &[0; 10], b"whatever else a pool may put there"] {
            let inspection = recorded.inspect(&changed(&recorded, |bytes| bytes.put_slice(extra)));
            assert_eq!(checks(&inspection), ["trailing-bytes"], "{}", recorded.name);
            assert!(inspection.is_sound());
            assert_eq!(inspection.block.expect("sound").bytes, recorded.bytes);
        }
    }
}

#[test]
fn a_list_with_its_end_repeated_is_seen_through() {
    let recorded = block("block_mweb_activation_432_pegin.json");
    let mut list = transactions(&recorded);
    list.push(list[2].clone());
    let forged = with_transactions(&recorded, &list, &tail(&recorded));
    assert_eq!(forged[36..68], recorded.bytes[36..68], "the root is the same");
    let inspection = recorded.inspect(&forged);
    assert!(checks(&inspection).contains(&"bad-txns-duplicate"), "{:?}", inspection.findings);
}

#[test]
fn there_is_one_coinbase_and_it_comes_first() {
    let recorded = block("block_20tx_segwit.json");
    let list = transactions(&recorded);
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

    let mut many = recorded.bytes[..80].to_vec();
    many.put_compact_size(100_000);
    many.resize(80 + 5 + 1_000_000, 0);
    assert_eq!(checks(&recorded.inspect(&many.into())), ["bad-blk-length"]);

    let huge = changed(&recorded, |bytes| bytes.resize(MAX_PAYLOAD + 1, 0));
    let inspection = recorded.inspect(&huge);
    assert_eq!(checks(&inspection), ["bad-blk-length"]);
    assert!(inspection.block.is_none() && inspection.hash.is_some());
}

#[test]
fn a_target_above_the_limit_is_not_worth_a_hash() {
    let recorded = block("litecoin_mainnet_2265985.json");
    for (bits, why) in [(0x1e10_0000u32, "which is 0000100000"), (0, "zero"), (0x1e80_0001, "negative")] {
        let bytes = changed(&recorded, |bytes| bytes[BITS..NONCE].copy_from_slice(&bits.to_le_bytes()));
        let inspection = recorded.inspect(&bytes);
        let finding = &inspection.findings[0];
        assert_eq!((finding.check, finding.severity), ("bad-diffbits", Severity::Error));
        assert!(finding.found.contains(why), "{finding}");
    }
}

#[test]
fn the_finding_of_a_high_hash_holds_target_and_hash() {
    let recorded = block("litecoin_mainnet_2265985.json");
    let inspection = recorded.inspect(&changed(&recorded, |bytes| bytes[NONCE] ^= 1));
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
    let bytes = changed(&Recorded { bytes, ..old }, |bytes| bytes[..4].copy_from_slice(&[2, 0, 0, 0]));
    let found = checks(&chain.inspect(&bytes, u32::MAX));
    assert_eq!(
        found,
        ["bad-diffbits", "unexpected-witness"],
        "height 1,048,576: version 2 is fine, witnesses are not"
    );
}

#[test]
fn less_than_a_header_has_no_name() {
    let chain = Litecoin::new(Network::Regtest);
    for bytes in [Bytes::new(), unhex("00"), Bytes::from(vec![0; 79])] {
        let inspection = chain.inspect(&bytes, 0);
        assert_eq!(checks(&inspection), ["decode-failed"]);
        assert!(inspection.hash.is_none() && inspection.block.is_none());
    }
}
