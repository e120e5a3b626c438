//! Each rule of merged mining, broken alone: everything that depends on what was broken is made anew, and the parent is
//! mined again. Exactly that rule is named then.

mod common;

use bytes::Bytes;
use chain::{Chain, Network, Severity};
use common::draft::{Draft, Root};
use dogecoin::{AuxPow, Dogecoin, MARK};
use proptest::{collection::vec, prelude::*};
use recordings::{checks, hex};
use wire::{Header, Reader};

/// Later than every block that is made here.
const NOW: u32 = u32::MAX;

fn regtest() -> Dogecoin {
    Dogecoin::new(Network::Regtest)
}

fn header_of(block: &Bytes) -> Header {
    Header::read(&mut Reader::new(block), regtest().dialect()).expect("a header and an auxpow")
}

/// What is wrong with a drafted block; that its header alone is judged the same is checked on the way.
fn faults(draft: &Draft) -> Vec<&'static str> {
    let bytes = draft.bytes();
    let inspection = regtest().inspect(&bytes, NOW);
    assert!(inspection.findings.iter().all(|finding| finding.severity == Severity::Error));
    assert!(
        inspection.findings.iter().all(|finding| !finding.expected.is_empty() && !finding.found.is_empty())
    );
    let of_header = regtest().check_work(&header_of(&bytes)).err().map(|finding| finding.check);
    let found = checks(&inspection);
    assert_eq!(of_header, found.first().copied());
    assert_eq!(inspection.block.expect("it can be read all the same").bytes, bytes);
    found
}

/// Ways to make a sound merge-mined block.
fn drafts() -> impl Strategy<Value = Draft> {
    let script = (vec(any::<u8>(), 0..=20), any::<bool>(), vec(any::<u8>(), 0..40), any::<u32>());
    let branches = (vec(any::<[u8; 32]>(), 0..14), vec(any::<[u8; 32]>(), 0..=30));
    let parent =
        (any::<i32>().prop_filter("another chain", |version| version >> 16 != 98), any::<[u8; 32]>());
    let coinbase = (prop::option::of(vec(vec(any::<u8>(), 0..40), 0..3)), 0usize..4);
    (script, branches, parent, coinbase).prop_map(
        |(
            (head, marked, tail, nonce),
            (coinbase_branch, chain_branch),
            (parent_version, named_block),
            coinbase,
        )| Draft {
            head,
            mark: if marked { MARK.to_vec() } else { vec![] },
            tail,
            nonce,
            coinbase_branch,
            chain_branch,
            parent_version,
            named_block,
            witness: coinbase.0,
            outputs: coinbase.1,
            ..Draft::default()
        },
    )
}

