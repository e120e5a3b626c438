//! What is accepted here is what the daemon accepts: its own check (G auxpow.cpp:81-156), written down line by line,
//! against ours, over auxpows that are nearly right.

mod common;

use bytes::Bytes;
use chain::{Chain, Network, Target};
use common::draft::{Draft, Root};
use dogecoin::{AuxPow, Branch, Dogecoin, MARK, Version, pow_hash};
use proptest::{collection::vec, prelude::*, sample::Index};
use wire::{Header, Reader, sha256d};

/// `CAuxPow::CheckMerkleBranch`.
fn check_merkle_branch(mut hash: [u8; 32], branch: &Branch, mut index: i32) -> [u8; 32] {
    if index == -1 {
        return [0; 32];
    }
    for it in branch.hashes() {
        hash = if index & 1 != 0 { sha256d(&[*it, hash].concat()) } else { sha256d(&[hash, *it].concat()) };
        index >>= 1;
    }
    hash
}

/// `CAuxPow::getExpectedIndex`.
fn expected_index(nonce: u32, chain_id: i32, height: usize) -> i32 {
    let mut rand = nonce;
    rand = rand.wrapping_mul(1103515245).wrapping_add(12345);
    rand = rand.wrapping_add(chain_id as u32);
    rand = rand.wrapping_mul(1103515245).wrapping_add(12345);
    (rand % (1 << height)) as i32
}

/// `std::search`.
fn search(script: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    (from..script.len()).find(|&at| script[at..].starts_with(what))
}

/// `CAuxPow::check`, and the check of the id before it, on a strict network.
fn daemon_accepts(auxpow: &AuxPow, block: [u8; 32], version: Version) -> bool {
    if version.chain_id() != 98 || auxpow.coinbase_branch().index() != 0 {
        return false;
    }
    if Version::of(auxpow.parent()).chain_id() == version.chain_id() || auxpow.chain_branch().len() > 30 {
        return false;
    }
    let mut root = check_merkle_branch(block, auxpow.chain_branch(), auxpow.chain_branch().index());
    root.reverse();
    let txid = *auxpow.coinbase_txid().as_wire();
    let parent_root = auxpow.parent().merkle_root();
    if check_merkle_branch(txid, auxpow.coinbase_branch(), 0) != *parent_root.as_wire() {
        return false;
    }
    let Some(script) = auxpow.coinbase_script() else { return false };
    let head = search(&script, 0, &MARK);
    let Some(pc) = search(&script, 0, &root) else { return false };
    if let Some(head) = head {
        if search(&script, head + 1, &MARK).is_some() || head + 4 != pc {
            return false;
        }
    } else if pc > 20 {
        return false;
    }
    let Some(&[a, b, c, d, e, f, g, h]) = script[pc + 32..].first_chunk() else { return false };
    let levels = auxpow.chain_branch().len();
    u32::from_le_bytes([a, b, c, d]) == 1 << levels
        && auxpow.chain_branch().index()
            == expected_index(u32::from_le_bytes([e, f, g, h]), version.chain_id(), levels)
}

/// Holds our judgement of a block against the daemon's. Gives it, if the block can be read.
fn compare(block: &Bytes) -> Option<bool> {
    let regtest = Dogecoin::new(Network::Regtest);
    let header = Header::read(&mut Reader::new(block), regtest.dialect()).ok()?;
    let auxpow = AuxPow::of(&header)?;
    let name = *regtest.block_hash(&header).as_wire();
    let target = Target::from_compact(header.bits()).expect("regtest's");
    let worked = target.is_met_by(&pow_hash(auxpow.parent().fixed()));
    let accepts = daemon_accepts(&auxpow, name, Version::of(&header)) && worked;
    assert_eq!(regtest.check_work(&header).is_ok(), accepts, "{:?}", regtest.check_work(&header));
    let inspection = regtest.inspect(block, u32::MAX);
    let of_auxpow = |check: &str| check.starts_with("auxpow-");
    assert_eq!(
        !inspection.findings.iter().any(|finding| of_auxpow(finding.check)),
        accepts,
        "{inspection:?}"
    );
    Some(accepts)
}

/// Scripts put together of what matters in them, in any order and number.
fn drafts() -> impl Strategy<Value = Draft> {
    let piece = || {
        prop_oneof![
            3 => Just(MARK.to_vec()),
            1 => Just(vec![]),
            2 => vec(any::<u8>(), 0..12),
            1 => Just(MARK[..3].to_vec()),
        ]
    };
    let root = prop_oneof![
        4 => Just(Root::Right),
        1 => Just(Root::NotReversed),
        1 => Just(Root::At(0)),
        1 => Just(Root::Other([0; 32])),
    ];
    let numbers =
        (0usize..6, 0usize..4, prop::option::weighted(0.2, -2i32..9), prop::option::weighted(0.1, 0u32..20));
    (
        vec(piece(), 0..3),
        piece(),
        piece(),
        root,
        numbers,
        0usize..=8,
        prop_oneof![9 => Just(0), 1 => -1i32..3],
    )
        .prop_map(
            |(
                head,
                mark,
                gap,
                root,
                (levels, depth, chain_index, size),
                size_and_nonce_len,
                coinbase_index,
            )| Draft {
                head: head.concat(),
                mark,
                gap: if levels % 2 == 0 { vec![] } else { gap },
                root,
                chain_branch: vec![[5; 32]; levels],
                coinbase_branch: vec![[6; 32]; depth],
                chain_index,
                size,
                size_and_nonce_len: if depth % 2 == 0 { 8 } else { size_and_nonce_len },
                coinbase_index,
                tail: vec![],
                ..Draft::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn scripts_of_any_pieces_are_judged_as_the_daemon_judges_them(draft in drafts()) {
        prop_assert!(compare(&draft.bytes()).is_some());
    }

    #[test]
    fn changed_bytes_are_judged_as_the_daemon_judges_them(changes in vec((any::<Index>(), any::<u8>()), 0..3)) {
        let mut bytes = Draft::default().bytes().to_vec();
        let auxpow = 80..bytes.len() - 66;
        for (at, value) in changes {
            bytes[auxpow.start + at.index(auxpow.len())] = value;
        }
        compare(&bytes.into());
    }
}

#[test]
fn both_say_yes_and_no() {
    assert_eq!(compare(&Draft::default().bytes()), Some(true));
    assert_eq!(compare(&Draft { nonce: 8, chain_index: Some(3), ..Draft::default() }.bytes()), Some(false));
}
