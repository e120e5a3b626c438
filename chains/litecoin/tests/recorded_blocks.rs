//! Blocks of real networks and of a real regtest daemon are read as their own nodes read them.

mod common;

use chain::{Chain, Network};
use common::blocks;
use litecoin::{Litecoin, pow_hash};
use recordings::{checks, forge::time_of, hex, laws, unhex};

#[test]
fn every_recorded_block_is_sound_and_its_canonical_form_is_itself() {
    blocks().iter().for_each(laws::a_recorded_block_is_sound);
}

#[test]
fn ids_heights_and_headers_are_the_nodes_own() {
    let (mut with_txids, mut with_wtxids, mut with_heights) = (0, 0, 0);
    for recorded in blocks() {
        let block = recorded.inspect(&recorded.bytes).block.expect("sound");
        if let Some(key) = ["txids", "tx"].into_iter().find(|key| recorded.json.get(key).is_some()) {
            let txids: Vec<String> = block.transactions.iter().map(|entry| entry.txid.to_string()).collect();
            assert_eq!(txids, recorded.strings(key), "{}", recorded.name);
            with_txids += 1;
        }
        if recorded.json.get("wtxids").is_some() {
            let wtxids: Vec<String> =
                block.transactions.iter().map(|entry| entry.wtxid.to_string()).collect();
            assert_eq!(wtxids, recorded.strings("wtxids"), "{}", recorded.name);
            with_wtxids += 1;
        }
        if let Some(height) = recorded.json.get("height") {
            assert_eq!(block.height.map(u64::from), height.as_u64(), "{}", recorded.name);
            with_heights += 1;
        }
        if let Some(header) = recorded.json.get("header_hex") {
            assert_eq!(hex(block.header.fixed()), *header, "{}", recorded.name);
        }
    }
    assert!(
        with_txids >= 7 && with_wtxids >= 4 && with_heights >= 7,
        "{with_txids} {with_wtxids} {with_heights}"
    );
}

#[test]
fn the_index_and_the_tail_cover_the_block_without_a_gap() {
    for recorded in blocks() {
        let block = recorded.inspect(&recorded.bytes).block.expect("sound");
        let first = block.transactions.first().expect("a coinbase").offset as usize;
        let mut again = block.bytes[..first].to_vec();
        (0..block.transactions.len())
            .for_each(|index| again.extend(block.transaction(index).expect("in the index")));
        let tail = block.tail();
        again.extend_from_slice(&tail);
        assert_eq!(again, recorded.bytes, "{}", recorded.name);
        assert_eq!(tail.is_empty(), !recorded.name.contains("mweb") && !recorded.name.contains("mainnet/"));
    }
}

#[test]
fn only_the_form_with_mweb_part_goes_to_peers() {
    let json = recordings::read("litecoin/block_mweb_432_three_serializations.json");
    let chain = Litecoin::new(Network::Regtest);
    let inspect = |key: &str| {
        let bytes = unhex(json[key].as_str().expect("hex"));
        let inspection = chain.inspect(&bytes, time_of(&bytes));
        assert_eq!(inspection.hash.expect("a header").to_string(), json["hash"]);
        inspection
    };
    assert!(inspect("MSG_MWEB_BLOCK_0x60000002").is_sound());

    let without_mweb = inspect("MSG_WITNESS_BLOCK_0x40000002");
    assert_eq!(checks(&without_mweb), ["hogex-missing"]);
    assert!(!without_mweb.is_sound());

    let without_witness = inspect("MSG_BLOCK_0x00000002");
    assert_eq!(
        checks(&without_witness),
        ["coinbase-witness-missing", "bad-witness-merkle-match", "hogex-missing"]
    );
    assert!(!without_witness.is_sound());
}

/// Header, block id and proof-of-work hash of the three genesis blocks.
const GENESIS: [(Network, &str, &str); 3] = [
    (
        Network::Mainnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97b9aa8e4ef0ff0f1ecd513f7c",
        "0000050c34a64b415b6b15b37f2216634b5b1669cb9a2e38d76f7213b0671e00",
    ),
    (
        Network::Testnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97f60ba158f0ff0f1ee1790400",
        "000006cc0225c4b4c387604dd670b1ff4b95af0f46f86bef805c0d085b60de64",
    ),
    (
        Network::Regtest,
        "010000000000000000000000000000000000000000000000000000000000000000000000d9ced4ed1130f7b7faad9be25323ffafa33232a17c3edf6cfd97bee6bafbdd97dae5494dffff7f2000000000",
        "5adbca3495032eb0f2344f78ad238a3abb56d335b1680f5c289276e0d25a3479",
    ),
];

#[test]
fn the_genesis_blocks_have_their_names_and_their_work() {
    for (network, header, work) in GENESIS {
        let chain = Litecoin::new(network);
        let header = laws::a_genesis_block_has_its_name_and_its_work(&chain, header);
        let hash: Vec<u8> = pow_hash(header.fixed()).into_iter().rev().collect();
        assert_eq!(hex(&hash), work);
    }
}