/// A rule's finding, and a way to break that rule and no other. `None` where a block cannot break it so.
type Break = (&'static str, fn(Draft, u32) -> Option<Draft>);

const BREAKS: [Break; 22] = [
    // The place in the tree follows from the id, and the parent must not have it.
    ("auxpow-chain-id", |draft, random| {
        let id = (random & 0x7fff) as i32;
        (id != 98 && id != draft.parent_version >> 16)
            .then_some(Draft { version: id << 16 | 0x0104, ..draft })
    }),
    // The parent's merkle root is that to which the branch leads from there.
    ("auxpow-coinbase-index", |draft, random| {
        Some(Draft { coinbase_index: (random | 1 << 20) as i32 & 0x7fff_ffff, ..draft })
    }),
    // The index alone.
    ("auxpow-coinbase-index", |draft, random| {
        let root = header_of(&draft.bytes());
        let parent_root = Some(*AuxPow::of(&root)?.parent().merkle_root().as_wire());
        Some(Draft { coinbase_index: !(random as i32 & 0xffff), parent_root, ..draft })
    }),
    ("auxpow-parent-chain-id", |draft, random| {
        Some(Draft { parent_version: 98 << 16 | (random & 0xffff) as i32, ..draft })
    }),
    ("auxpow-chain-branch", |draft, random| {
        Some(Draft { chain_branch: vec![[random as u8; 32]; 31], ..draft })
    }),
    // A tree whose size cannot be written down: what follows from the size is not asked.
    ("auxpow-chain-branch", |draft, random| {
        Some(Draft { chain_branch: vec![[7; 32]; 32 + random as usize % 100], ..draft })
    }),
    ("auxpow-coinbase-branch", |draft, random| {
        Some(Draft { parent_root: Some([random as u8; 32]), ..draft })
    }),
    ("auxpow-coinbase-inputs", |draft, _| Some(Draft { has_input: false, witness: None, ..draft })),
    ("auxpow-commitment-missing", |draft, random| {
        Some(Draft { root: Root::Other([random as u8; 32]), ..draft })
    }),
    ("auxpow-commitment-missing", |draft, _| Some(Draft { root: Root::NotReversed, ..draft })),
    // The mark twice: before, behind, and both right behind one another.
    ("auxpow-commitment-repeated", |draft, _| {
        Some(Draft { head: [&[1, 2][..], &MARK, &[3]].concat(), mark: MARK.to_vec(), ..draft })
    }),
    ("auxpow-commitment-repeated", |draft, _| {
        Some(Draft { tail: MARK.to_vec(), mark: MARK.to_vec(), ..draft })
    }),
    ("auxpow-commitment-repeated", |draft, _| Some(Draft { mark: [MARK, MARK].concat(), ..draft })),
    ("auxpow-commitment-position", |draft, random| {
        Some(Draft { mark: MARK.to_vec(), gap: vec![random as u8 | 1], ..draft })
    }),
    // A mark that stands behind the root is in the wrong place as well.
    ("auxpow-commitment-position", |draft, _| {
        Some(Draft { mark: vec![], head: vec![], tail: MARK.to_vec(), ..draft })
    }),
    ("auxpow-commitment-position", |draft, random| {
        Some(Draft { mark: vec![], head: vec![0; 21 + random as usize % 40], ..draft })
    }),
    ("auxpow-commitment-cut", |draft, random| {
        Some(Draft { size_and_nonce_len: random as usize % 8, tail: vec![], ..draft })
    }),
    ("auxpow-size", |draft, random| {
        let right = 1u32 << draft.chain_branch.len();
        Some(Draft { size: Some(random).filter(|&size| size != right), ..draft })
            .filter(|draft| draft.size.is_some())
    }),
    // The tree is made for another place.
    ("auxpow-index", |draft, random| {
        let place = draft.place();
        let other = random as i32 & 0x7fff_ffff;
        (other != place).then_some(Draft { chain_index: Some(other), ..draft })
    }),
    // The tree is right, and the auxpow tells another place in it.
    ("auxpow-index", |draft, random| {
        let place = draft.place();
        let other = (random | 1) as i32;
        let made_for =
            Draft { root: Root::At(place), chain_index: Some(other), mark: MARK.to_vec(), ..draft };
        (other != place).then_some(made_for)
    }),
    ("auxpow-index", |draft, _| {
        let place = draft.place();
        Some(Draft { root: Root::At(place), chain_index: Some(-1), mark: MARK.to_vec(), ..draft })
    }),
    ("auxpow-parent-work", |draft, _| Some(Draft { worked: false, ..draft })),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_broken_rule_is_named_and_no_other(draft in drafts(), random: u32) {
        prop_assert_eq!(faults(&draft), [""; 0]);
        for (number, (name, broken)) in BREAKS.iter().enumerate() {
            let Some(broken) = broken(draft.clone(), random) else { continue };
            prop_assert_eq!(faults(&broken), [*name], "way {} to break it: {:?}", number, broken);
        }
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let draft = Draft {
        version: 0x0063_0104,
        coinbase_index: 2,
        parent_version: 0x0063_0000,
        parent_root: Some([1; 32]),
        mark: [&MARK[..], &[0], &MARK, &[0]].concat(),
        size: Some(9),
        chain_index: Some(5),
        worked: false,
        ..Draft::default()
    };
    let all = [
        "auxpow-chain-id",
        "auxpow-coinbase-index",
        "auxpow-parent-chain-id",
        "auxpow-coinbase-branch",
        "auxpow-commitment-repeated",
        "auxpow-commitment-position",
        "auxpow-size",
        "auxpow-index",
        "auxpow-parent-work",
    ];
    assert_eq!(faults(&draft), all);
    let draft =
        Draft { chain_branch: vec![[3; 32]; 31], root: Root::Other([4; 32]), size_and_nonce_len: 5, ..draft };
    let found = faults(&Draft { tail: vec![], ..draft });
    for name in ["auxpow-chain-branch", "auxpow-commitment-missing", "auxpow-commitment-repeated"] {
        assert!(found.contains(&name), "{found:?}");
    }
}

#[test]
fn findings_hold_what_was_expected_and_what_was_found() {
    let finding = |draft: Draft| {
        let mut findings = regtest().inspect(&draft.bytes(), NOW).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    };
    let found = finding(Draft { version: 0x0063_0104, ..Draft::default() });
    assert_eq!((found.expected.as_str(), found.found.as_str()), ("chain id 98", "99 in version 0x00630104"));

    let found = finding(Draft { size: Some(16), ..Draft::default() });
    assert_eq!(found.expected, "a tree of 8 chains, for 3 hashes in the chain branch");
    assert_eq!(found.found, "16");

    let found = finding(Draft { chain_index: Some(3), ..Draft::default() });
    assert_eq!(found.expected, "chain index 7, the place of chain 98 in a tree of 3 levels");
    assert_eq!(found.found, "3");

    let found = finding(Draft { root: Root::NotReversed, ..Draft::default() });
    assert_eq!(found.found, "it stands there in the wrong byte order, at byte 8");
    let found = finding(Draft { root: Root::Other([0xab; 32]), ..Draft::default() });
    assert_eq!(found.found, format!("{} behind the mark, at byte 8", "ab".repeat(32)));
    let found = finding(Draft { root: Root::Other([0xab; 32]), mark: vec![], ..Draft::default() });
    assert!(found.found.starts_with("neither the root nor the mark"), "{found}");

    let found = finding(Draft { worked: false, ..Draft::default() });
    assert!(found.expected.ends_with(&format!("{:0<64}", "7fffff")), "{found}");
    assert_eq!(found.found.len(), 64);
}

#[test]
fn a_root_without_a_mark_may_begin_at_byte_20_as_the_daemon_has_it() {
    let at = |offset: usize| faults(&Draft { mark: vec![], head: vec![0; offset], ..Draft::default() });
    assert_eq!(at(0), [""; 0]);
    assert_eq!(at(20), [""; 0]);
    assert_eq!(at(21), ["auxpow-commitment-position"]);
}

#[test]
fn the_first_root_counts_as_in_the_daemon() {
    // The root twice, and the mark before the second: a miner could have meant either.
    let draft = Draft::default();
    let script =
        AuxPow::of(&header_of(&draft.bytes())).expect("merge-mined").coinbase_script().expect("an input");
    let root = &script[8..40];
    assert_eq!(faults(&Draft { head: root.to_vec(), ..draft.clone() }), ["auxpow-commitment-position"]);
    assert_eq!(faults(&Draft { tail: root.to_vec(), ..draft }), [""; 0]);
}

#[test]
fn a_parent_that_is_merge_mined_itself_is_a_header_like_any_other() {
    // Dingocoin's version with its flag: no auxpow follows the parent's 80 bytes, whatever they say.
    let draft = Draft { parent_version: 0x0032_0104, ..Draft::default() };
    assert_eq!(faults(&draft), [""; 0]);
    let auxpow = AuxPow::of(&header_of(&draft.bytes())).expect("merge-mined");
    assert!(auxpow.parent().extension().is_empty());
    // And one of our own chain is refused for its chain, not for its flag.
    assert_eq!(faults(&Draft { parent_version: 0x0062_0104, ..draft }), ["auxpow-parent-chain-id"]);
}

#[test]
fn a_parent_coinbase_may_be_written_with_its_witness() {
    let plain = Draft::default();
    let txid = |draft: &Draft| AuxPow::of(&header_of(&draft.bytes())).expect("merge-mined").coinbase_txid();
    for witness in [vec![vec![0; 32]], vec![], vec![vec![1; 300], vec![]]] {
        let draft = Draft { witness: Some(witness), ..plain.clone() };
        assert_eq!(faults(&draft), [""; 0]);
        assert_eq!(txid(&draft), txid(&plain));
        assert!(draft.bytes().len() > plain.bytes().len());
    }
}

#[test]
fn a_header_that_lost_its_auxpow_is_not_worth_a_hash() {
    let header = Header::new(Draft::default().own_header());
    let finding = regtest().check_work(&header).unwrap_err();
    assert_eq!(finding.check, "auxpow-missing");
    assert_eq!(finding.expected, "an auxpow behind the header, as version 0x00620104 says");
    assert_eq!(regtest().parent_block(&header), None);
}

#[test]
fn testnet_does_not_mind_whose_block_it_is() {
    // Regtest's target is too easy there; nothing else is wrong.
    let testnet = Dogecoin::new(Network::Testnet);
    for (version, parent_version) in [(0x0062_0104, 0x0062_0104), (0x0001_0104, 0x2000_0000)] {
        let bytes = Draft { version, parent_version, ..Draft::default() }.bytes();
        let found = checks(&testnet.inspect(&bytes, NOW));
        assert_eq!(found, ["bad-diffbits", "early-auxpow-block"], "height 152 is before auxpow there");
    }
}

/// What `submitauxblock` said to broken auxpows, of which the daemon gave no reason; and the same faults here.
#[test]
fn what_the_daemon_only_called_false_has_a_name() {
    let said = recordings::read("dogecoin/rpc_auxblock_errors.json");
    let cases = [
        ("bad parent pow", "auxpow-parent-work", Draft { worked: false, ..Draft::default() }),
        (
            "wrong hash in coinbase",
            "auxpow-commitment-missing",
            Draft { root: Root::Other([0x77; 32]), ..Draft::default() },
        ),
        (
            "parent has our chain id",
            "auxpow-parent-chain-id",
            Draft { parent_version: 0x0062_0004, ..Draft::default() },
        ),
    ];
    for (case, name, draft) in cases {
        assert_eq!(said["cases"][case]["result"], false, "{case}");
        assert_eq!(faults(&draft), [name], "{case}");
    }
    assert_eq!(said["cases"]["garbage auxpow"]["error"]["code"], -1);
    let garbage = [&Draft::default().own_header()[..], b"garbage"].concat();
    let inspection = regtest().inspect(&garbage.into(), NOW);
    assert_eq!(checks(&inspection), ["decode-failed"]);
    assert_eq!(inspection.findings[0].expected, "an auxpow behind the header, as its version says");
    let name = wire::sha256d(&Draft::default().own_header());
    assert_eq!(inspection.hash.map(|hash| hex(hash.as_wire())), Some(hex(&name)), "the name needs no auxpow");
}
