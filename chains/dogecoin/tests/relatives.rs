//! A chain that is Dogecoin with other numbers is a file.

mod common;

use bytes::Bytes;
use chain::{Chain, Network, transaction::height_push};
use common::{block, coinbase, draft::Draft, with_transactions};
use dogecoin::{Dogecoin, Parameters, expected_index};
use recordings::checks;
use wire::{Header, Reader};

/// What protocol.md §8 says of a chain.
struct Relative {
    name: &'static str,
    file: &'static str,
    /// That of today.
    chain_id: u16,
    auxpow_height: u32,
    magic: u32,
    /// P2P and RPC.
    ports: (u16, u16),
    /// The beginning of its name.
    genesis: &'static str,
}

const BELLSCOIN: Relative = Relative {
    name: "bellscoin",
    file: include_str!("../relatives/bellscoin.toml"),
    chain_id: 16,
    auxpow_height: 144_000,
    magic: 0xc0c0_c0c0,
    ports: (19919, 19918),
    genesis: "e5be24df",
};

const PEPECOIN: Relative = Relative {
    name: "pepecoin",
    file: include_str!("../relatives/pepecoin.toml"),
    chain_id: 63,
    auxpow_height: 1_500,
    magic: 0xc0a0_f0e0,
    ports: (33874, 33873),
    genesis: "80fb01c1",
};

const DINGOCOIN: Relative = Relative {
    name: "dingocoin",
    file: include_str!("../relatives/dingocoin.toml"),
    chain_id: 50,
    auxpow_height: 7_500,
    magic: 0xc1c1_c1c1,
    ports: (33117, 34646),
    genesis: "1a91e3da",
};

const LUCKYCOIN: Relative = Relative {
    name: "luckycoin",
    file: include_str!("../relatives/luckycoin.toml"),
    chain_id: 0x2013,
    auxpow_height: 176_000,
    magic: 0xfbc0_b6db,
    ports: (9917, 9916),
    genesis: "9b7bce58",
};

const JUNKCOIN: Relative = Relative {
    name: "junkcoin",
    file: include_str!("../relatives/junkcoin.toml"),
    chain_id: 0x2020,
    auxpow_height: 173_000,
    magic: 0xfbc0_b6db,
    ports: (9771, 9770),
    genesis: "a2effa73",
};

const RELATIVES: [Relative; 5] = [BELLSCOIN, PEPECOIN, DINGOCOIN, LUCKYCOIN, JUNKCOIN];

/// The relative, with regtest's target, so that a test can mine for it.
fn easy(text: &str) -> Dogecoin {
    let mut parameters = Parameters::from_toml(text, Network::Mainnet).expect("a relative's file");
    parameters.network.pow_limit_bits = 0x207f_ffff;
    Dogecoin::try_from(parameters).expect("a limit")
}

/// A merge-mined block of this chain id, or a plain one, whose coinbase tells this height.
fn block_of(id: u16, height: u32, merged: bool) -> Bytes {
    let recorded = block("block_coinbase_only.json");
    let plain = with_transactions(&recorded, &[coinbase(&[&height_push(height)[..], &[0]].concat())]);
    let version = i32::from(id) << 16 | if merged { 0x0104 } else { 4 };
    let draft = Draft { version, header: plain.slice(..80), body: plain.slice(80..), ..Draft::default() };
    if merged { draft.bytes() } else { common::mined([&draft.own_header()[..], &draft.body].concat()) }
}

fn judge(chain: &Dogecoin, bytes: &Bytes) -> Vec<&'static str> {
    checks(&chain.inspect(bytes, u32::MAX))
}

fn header_of(bytes: &Bytes) -> Header {
    Header::read(&mut Reader::new(bytes), &dogecoin::DogecoinDialect).expect("a header")
}

#[test]
fn the_files_hold_what_is_known_and_nothing_else() {
    for relative in RELATIVES {
        let name = relative.name;
        let Parameters { network, rules, session } =
            Parameters::from_toml(relative.file, Network::Mainnet).expect(name);
        assert_eq!(
            (rules.chain_ids.at(None), rules.auxpow_height),
            (relative.chain_id, relative.auxpow_height)
        );
        assert_eq!(network.magic, relative.magic.to_be_bytes(), "{name}");
        assert_eq!((network.p2p_port, network.rpc_port), relative.ports, "{name}");
        assert!(network.genesis.to_string().starts_with(relative.genesis), "{name}");
        assert!(network.dns_seeds.is_empty() && session.compact_version.is_none(), "{name}");
        let unknown = [rules.legacy_end_height, rules.bip34_height, rules.bip65_height, rules.bip66_height];
        assert_eq!((unknown, rules.no_witnesses), ([None; 4], false), "{name}");
        for network in [Network::Testnet, Network::Regtest] {
            let error = Parameters::from_toml(relative.file, network).unwrap_err();
            assert_eq!(error.kind(), "network", "{name}");
        }
    }
}

