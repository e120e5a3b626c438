//! What is wrong with a block is named as the daemon names it; what can be mended is mended.

mod common;

use bytes::{BufMut, Bytes};
use chain::{Chain, Inspection, Network};
use common::{
    Recorded, block, blocks, coinbase,
    draft::{Draft, Root},
    mined, transaction, with_transactions,
};
use dogecoin::{Dogecoin, MAX_PAYLOAD, pow_hash};
use recordings::{
    checks,
    forge::{self, BITS, NONCE, with_witness},
    laws,
};
use wire::Encode;

/// A block without auxpow of height 25, as the recorder made them.
fn plain() -> Recorded {
    let recorded = block("block_coinbase_only.json");
    let bytes = with_transactions(&recorded, &[coinbase(&[1, 25, 0])]);
    Recorded { bytes, ..recorded }
}

/// The recording's cases that need no context, made again, with what the daemon said to them by P2P and by RPC.
#[test]
fn findings_are_the_words_that_the_daemon_used_for_the_same_faults() {
    let sent = plain();
    let made = |case: &str| match case {
        "bad merkle root (a coinbase byte flipped, header untouched)" => Some(sent.changed(|bytes| {
            let length = bytes.len();
            bytes[length - 7] ^= 1;
        })),
        "wrong nBits" => {
            Some(sent.changed(|bytes| bytes[BITS..NONCE].copy_from_slice(&0x1e0f_fff0u32.to_le_bytes())))
        }
        "auxpow: parent header pow above the target" => {
            Some(Draft { worked: false, ..Draft::default() }.bytes())
        }
        "auxpow: parent coinbase commits to another hash" => {
            Some(Draft { root: Root::Other([1; 32]), ..Draft::default() }.bytes())
        }
        // Of the coins of the chain before, or of its times, which a block alone does not tell.
        "coinbase pays too much (merkle root and pow redone)" | "time too old" => None,
        other => Some(forge::recorded_fault(&sent, other, pow_hash).unwrap_or_else(|| panic!("{other}"))),
    };
    let mut compared = 0;
    for case in recordings::read("dogecoin/relay_invalid_blocks.json")["cases"].as_array().expect("cases") {
        let Some(bytes) = made(case["case"].as_str().expect("a name")) else { continue };
        if !case["via"].as_str().expect("a way").ends_with("unsolicited block message") {
            continue;
        }
        let inspection = sent.inspect(&bytes);
        let first = checks(&inspection).first().copied().unwrap_or_default();
        let lines = case["to_sender"].as_array().expect("lines").iter().filter_map(|line| line.as_str());
        let reason = |line: &str| Some(line.split_once("reason=")?.1.split_once(" data=")?.0.to_owned());
        let rejected = lines.filter(|line| line.contains("<- reject block")).find_map(reason);
        match (rejected.as_deref(), first) {
            // The daemon's one word for all that is wrong with the work.
            (Some("high-hash"), "high-hash" | "bad-diffbits") => {}
            (Some("high-hash"), "auxpow-parent-work" | "auxpow-commitment-missing") => {}
            (Some("error parsing message"), "decode-failed") => {}
            // Not the block's fault.
            (Some("bad-prevblk"), "") | (None, "trailing-bytes") => {}
            (word, first) => assert_eq!(word, Some(first), "{case}"),
        }
        let for_peers = ["trailing-bytes", "time-too-new", ""].contains(&first);
        assert_eq!(inspection.is_sound(), for_peers, "{first}");
        let banned = case["listbanned"].as_array().is_some_and(|list| !list.is_empty());
        assert!(
            !for_peers || (case["disconnected"] == false && !banned),
            "what is sent must not cost the connection"
        );
        compared += 1;
    }
    assert_eq!(compared, 20);
}

#[test]
fn trailing_bytes_are_cut_off_for_peers() {
    blocks().iter().for_each(laws::trailing_bytes_are_cut_off);
}

#[test]
fn a_list_with_its_end_repeated_is_seen_through() {
    let recorded = block("block_20tx.json");
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
    let recorded = block("block_20tx.json");
    let list = recorded.transactions();
    let twice = [list[0].clone(), list[0].clone()];
    let found = checks(&recorded.inspect(&with_transactions(&recorded, &twice)));
    assert_eq!(found, ["bad-txns-duplicate", "bad-cb-multiple"]);
    let missing = with_transactions(&recorded, &list[1..]);
    assert_eq!(checks(&recorded.inspect(&missing)), ["bad-cb-missing"]);
    let empty = mined([&recorded.bytes[..36], &[0; 32], &recorded.bytes[68..80], &[0]].concat());
    assert_eq!(checks(&recorded.inspect(&empty)), ["bad-cb-missing"]);
}

