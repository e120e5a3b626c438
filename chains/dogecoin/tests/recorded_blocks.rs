//! Blocks of the real network and of a real regtest daemon are read as their own nodes read them.

mod common;

use bytes::{Bytes, BytesMut};
use chain::{Chain, Network};
use common::blocks;
use dogecoin::{AuxPow, Dogecoin, DogecoinDialect, pow_hash};
use recordings::{checks, hex, laws, unhex};
use serde_json::Value;
use wire::{Message, Reader, sha256d};

#[test]
fn every_recorded_block_is_sound_and_its_canonical_form_is_itself() {
    blocks().iter().for_each(laws::a_recorded_block_is_sound);
}

#[test]
fn ids_heights_and_headers_are_the_nodes_own() {
    let mut with_headers = 0;
    for recorded in blocks() {
        laws::its_parts_are_the_nodes_own(&recorded);
        if let Some(header) = recorded.json.get("header_hex") {
            let mut written = BytesMut::new();
            recorded.header().write(&mut written);
            assert_eq!(hex(&written), *header, "{}: with the auxpow", recorded.name);
            with_headers += 1;
        }
    }
    assert_eq!(with_headers, 5);
}

#[test]
fn header_and_index_cover_the_block_without_a_gap() {
    for recorded in blocks() {
        let block = recorded.inspect(&recorded.bytes).block.expect("sound");
        let mut again = BytesMut::new();
        block.header.write(&mut again);
        again.extend_from_slice(&[u8::try_from(block.transactions.len()).expect("few")]);
        (0..block.transactions.len())
            .for_each(|index| again.extend_from_slice(&block.transaction(index).expect("in the index")));
        assert_eq!(again, recorded.bytes, "{}", recorded.name);
    }
}

#[test]
fn the_parts_of_an_auxpow_are_those_of_which_it_was_made() {
    let reversed = |hash: [u8; 32]| hex(&hash.into_iter().rev().collect::<Vec<u8>>());
    let mut compared = 0;
    for recorded in blocks() {
        let Some(parts) = recorded.json.get("auxpow_parts") else { continue };
        let header = recorded.header();
        let auxpow = AuxPow::of(&header).expect("merge-mined");
        assert_eq!(hex(header.extension()), recorded.json["submitauxblock_auxpow_hex"]);
        assert_eq!(hex(auxpow.coinbase()), parts["parent_coinbase_hex"]);
        assert_eq!(hex(auxpow.parent().fixed()), parts["parent_header_hex"]);
        assert_eq!(auxpow.parent_hash().to_string(), parts["parent_header_sha256d"]);
        assert_eq!(recorded.chain.parent_block(&header), Some(auxpow.parent_hash()));
        assert_eq!(reversed(pow_hash(auxpow.parent().fixed())), parts["parent_header_scrypt"]);
        for (branch, name) in [(auxpow.coinbase_branch(), "parent"), (auxpow.chain_branch(), "chain")] {
            let hashes: Vec<Value> = branch.hashes().map(|hash| hex(hash).into()).collect();
            assert_eq!(Value::from(hashes), parts[format!("{name}_merkle_branch")]);
            assert_eq!(Value::from(branch.index()), parts[format!("{name}_index")]);
        }
        let commitment = auxpow.commitment(&recorded.chain.block_hash(&header)).expect("a root");
        let (size, nonce) = commitment.size_and_nonce.expect("both");
        assert_eq!(Value::from(size), parts["chain_merkle_size"]);
        assert_eq!(Value::from(nonce), parts["chain_merkle_nonce"]);
        assert_eq!(reversed(commitment.root), parts["chain_merkle_root"]);
        compared += 1;
    }
    assert_eq!(compared, 2);
}

#[test]
fn the_first_merge_mined_block_of_mainnet_has_a_litecoin_block_for_a_parent() {
    let recorded = common::block("dogecoin_mainnet_371337.json");
    let auxpow = AuxPow::of(&recorded.header()).expect("merge-mined");
    assert_eq!(auxpow.parent().version(), 2);
    assert_eq!((auxpow.coinbase_branch().len(), auxpow.chain_branch().len()), (3, 3));
    // Litecoin block 638,789. What stands where its name belongs is its proof of work.
    assert_eq!(auxpow.coinbase_script().expect("an input")[..4], [3, 0x45, 0xbf, 9]);
    assert_eq!(*auxpow.named_block(), pow_hash(auxpow.parent().fixed()));
    let name = auxpow.parent_hash().to_string();
    assert_eq!(name, "45df41e40aba5b2a03d08bd1202a1c02ef3954d8aa22ea6c5ae62fd00f290ea9");
    let plain = common::block("block_20tx.json");
    assert_eq!(plain.chain.parent_block(&plain.header()), None);
}

/// protocol.md §5.2: regtest, two levels of tree, nonce 7, one level of coinbase branch. Made by hand from the rules.
const SYNTHETIC: &str = concat!(
    "04016200a573e91c1772076c0d40f70e4408c83a31705f296ae6e7629d4adcb5a360213dc31926670f3a38b4db9e2db309d2e0ad29ca2b66df1ab4fe06c4076253fd95a53ce6494dffff7f2000000000",
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff3003010203fabe6d6d9d99c0115bf5090df320abf0b36b3fb58f248098db87a633ec9ba4a35806",
    "41ed0400000007000000ffffffff010000000000000000015100000000000000000000000000000000000000000000000000000000000000000000000001cccccccccccccccccccccccccccccccccccc",
    "cccccccccccccccccccccccccccc0000000002aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "bbbbbb030000000000002000000000000000000000000000000000000000000000000000000000000000009f26f256c3a1472cbace495b39fdac4a8d27db1875f89e08a3abbacadf18baea3de6494df0",
    "ff0f1e000000000101000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0451515151ffffffff0100f2052a01000000015100000000",
);

