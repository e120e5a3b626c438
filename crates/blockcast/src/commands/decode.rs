//! `blockcast decode --chain NAME FILE|-`: what the relay would say of a block, without a daemon.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use chain::{Chain, IndexedBlock, transaction};
use engine::rules;
use wire::{Dialect, Header, Reader};

use crate::cli::Decode;
use crate::view::block::{Canonical, Decoded};
use crate::view::{Style, finding};
use crate::{input, output};

pub(crate) fn run(args: &Decode) -> anyhow::Result<bool> {
    let chain = rules::rules(&args.chain, args.network)?;
    let block = input::read_block(&args.block)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut decoded = decode(&*chain, &block, u32::try_from(now).unwrap_or(u32::MAX));
    decoded.chain = args.chain.clone();
    decoded.network = args.network.to_string();
    if args.json {
        output::print_json(&decoded)?;
    } else {
        output::print(&decoded.render(Style::of_stdout()))?;
    }
    Ok(decoded.sound)
}

fn decode(chain: &dyn Chain, block: &Bytes, now: u32) -> Decoded {
    let inspection = chain.inspect(block, now);
    let sound = inspection.is_sound();
    let header = Header::read(&mut Reader::new(block), chain.dialect()).ok();
    let header = header.as_ref();
    Decoded {
        chain: String::new(),
        network: String::new(),
        hash: inspection.hash.map(|hash| hash.to_string()),
        version: header.map(Header::version),
        parent: header.map(|header| header.parent().to_string()),
        merged_with: header.and_then(|header| chain.parent_block(header)).map(|block| block.to_string()),
        merkle_root: header.map(|header| header.merkle_root().to_string()),
        time: header.map(Header::time),
        bits: header.map(|header| format!("{:08x}", header.bits())),
        nonce: header.map(Header::nonce),
        size: block.len(),
        canonical: inspection.block.as_ref().map(|canonical| Canonical {
            height: canonical.height,
            transactions: canonical.transactions.len(),
            size: canonical.bytes.len(),
            weight: weight(canonical, chain.dialect()),
            // One byte says only that there is none.
            tail: canonical.tail().len(),
            differs: canonical.bytes != block,
        }),
        sound,
        findings: inspection.findings.iter().map(finding::told).collect(),
    }
}

/// By this inventory type a block is asked for with its witnesses (BIP144).
const WITNESS_BLOCK: u32 = 0x4000_0002;

/// The weight by BIP141: four times what is hashed into a txid, once the witnesses. What a chain adds of its own
/// (Litecoin's HogEx has a byte of it) counts for nothing. A chain without witnesses has no weights.
fn weight(block: &IndexedBlock, dialect: &dyn Dialect) -> Option<usize> {
    if !dialect.inv_types().asks_for_block(WITNESS_BLOCK) {
        return None;
    }
    let count = if block.transactions.len() < 0xfd { 1 } else { 3 };
    let header = Header::LEN + block.header.extension().len();
    let mut weight = 4 * (header + count);
    for at in 0..block.transactions.len() {
        let bytes = block.transaction(at)?;
        let own_part = |_, reader: &mut Reader<'_>| reader.skip("presence of a part of its own", 1);
        let layout = transaction::scan(&mut Reader::new(&bytes), own_part).ok()?;
        weight += 4 * layout.stripped_len();
        if layout.has_witness() {
            weight += 2 + layout.witness.len();
        }
    }
    Some(weight)
}

#[cfg(test)]
mod tests {

    use chain::Network;

    use super::*;

    fn decode_as(chain: &str, network: Network, block: &Bytes) -> Decoded {
        let decoded = decode(&*rules::rules(chain, network).unwrap(), block, u32::MAX);
        Decoded { chain: chain.into(), network: network.to_string(), ..decoded }
    }