/// Judges a block of this coinbase script on a network, as of the time at which it was made. Regtest's target is too
/// easy elsewhere; what else was found is given.
fn on(network: Network, version: u32, script: &[u8]) -> (Vec<&'static str>, Option<u32>) {
    let recorded = block("block_coinbase_only.json");
    let mut bytes = with_transactions(&recorded, &[coinbase(script)]).to_vec();
    bytes[..4].copy_from_slice(&version.to_le_bytes());
    let inspection = Dogecoin::new(network).inspect(&mined(bytes), u32::MAX);
    let found = checks(&inspection).into_iter().filter(|&check| check != "bad-diffbits").collect();
    (found, inspection.block.expect("readable").height)
}

#[test]
fn a_coinbase_tells_its_height_in_the_shortest_form_where_that_is_a_rule() {
    let mainnet = |script: &[u8]| on(Network::Mainnet, 0x0062_0004, script);
    assert_eq!(mainnet(&[3, 0x40, 0x77, 0x5b]), (vec![], Some(5_994_304)));
    assert_eq!(mainnet(&[4, 0x40, 0x77, 0x5b, 0]), (vec!["bad-cb-height"], None), "a digit too many");
    assert_eq!(mainnet(b"/pool/"), (vec!["bad-cb-height"], None));
    assert_eq!(mainnet(&[0x51]), (vec!["bad-cb-length"], Some(1)));
    assert_eq!(mainnet(&[&[0x51][..], &[0; 100]].concat()), (vec!["bad-cb-length"], Some(1)));
    let regtest = |script: &[u8]| on(Network::Regtest, 0x0062_0004, script);
    assert_eq!(regtest(b"/pool/"), (vec![], None), "there it never is");
    assert_eq!(regtest(&[1, 25, 0]), (vec![], Some(25)));
}

#[test]
fn the_past_is_judged_by_its_own_rules() {
    let mainnet =
        |height: u32, version: u32| on(Network::Mainnet, version, &chain::transaction::height_push(height)).0;
    // Legacy versions end at 371,337, where auxpow begins.
    assert_eq!(mainnet(371_336, 1), [""; 0]);
    assert_eq!(mainnet(371_336, 2), [""; 0]);
    assert_eq!(mainnet(371_337, 1), ["late-legacy-block"]);
    assert_eq!(mainnet(371_337, 2), ["late-legacy-block"]);
    assert_eq!(mainnet(371_336, 0x0062_0002), [""; 0], "a chain id was never forbidden");
    assert_eq!(mainnet(371_337, 0x0062_0002), [""; 0]);
    assert_eq!(mainnet(371_337, 3), ["auxpow-chain-id"], "no legacy, and no id");
    assert_eq!(mainnet(371_336, 0x2000_0004), ["auxpow-chain-id"]);
    // Base versions: 3 from 1,034,383 on, 4 from 3,464,751 on.
    assert_eq!(mainnet(1_034_382, 0x0062_0002), [""; 0]);
    assert_eq!(mainnet(1_034_383, 0x0062_0002), ["bad-version"]);
    assert_eq!(mainnet(1_034_383, 0x0062_0003), [""; 0]);
    assert_eq!(mainnet(3_464_750, 0x0062_0003), [""; 0]);
    assert_eq!(mainnet(3_464_751, 0x0062_0003), ["bad-version"]);
    assert_eq!(mainnet(3_464_751, 0x0062_0004), [""; 0]);
    assert_eq!(mainnet(5_900_000, 1), ["late-legacy-block", "bad-version"]);
    let testnet =
        |height: u32, version: u32| on(Network::Testnet, version, &chain::transaction::height_push(height)).0;
    assert_eq!(testnet(5_900_000, 0x2000_0004), [""; 0], "any id");
    assert_eq!(testnet(158_100, 1), ["late-legacy-block"]);
}

#[test]
fn an_auxpow_before_its_time_is_named() {
    let early = |push: &[u8]| {
        let list = [coinbase(push)];
        let plain = with_transactions(&block("block_coinbase_only.json"), &list);
        let draft = Draft { header: plain.slice(..80), body: plain.slice(80..), ..Draft::default() };
        checks(&Dogecoin::new(Network::Regtest).inspect(&draft.bytes(), u32::MAX))
    };
    assert_eq!(early(&[1, 19, 0]), ["early-auxpow-block"]);
    assert_eq!(early(&[1, 20, 0]), [""; 0]);
    assert_eq!(early(&[0xff, 0]), [""; 0], "without a height it is new");
}

/// Judges a block of regtest with these transactions, at height 25.
fn judge(list: &[Bytes]) -> Inspection {
    let recorded = plain();
    recorded.inspect(&with_transactions(&recorded, &[&[coinbase(&[1, 25, 0])], list].concat()))
}

