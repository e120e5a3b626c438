//! Merkle roots as Bitcoin makes them, and the trick that must be seen through.

use wire::sha256d;

/// The root of a tree, and whether the list of leaves could have been tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MerkleTree {
    /// The root, in wire order; zero for no leaves.
    pub root: [u8; 32],
    /// Two neighbours in different places are equal: the list has been lengthened by repeating its end, which leaves
    /// the root as it was (CVE-2012-2459). The daemons refuse such a block and punish its sender.
    pub mutated: bool,
}

/// Computes the root in place; `hashes` holds the leaves in wire order and is consumed as scratch space.
pub fn tree(mut hashes: Vec<[u8; 32]>) -> MerkleTree {
    let mut mutated = false;
    while hashes.len() > 1 {
        mutated |= hashes.chunks_exact(2).any(|pair| pair[0] == pair[1]);
        let parents = hashes.len().div_ceil(2);
        for i in 0..parents {
            let left = hashes[2 * i];
            let right = *hashes.get(2 * i + 1).unwrap_or(&left);
            hashes[i] = node(&left, &right);
        }
        hashes.truncate(parents);
    }
    MerkleTree { root: hashes.first().copied().unwrap_or_default(), mutated }
}

/// The parent of two nodes.
pub fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256d(&both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_repeated_end_keeps_the_root_and_is_noticed() {
        let leaves: Vec<[u8; 32]> = (0..3).map(|i| [i; 32]).collect();
        let honest = tree(leaves.clone());
        let forged = tree([leaves.as_slice(), &leaves[2..]].concat());
        assert_eq!(honest.root, forged.root);
        assert!(!honest.mutated && forged.mutated);
    }

    #[test]
    fn one_leaf_is_its_own_root_and_none_is_zero() {
        assert_eq!(tree(vec![[7; 32]]).root, [7; 32]);
        assert_eq!(tree(vec![]).root, [0; 32]);
    }

    proptest! {
        #[test]
        fn any_change_of_a_leaf_changes_the_root(count in 1usize..40, which: prop::sample::Index) {
            let leaves: Vec<[u8; 32]> = (0..count).map(|i| sha256d(&i.to_le_bytes())).collect();
            let mut changed = leaves.clone();
            changed[which.index(count)][0] ^= 1;
            prop_assert_ne!(tree(leaves).root, tree(changed).root);
        }
    }
}