    #[test]
    fn recorded_blocks_have_the_weight_and_hash_that_their_node_told() {
        for file in ["block_mweb_hogex_only", "block_mweb_pegin2", "block_mweb_activation_432_pegin"] {
            let (block, json) = recordings::block(&format!("litecoin/{file}.json"));
            let told = &json["block_verbose2"];
            let decoded = decode_as("litecoin", Network::Regtest, &block);
            assert_eq!(decoded.hash.as_deref(), told["hash"].as_str(), "{file}");
            assert_eq!(decoded.bits.as_deref(), told["bits"].as_str(), "{file}");
            assert_eq!(decoded.merkle_root.as_deref(), told["merkleroot"].as_str(), "{file}");
            let canonical = decoded.canonical.unwrap();
            assert!(decoded.sound && canonical.tail > 0 && !canonical.differs, "{file}");
            assert_eq!(canonical.weight.unwrap() as u64, told["weight"].as_u64().unwrap(), "{file}");
            assert_eq!(u64::from(canonical.height.unwrap()), told["height"].as_u64().unwrap(), "{file}");
        }
    }

    #[test]
    fn a_sound_block_is_laid_out_like_this() {
        let (block, _) = recordings::block("litecoin/block_mweb_hogex_only.json");
        let expected = "\
SOUND  c43395daa411c159515316c2652a5ef416491b43e224b4ba98c761eef7b4afb5
  As far as the block alone can tell, a peer would take it.

  chain        litecoin regtest
  height       433, by its coinbase
  parent       8ea0537732ccaa29fb42ce69f476ec4979062244c5fb33887151629af741b2b4
  merkle root  fc3505df2d3f91fded3d69fadb19de4f544311d235c2ccac41ed802556845831
  time         2026-11-20 11:08:31 UTC (1795172911)
  bits         207fffff
  nonce        0
  version      0x20000000
  transactions 2
  size         516 bytes
  weight       1272
  tail         168 bytes behind the transactions
  peers get    the bytes as they are
";
        assert_eq!(decode_as("litecoin", Network::Regtest, &block).render(Style::default()), expected);
    }

    #[test]
    fn trailing_bytes_are_a_warning_and_peers_get_other_bytes() {
        let (block, _) = recordings::block("litecoin/block_mweb_hogex_only.json");
        let longer: Bytes = [&block[..], b"xyz"].concat().into();
        let decoded = decode_as("litecoin", Network::Regtest, &longer);
        assert!(decoded.sound);
        let canonical = decoded.canonical.as_ref().unwrap();
        assert!(canonical.differs && canonical.size == block.len() && decoded.size == block.len() + 3);
        let page = decoded.render(Style::default());
        assert!(page.contains(&format!("other bytes than these: {}, mended", block.len())), "{page}");
        assert!(page.contains("  warning  trailing-bytes\n           expected  a block of"), "{page}");
    }

    #[test]
    fn what_is_no_block_has_nothing_but_a_finding() {
        let decoded = decode_as("litecoin", Network::Mainnet, &Bytes::from_static(b"not a block"));
        assert!(!decoded.sound && decoded.hash.is_none() && decoded.canonical.is_none());
        let page = decoded.render(Style::default());
        assert!(page.starts_with("UNREADABLE  no block header\n"), "{page}");
        assert!(page.contains("error    decode-failed\n"), "{page}");
    }

    /// A Dash block of height 433, and its only transaction.
    fn dash_433() -> (Bytes, Bytes) {
        let (block, _) = recordings::block("dash/block_dip3_433.json");
        let coinbase = block.slice(81..);
        (block, coinbase)
    }

    #[test]
    fn recorded_dash_blocks_have_the_height_and_the_name_that_their_node_told_and_no_weight() {
        for file in [
            "block_coinbase_only",
            "block_20tx_pre_dip3",
            "block_dip3_first_432",
            "block_dip3_433",
            "block_with_quorum_commitment_type6",
            "block_20tx_dip3",
        ] {
            let (block, told) = recordings::block(&format!("dash/{file}.json"));
            let decoded = decode_as("dash", Network::Regtest, &block);
            assert!(decoded.sound && decoded.findings.is_empty(), "{file}");
            assert_eq!(decoded.hash.as_deref(), told["hash"].as_str(), "{file}");
            assert_eq!(decoded.parent.as_deref(), told["previousblockhash"].as_str(), "{file}");
            assert_eq!(decoded.merkle_root.as_deref(), told["merkleroot"].as_str(), "{file}");
            assert_eq!(decoded.bits.as_deref(), told["bits"].as_str(), "{file}");
            assert_eq!(Some(decoded.size as u64), told["size"].as_u64(), "{file}");
            let canonical = decoded.canonical.unwrap();
            assert_eq!(canonical.height.map(u64::from), told["height"].as_u64(), "{file}");
            assert_eq!(canonical.transactions, told["txids"].as_array().unwrap().len(), "{file}");
            assert_eq!((canonical.weight, canonical.tail, canonical.differs), (None, 0, false), "{file}");
        }
    }