#[test]
fn no_transaction_may_have_a_witness() {
    let plain = transaction(&[0x51]);
    let with = |list: &[Bytes], merkle: &[Bytes]| {
        let recorded = block("block_coinbase_only.json");
        let mut bytes = with_transactions(&recorded, merkle)[..80].to_vec();
        bytes.put_compact_size(list.len() as u64);
        list.iter().for_each(|transaction| bytes.put_slice(transaction));
        recorded.inspect(&bytes.into())
    };
    let own = coinbase(&[1, 25, 0]);
    let names = [own.clone(), plain.clone()];
    let inspection = with(&[own.clone(), with_witness(&plain, &[&[1]])], &names);
    assert_eq!(checks(&inspection), ["unexpected-witness"]);
    assert_eq!(inspection.findings[0].found, "transaction 1 has one");
    let inspection = with(&[with_witness(&own, &[&[0; 32]]), plain.clone()], &names);
    assert_eq!(checks(&inspection), ["unexpected-witness"], "not even the coinbase");
    let inspection = with(&[own, with_witness(&plain, &[])], &names);
    assert_eq!(checks(&inspection), [""; 0], "a marker alone is read over, as the daemon does");
}

#[test]
fn what_no_peer_would_read_or_accept_for_its_size_is_named() {
    let sized = |length: usize| {
        let around = transaction(&vec![0; 70_000]).len() - 70_000;
        transaction(&vec![0x6a; length - around])
    };
    let own = 80 + 1 + coinbase(&[1, 25, 0]).len();
    assert_eq!(checks(&judge(&[sized(1_000_000 - own)])), [""; 0]);
    assert_eq!(judge(&[sized(1_000_000 - own)]).block.expect("sound").bytes.len(), 1_000_000);
    let inspection = judge(&[sized(1_000_001 - own)]);
    assert_eq!(checks(&inspection), ["bad-blk-length"]);
    assert_eq!(inspection.findings[0].found, "1000001");

    let recorded = plain();
    laws::what_cannot_fit_is_not_read(&recorded, MAX_PAYLOAD);
}

#[test]
fn the_auxpow_counts_for_the_size_and_its_witness_for_the_weight() {
    let regtest = Dogecoin::new(Network::Regtest);
    let found = |draft: &Draft| checks(&regtest.inspect(&draft.bytes(), u32::MAX));
    let small = Draft::default();
    // A huge coinbase: as many bytes of script as make 1,000,000 of the block, and one more.
    let filled = |extra: usize| {
        let length = 1_000_000 - small.bytes().len() - 4 + small.tail.len() + extra;
        Draft { tail: vec![b'x'; length], ..small.clone() }
    };
    assert_eq!(filled(0).bytes().len(), 1_000_000);
    assert_eq!(found(&filled(0)), [""; 0]);
    assert_eq!(found(&filled(1)), ["bad-blk-length"]);
    // Huge branches.
    let levels = |count: usize| Draft { coinbase_branch: vec![[1; 32]; count], ..small.clone() };
    assert_eq!(found(&levels(31_000)), [""; 0]);
    assert_eq!(found(&levels(31_245)), ["bad-blk-length"]);
    assert_eq!(
        found(&Draft { chain_branch: vec![[1; 32]; 31_000], ..small.clone() }),
        ["auxpow-chain-branch"]
    );
    let unread = regtest.inspect(&levels(31_251).bytes(), u32::MAX);
    assert_eq!(checks(&unread), ["decode-failed"]);
    assert!(unread.findings[0].found.contains("coinbase branch is 31251"), "{}", unread.findings[0]);
    // A witness of the parent's coinbase weighs a quarter of what other bytes do.
    let witness = |length: usize| Draft { witness: Some(vec![vec![1; length]]), ..small.clone() };
    assert_eq!(found(&witness(3_000_000)), [""; 0]);
    let rest = 4_000_000 - 4 * small.bytes().len();
    // The marker, the number of items and the item's length.
    assert_eq!(found(&witness(rest - 2 - 1 - 5)), [""; 0]);
    assert_eq!(found(&witness(rest - 2 - 1 - 4)), ["bad-blk-weight"]);
}

#[test]
fn a_target_above_the_limit_is_not_worth_a_hash() {
    for inspection in laws::a_target_above_the_limit_is_none(&block("dogecoin_mainnet_371337.json")) {
        // The block has another name now, and the parent worked for the old one.
        assert_eq!(checks(&inspection), ["bad-diffbits", "auxpow-commitment-missing"]);
    }
}

#[test]
fn less_than_a_header_has_no_name() {
    laws::less_than_a_header_has_no_name(&Dogecoin::new(Network::Regtest));
}