#[test]
fn the_fact_sheet_s_synthetic_block_has_the_values_that_it_tells() {
    let bytes = unhex(SYNTHETIC);
    assert_eq!(bytes.len(), 80 + 327 + 66);
    let chain = Dogecoin::new(Network::Regtest);
    let inspection = chain.inspect(&bytes, u32::MAX);
    // Its coinbase begins with OP_1: it tells height 1, where nothing is merge-mined yet.
    assert_eq!(checks(&inspection), ["early-auxpow-block"]);
    let block = inspection.block.expect("readable");
    assert_eq!(block.hash.to_string(), "2cdcd0cbf4153c287be88d6f38cf7b193cc190184e7de8710db4b39fad52a505");
    assert_eq!(block.header.extension().len(), 327);
    assert_eq!(chain.check_work(&block.header), Ok(()));
    let auxpow = AuxPow::of(&block.header).expect("merge-mined");
    let txid = auxpow.coinbase_txid().to_string();
    assert_eq!(txid, "91deafb391c56b532cf37977dc41b51533a0eb80f1e49b546d61d6ea24c6fb25");
    let scrypt: Vec<u8> = pow_hash(auxpow.parent().fixed()).into_iter().rev().collect();
    assert_eq!(hex(&scrypt), "1b934f4df81195ee363bf4e9d507c53fc5c5e77703a79eedba4fbce3d5a38764");
    assert_eq!(auxpow.chain_branch().index(), 3);
}

/// Header, and proof-of-work hash, of the three genesis blocks. Their names are in the parameters.
const GENESIS: [(Network, &str, &str); 3] = [
    (
        Network::Mainnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000696ad20e2dd4365c7459b4a4a5af743d5e92c6da3229e6532cd605f6533f2a5b24a6a152f0ff0f1e67860100",
        "0000026f3f7874ca0c251314eaed2d2fcf83d7da3acfaacf59417d485310b448",
    ),
    (
        Network::Testnet,
        "010000000000000000000000000000000000000000000000000000000000000000000000696ad20e2dd4365c7459b4a4a5af743d5e92c6da3229e6532cd605f6533f2a5bb9a7f052f0ff0f1ef7390f00",
        "000006f85d58f35abaf699e775011c29304e122079153181b78534fbfd574ea7",
    ),
    (
        Network::Regtest,
        "010000000000000000000000000000000000000000000000000000000000000000000000696ad20e2dd4365c7459b4a4a5af743d5e92c6da3229e6532cd605f6533f2a5bdae5494dffff7f2002000000",
        "667b7aae14c3a8a5735184a7ad8bced86ec6340ef2cddedbda880bd5d1a6686a",
    ),
];

#[test]
fn the_genesis_blocks_have_their_names_and_their_work() {
    for (network, header, work) in GENESIS {
        let chain = Dogecoin::new(network);
        let header = laws::a_genesis_block_has_its_name_and_its_work(&chain, header);
        let hash: Vec<u8> = pow_hash(header.fixed()).into_iter().rev().collect();
        assert_eq!(hex(&hash), work);
        assert_eq!(
            header.merkle_root().to_string(),
            "5b2a3f53f605d62c53e62932dac6925e3d74afa5a4b459745c36d42d0ed26a69"
        );
    }
}

/// The messages of the recorded conversations with dogecoind.
fn messages() -> Vec<Bytes> {
    const FILES: [&str; 8] = [
        "announce_nothing_sent",
        "announce_sendcmpct_1_v1",
        "announce_sendcmpct_1_v2",
        "announce_sendheaders",
        "getaddr_addrv1",
        "handshake_inbound_full",
        "handshake_inbound_plain",
        "handshake_outbound_from_node",
    ];
    recordings::messages("dogecoin", &FILES)
}

#[test]
fn every_recorded_message_is_written_back_as_it_came() {
    let mut all = 0;
    for raw in messages() {
        laws::a_message_is_written_back(&raw, &DogecoinDialect);
        all += 1;
    }
    assert!(all >= 100, "{all} messages");
}

#[test]
fn announced_headers_carry_their_auxpow_and_have_their_work() {
    let chain = Dogecoin::new(Network::Regtest);
    let (mut merged, mut compact, mut all) = (0, 0, 0);
    for raw in messages() {
        let headers = match laws::decoded(&raw, &DogecoinDialect) {
            Message::Headers(headers) => headers,
            Message::CompactBlock(block) => {
                compact += 1;
                vec![block.header]
            }
            _ => continue,
        };
        for pair in headers.windows(2) {
            assert_eq!(pair[1].parent(), chain.block_hash(&pair[0]));
        }
        for header in &headers {
            assert_eq!(chain.check_work(header), Ok(()));
            assert_eq!(*chain.block_hash(header).as_wire(), sha256d(header.fixed()));
            merged += usize::from(AuxPow::of(header).is_some());
        }
        all += headers.len();
    }
    assert!(merged >= 9 && compact >= 6 && all >= 300, "{merged} of {all}, {compact} compact");
}

#[test]
fn an_auxpow_alone_is_what_submitauxblock_takes() {
    let recorded = common::block("block_auxpow_tree8_parent5tx.json");
    let bytes = unhex(recorded.json["submitauxblock_auxpow_hex"].as_str().expect("hex"));
    let mut reader = Reader::new(&bytes);
    let auxpow = AuxPow::read(&mut reader).expect("an auxpow");
    assert_eq!(reader.left(), 0);
    assert_eq!(Some(auxpow), AuxPow::of(&recorded.header()));
}
