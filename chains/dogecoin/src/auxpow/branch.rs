//! The way from a leaf of a merkle tree to its root.

use bytes::Bytes;
use chain::merkle;
use wire::{DecodeError, Reader};

/// The most hashes that are read: no more fit into a block of 1,000,000 bytes. The daemon reads what fits into a
/// message.
const MOST_HASHES: usize = 1_000_000 / 32;

/// The neighbours on the way from a leaf to the root, and the leaf's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    hashes: Bytes,
    index: i32,
}

impl Branch {
    pub(crate) fn read(what: &'static str, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count(what, MOST_HASHES, 32)?;
        Ok(Self { hashes: reader.take(what, 32 * count)?, index: reader.i32("index")? })
    }

    /// Number of levels between the leaf and the root.
    pub fn len(&self) -> usize {
        self.hashes.len() / 32
    }

    /// Whether the leaf is the root.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The leaf's place, as the auxpow tells it.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// The neighbours in wire order, from the leaf up.
    pub fn hashes(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.hashes.as_chunks().0.iter()
    }

    /// The root above a leaf, both in wire order.
    pub fn root(&self, leaf: &[u8; 32]) -> [u8; 32] {
        self.root_from(leaf, self.index)
    }

    /// The root above a leaf that is in another place (G auxpow.cpp, CheckMerkleBranch): a bit of the place that is set
    /// says that the neighbour is on the left. Place -1 has no root, which the daemon writes as zero.
    pub(crate) fn root_from(&self, leaf: &[u8; 32], mut index: i32) -> [u8; 32] {
        if index == -1 {
            return [0; 32];
        }
        let mut root = *leaf;
        for neighbour in self.hashes() {
            root =
                if index & 1 == 1 { merkle::node(neighbour, &root) } else { merkle::node(&root, neighbour) };
            index >>= 1;
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(hashes: &[[u8; 32]], index: i32) -> Branch {
        Branch { hashes: hashes.concat().into(), index }
    }

    #[test]
    fn from_each_leaf_there_is_a_way_to_the_root() {
        let leaves = [[1; 32], [2; 32], [3; 32], [4; 32]];
        let pairs = [merkle::node(&leaves[0], &leaves[1]), merkle::node(&leaves[2], &leaves[3])];
        let root = merkle::tree(leaves.to_vec()).root;
        for (index, leaf) in leaves.iter().enumerate() {
            let way = branch(&[leaves[index ^ 1], pairs[1 - index / 2]], index as i32);
            assert_eq!(way.root(leaf), root, "leaf {index}");
            assert_eq!((way.len(), way.is_empty(), way.hashes().count()), (2, false, 2));
        }
    }

    #[test]
    fn without_neighbours_the_leaf_is_the_root_wherever_it_is() {
        for index in [0, 1, 7, i32::MAX, i32::MIN] {
            assert_eq!(branch(&[], index).root(&[9; 32]), [9; 32]);
        }
        assert_eq!(branch(&[], -1).root(&[9; 32]), [0; 32], "as the daemon has it");
    }
}
