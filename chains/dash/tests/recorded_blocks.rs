//! Blocks of the real network and of a real regtest daemon are read as their own nodes read them.

mod common;

use bytes::Bytes;
use chain::{Chain, Network};
use common::blocks;
use dash::{Dash, DashDialect, Parameters, x11};
use recordings::{checks, hex, laws};
use wire::Message;

#[test]
fn every_recorded_block_is_sound_and_its_canonical_form_is_itself() {
    blocks().iter().for_each(laws::a_recorded_block_is_sound);
}

#[test]
fn ids_heights_and_headers_are_the_nodes_own() {
    for recorded in blocks() {
        laws::its_parts_are_the_nodes_own(&recorded);
        if let Some(header) = recorded.json.get("header_hex") {
            assert_eq!(hex(recorded.header().fixed()), *header, "{}", recorded.name);
        }
    }
}

#[test]
fn types_are_the_nodes_own() {
    let mut seen = [0; 7];
    for recorded in blocks() {
        let Some(types) = recorded.json.get("tx_types") else { continue };
        let block = recorded.inspect(&recorded.bytes).block.expect("sound");
        for (index, entry) in types.as_array().expect("a list").iter().enumerate() {
            let bytes = block.transaction(index).expect("in the index");
            let kind = u16::from_le_bytes([bytes[2], bytes[3]]);
            assert_eq!(Some(u64::from(kind)), entry[1].as_u64(), "{}", recorded.name);
            seen[usize::from(kind)] += 1;
        }
    }
    assert_eq!(seen, [1 + 20 + 20 + 1, 1, 0, 0, 0, 4 + 3, 3 + 3], "transactions of each type");
}

#[test]
fn the_index_covers_the_block_without_a_gap() {
    for recorded in blocks() {
        let block = recorded.inspect(&recorded.bytes).block.expect("sound");
        let first = block.transactions.first().expect("a coinbase").offset as usize;
        let mut again = block.bytes[..first].to_vec();
        (0..block.transactions.len())
            .for_each(|index| again.extend(block.transaction(index).expect("in the index")));
        assert_eq!(again, recorded.bytes, "{}", recorded.name);
    }
}

/// The first headers of mainnet, testnet and regtest. Their names are in the parameters.
const GENESIS: [(Network, &str); 3] = [
    (
        Network::Mainnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000c762a6567f3cc092f0684bb62b7e00a84890b990f07cc71a6bb58d64b98e02e0022ddb52f0ff0f1ec23fb901",
    ),
    (
        Network::Testnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000c762a6567f3cc092f0684bb62b7e00a84890b990f07cc71a6bb58d64b98e02e0dee1e352f0ff0f1ec3c927e6",
    ),
    (
        Network::Regtest,
        "010000000000000000000000000000000000000000000000000000000000000000000000c762a6567f3cc092f0684bb62b7e00a84890b990f07cc71a6bb58d64b98e02e0b9968054ffff7f20ffba1000",
    ),
];

#[test]
fn the_genesis_blocks_have_their_names_and_their_work() {
    for (network, header) in GENESIS {
        let chain = Dash::new(network);
        let header = laws::a_genesis_block_has_its_name_and_its_work(&chain, header);
        assert_eq!(chain.block_hash(&header).as_wire(), &x11::hash(header.fixed()));
    }
    let devnet = Dash::try_from(Parameters::devnet()).expect("a limit");
    assert_eq!(devnet.params().genesis, Dash::new(Network::Regtest).params().genesis);
}

/// The messages of the recorded conversations with dashd.
fn messages() -> Vec<Bytes> {
    const FILES: [&str; 12] = [
        "announce_nothing_sent",
        "announce_sendcmpct_1_v1",
        "announce_sendheaders",
        "announce_sendheaders2",
        "getaddr_addrv1",
        "getaddr_addrv2",
        "handshake_inbound_full",
        "handshake_inbound_headers_compressed",
        "handshake_inbound_plain",
        "handshake_inbound_pv70230",
        "handshake_outbound_from_node",
        "headers2_and_mnlistdiff",
    ];
    recordings::messages("dash", &FILES)
}

#[test]
fn every_recorded_message_is_written_back_as_it_came() {
    let (mut all, mut compact_blocks) = (0, 0);
    for raw in messages() {
        let message = laws::a_message_is_written_back(&raw, &DashDialect);
        compact_blocks += usize::from(matches!(message, Message::CompactBlock(_)));
        all += 1;
    }
    assert!(all >= 100 && compact_blocks >= 3, "{all} messages, {compact_blocks} compact blocks");
}

#[test]
fn the_recorded_chain_of_headers_hangs_together_by_x11() {
    let chain = Dash::new(Network::Regtest);
    let mut lists = 0;
    for raw in messages() {
        let Message::Headers(headers) = laws::decoded(&raw, &DashDialect) else { continue };
        for pair in headers.windows(2) {
            assert_eq!(pair[1].parent(), chain.block_hash(&pair[0]));
            assert_eq!(chain.check_work(&pair[0]), Ok(()));
        }
        lists += usize::from(headers.len() >= 500);
    }
    assert!(lists >= 3, "{lists} lists of 500 headers or more");
}

#[test]
fn of_the_old_and_the_new_rules_each_block_is_judged_by_its_own() {
    // The same bytes are wrong on a network whose heights are others: what was a coinbase before DIP3 is none behind it.
    for recorded in blocks().into_iter().filter(|recorded| recorded.name.starts_with("dash/")) {
        let devnet = Dash::try_from(Parameters::devnet()).expect("a limit");
        let found = checks(&devnet.inspect(&recorded.bytes, u32::MAX));
        let expected: &[&str] = if recorded.name.contains("pre_dip3") { &["bad-cb-type"] } else { &[] };
        assert_eq!(found, expected, "{}", recorded.name);
        let found = checks(&Dash::new(Network::Mainnet).inspect(&recorded.bytes, u32::MAX));
        let special = recorded.json["height"].as_u64() >= Some(432);
        let expected: &[&str] = if special { &["bad-diffbits", "bad-tx-type"] } else { &["bad-diffbits"] };
        assert_eq!(found, expected, "{}", recorded.name);
    }
}
