//! The proof that a block's work was done on another chain's (protocol.md §5.2).

use ::dogecoin::{MARK, expected_index};
use bytes::{BufMut, Bytes};
use chain::merkle;
use wire::{BlockHash, Encode};

use super::CHAIN_ID;
use crate::mint::{ParentBlock, Tree};

/// The chain's place in a tree.
fn place(tree: &Tree) -> u32 {
    expected_index(tree.nonce, CHAIN_ID, tree.branch.len())
        .expect("a tree that fits into a block is a small one")
}

/// The mark, the root of the tree of chains in reversed order, its size, its nonce.
pub(super) fn commitment(tree: &Tree, block: &BlockHash) -> Bytes {
    let place = place(tree);
    let mut root = *block.as_wire();
    for (level, neighbour) in tree.branch.iter().enumerate() {
        let is_right = place >> level & 1 == 1;
        root = if is_right { merkle::node(neighbour, &root) } else { merkle::node(&root, neighbour) };
    }
    root.reverse();
    let mut script = Vec::with_capacity(MARK.len() + root.len() + 8);
    script.put_slice(&MARK);
    script.put_slice(&root);
    script.put_u32_le(1 << tree.branch.len());
    script.put_u32_le(tree.nonce);
    script.into()
}

/// The parent's coinbase, its name, the two branches, the parent's header.
pub(super) fn proof(tree: &Tree, parent: &ParentBlock) -> Bytes {
    let mut out = parent.coinbase.to_vec();
    out.put_slice(&wire::sha256d(parent.header.fixed()));
    for (branch, index) in [(&parent.branch, 0), (&tree.branch, place(tree))] {
        out.put_compact_size(branch.len() as u64);
        branch.iter().for_each(|hash| out.put_slice(hash));
        out.put_u32_le(index);
    }
    out.put_slice(parent.header.fixed());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use wire::Header;

    fn unhex(value: &Value) -> Bytes {
        recordings::unhex(value.as_str().unwrap())
    }

    fn hashes(value: &Value) -> Vec<[u8; 32]> {
        value.as_array().unwrap().iter().map(|hash| unhex(hash)[..].try_into().unwrap()).collect()
    }

    #[test]
    fn a_proof_of_the_recorded_parts_is_the_recorded_one() {
        for (file, nonce) in [("block_auxpow_simple.json", 0), ("block_auxpow_tree8_parent5tx.json", 7)] {
            let recording = recordings::read(&format!("dogecoin/{file}"));
            let parts = &recording["auxpow_parts"];
            let tree = Tree { branch: hashes(&parts["chain_merkle_branch"]), nonce };
            let header = Header::new(unhex(&parts["parent_header_hex"])[..].try_into().unwrap());
            let coinbase = unhex(&parts["parent_coinbase_hex"]);
            let block: BlockHash = recording["hash"].as_str().unwrap().parse().unwrap();
            let commitment = commitment(&tree, &block);
            assert!(coinbase.windows(commitment.len()).any(|part| part == commitment), "{file}");
            let parent = ParentBlock { header, coinbase, branch: hashes(&parts["parent_merkle_branch"]) };
            assert_eq!(proof(&tree, &parent), unhex(&recording["submitauxblock_auxpow_hex"]), "{file}");
        }
    }
}