#[test]
fn each_has_merge_mined_blocks_of_its_own_and_refuses_those_of_the_others() {
    for relative in RELATIVES {
        let (chain, name) = (easy(relative.file), relative.name);
        let new = relative.auxpow_height.max(265_000);
        assert_eq!(judge(&chain, &block_of(relative.chain_id, new, true)), [""; 0], "{name}");
        assert_eq!(
            judge(&chain, &block_of(relative.chain_id, new, false)),
            [""; 0],
            "{name}: without auxpow, too"
        );
        let first_id = chain.parameters().rules.chain_ids.at(Some(0));
        let early = judge(&chain, &block_of(first_id, relative.auxpow_height - 1, true));
        assert_eq!(early, ["early-auxpow-block"], "{name}");
        for other in RELATIVES.iter().filter(|other| other.name != name) {
            let bytes = block_of(other.chain_id, new, true);
            assert_eq!(judge(&chain, &bytes), ["auxpow-chain-id"], "{name} {}", other.name);
            // What tells a peer's chain where the magic does not: Bellscoin has Dogecoin's, two have Litecoin's.
            let finding = chain.check_work(&header_of(&bytes)).unwrap_err();
            assert_eq!(finding.check, "auxpow-chain-id", "{name} {}", other.name);
        }
    }
}

#[test]
fn dingocoin_left_dogecoin_s_id_at_265_000() {
    let chain = easy(DINGOCOIN.file);
    for merged in [true, false] {
        let found = |id, height| judge(&chain, &block_of(id, height, merged));
        assert_eq!(found(98, 264_999), [""; 0]);
        assert_eq!(found(50, 264_999), ["auxpow-chain-id"]);
        assert_eq!(found(98, 265_000), ["auxpow-chain-id"]);
        assert_eq!(found(50, 265_000), [""; 0]);
    }
    // A header does not tell its height: it may have either, as with its own daemon.
    for id in [98, 50] {
        assert_eq!(chain.check_work(&header_of(&block_of(id, 300_000, true))), Ok(()));
    }
    let finding = chain.check_work(&header_of(&block_of(63, 300_000, true))).unwrap_err();
    assert_eq!(finding.expected, "chain id 98 or 50");
    // Two chains with one genesis block: the ids of today tell them apart.
    let dogecoin = Dogecoin::new(Network::Mainnet);
    assert_eq!(chain.params().genesis, dogecoin.params().genesis);
    let finding = dogecoin.check_work(&header_of(&block_of(50, 300_000, true))).unwrap_err();
    assert_eq!(finding.check, "auxpow-chain-id");
}

#[test]
fn a_rule_of_which_nothing_is_known_is_not_checked() {
    let chain = easy(BELLSCOIN.file);
    let recorded = block("block_coinbase_only.json");
    let judge_plain = |script: &[u8], version: i32| {
        let mut bytes = with_transactions(&recorded, &[coinbase(script)]).to_vec();
        bytes[..4].copy_from_slice(&version.to_le_bytes());
        judge(&chain, &common::mined(bytes))
    };
    assert_eq!(judge_plain(b"/pool/", 0x0010_0001), [""; 0], "no height, an old base version");
    assert_eq!(judge_plain(&height_push(500_000), 1), [""; 0], "a legacy version");
    assert_eq!(judge_plain(&height_push(500_000), 3), ["auxpow-chain-id"]);
}

#[test]
fn a_parent_that_rolls_its_version_can_hit_an_id_above_0x2000() {
    let chain = easy(LUCKYCOIN.file);
    let sound = block_of(0x2013, 200_000, true);
    assert_eq!(judge(&chain, &sound), [""; 0]);
    let plain = Draft { version: 0x2013_0104, header: sound.slice(..80), ..Draft::default() };
    let body = sound.slice(80 + header_of(&sound).extension().len()..);
    let hit = Draft { parent_version: 0x2013_8000, body, ..plain };
    assert_eq!(judge(&chain, &hit.bytes()), ["auxpow-parent-chain-id"]);
    assert!(expected_index(0, 0x2013, 5).is_some());
}