    #[test]
    fn a_sound_dash_block_is_laid_out_like_this() {
        let (block, _) = dash_433();
        let expected = "\
SOUND  22318ad178d2308904ec061e817291f61590be32c5446d3ca7e7f053f8023ca7
  As far as the block alone can tell, a peer would take it.

  chain        dash regtest
  height       433, by its coinbase
  parent       3b1e9a147e7939b8f45cf9202166dcf67e0c9c7a03cd47de73ddd0d69a89459d
  merkle root  16576f75e77adb681d9d0d71e0ace9c7aa09a661fdd0f5cc0799af002b789796
  time         2026-11-20 11:31:23 UTC (1795174283)
  bits         207fffff
  nonce        0
  version      0x20000000
  transactions 1
  size         351 bytes
  peers get    the bytes as they are
";
        assert_eq!(decode_as("dash", Network::Regtest, &block).render(Style::default()), expected);
    }

    /// As a pool might hand them in that has not learnt what changed with DIP3. The root in the header is that of the
    /// transactions before the change, which is named as well.
    #[test]
    fn what_is_wrong_with_a_dash_transaction_is_named_with_what_was_expected_and_found() {
        let (recorded, coinbase) = dash_433();
        let block = |transactions: &[&[u8]]| -> Bytes {
            [&recorded[..80], &[transactions.len() as u8], &transactions.concat()].concat().into()
        };
        let spent = [&[7; 32][..], &[0; 4], &[0], &[0xff; 4]].concat();
        let nothing = [&[0; 32][..], &[0xff; 4]].concat();
        let paid = [&[1][..], &[0; 8], &[1, 0x51]].concat();
        // Version 2 without a type, and the height (433) in the script.
        let old = [&[2, 0, 0, 0, 1][..], &nothing, &[3, 2, 0xb1, 1], &[0xff; 4], &paid, &[0; 4]].concat();
        // Version 3 of type 1, a masternode's registration, whose payload has no bytes.
        let bare = [&[3, 0, 1, 0, 1][..], &spent, &paid, &[0; 4], &[0]].concat();
        // The payload's length, 175, is a byte of its own.
        let length = coinbase.len() - 176;
        assert_eq!(coinbase[length], 175);
        let with_length = |length_says: u8| {
            let mut coinbase = coinbase.to_vec();
            coinbase[length] = length_says;
            block(&[&coinbase])
        };
        let table = [
            (block(&[&old]), "bad-cb-type", "a coinbase of type 5 (from height 432 on)", "type 0"),
            (with_length(174), "bad-cbtx-payload", "the payload of a transaction of type 5", "174 bytes"),
            (with_length(176), "decode-failed", "transactions", "extra payload"),
            (block(&[&coinbase, &bare]), "bad-protx-payload", "of a transaction of type 1", "0 bytes"),
        ];
        for (block, check, expected, found) in table {
            let decoded = decode_as("dash", Network::Regtest, &block);
            assert!(!decoded.sound, "{check}");
            let finding = decoded.findings.iter().find(|finding| finding.check == check);
            let finding = finding.unwrap_or_else(|| panic!("{check}: {:?}", decoded.findings));
            assert!(finding.expected.contains(expected) && finding.found.contains(found), "{finding:?}");
            let page = decoded.render(Style::default());
            assert!(page.contains(&format!("  error    {check}\n           expected  ")), "{page}");
        }
    }

    #[test]
    fn recorded_dogecoin_blocks_are_sound_and_the_block_that_has_their_work_is_named() {
        for (file, merged) in [
            ("block_coinbase_only", false),
            ("block_20tx", false),
            ("block_auxpow_by_node", true),
            ("block_auxpow_simple", true),
            ("block_auxpow_tree8_parent5tx", true),
        ] {
            let (block, told) = recordings::block(&format!("dogecoin/{file}.json"));
            let decoded = decode_as("dogecoin", Network::Regtest, &block);
            assert!(decoded.sound && decoded.findings.is_empty(), "{file}");
            assert_eq!(decoded.hash.as_deref(), told["hash"].as_str(), "{file}");
            assert_eq!(decoded.parent.as_deref(), told["previousblockhash"].as_str(), "{file}");
            assert_eq!(decoded.merged_with.is_some(), merged, "{file}");
            if let Some(name) = told["auxpow_parts"]["parent_header_sha256d"].as_str() {
                assert_eq!(decoded.merged_with.as_deref(), Some(name), "{file}");
            }
            let canonical = decoded.canonical.unwrap();
            assert_eq!(canonical.height.map(u64::from), told["height"].as_u64(), "{file}");
            assert_eq!((canonical.weight, canonical.tail, canonical.differs), (None, 0, false), "{file}");
        }
    }

    #[test]
    fn a_sound_merge_mined_block_is_laid_out_like_this() {
        let (block, _) = recordings::block("dogecoin/block_auxpow_simple.json");
        let expected = "\
SOUND  5c0e495feb8fd266d00d8883b2fe574dffa75aff81ccf897ebed79b721ef51d0
  As far as the block alone can tell, a peer would take it.

  chain        dogecoin regtest
  height       152, by its coinbase
  parent       7ebdf43993515459e8c3713a208cc8d7ede124cf6a1d71f7b377b5b81f316a21
  mined with   9f99a3f18bb8c190cb91df8478ed69e585d48dfe1cb68d54758d7a5516c6f34e, which has its work
  merkle root  64191667ddad0e86912b6f95f45668a1895dff293c2bbb013e64e4cf5e7fe42a
  time         2026-11-20 11:18:12 UTC (1795173492)
  bits         207fffff
  nonce        0
  version      0x00620104
  transactions 1
  size         459 bytes
  peers get    the bytes as they are
";
        assert_eq!(decode_as("dogecoin", Network::Regtest, &block).render(Style::default()), expected);
    }

    /// As when a pool commits to another block than the one that it hands in. All else is as it has to be: the parent's
    /// merkle root is that of its changed coinbase, and it has the work.
    #[test]
    fn what_is_wrong_with_a_merge_mined_block_is_named_where_its_daemon_says_high_hash() {
        let (block, json) = recordings::block("dogecoin/block_auxpow_simple.json");
        let coinbase_len = json["auxpow_parts"]["parent_coinbase_hex"].as_str().unwrap().len() / 2;
        // The parent's header is the last of the auxpow, which stands behind a header as long.
        let parent = json["submitauxblock_auxpow_hex"].as_str().unwrap().len() / 2;
        let coinbase = Header::LEN..Header::LEN + coinbase_len;
        let mark = [0xfa, 0xbe, 0x6d, 0x6d];
        let root = block.windows(4).position(|four| four == mark).unwrap() + 4;
        let mut broken = block.to_vec();
        broken[root..root + 32].fill(0x5a);
        // The only transaction of the parent block.
        let merkle_root = wire::sha256d(&broken[coinbase]);
        broken[parent + 36..parent + 68].copy_from_slice(&merkle_root);
        let decoded = (0..=u8::MAX).map(|nonce| {
            broken[parent + 76] = nonce;
            decode_as("dogecoin", Network::Regtest, &broken.clone().into())
        });
        let has_work =
            |decoded: &Decoded| decoded.findings.iter().all(|one| one.check != "auxpow-parent-work");
        let decoded = decoded.into_iter().find(has_work).expect("every other nonce has the work");
        assert!(!decoded.sound);
        let finding = "  error    auxpow-commitment-missing
           expected  the chain tree's root 5c0e495feb8fd266d00d8883b2fe574dffa75aff81ccf897ebed79b721ef51d0 in the parent's coinbase
           found     5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a behind the mark, at byte 8
";
        let page = decoded.render(Style::default());
        assert!(page.ends_with(finding), "{page}");
        assert_eq!(decoded.findings.len(), 1, "and nothing else");
        assert!(decoded.merged_with.is_some(), "also of a block that is not sound");
    }
}
