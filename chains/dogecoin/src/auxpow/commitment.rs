//! What the parent's coinbase says of the tree of chains.

/// The mark that stands before the root in a coinbase script.
pub const MARK: [u8; 4] = [0xfa, 0xbe, 0x6d, 0x6d];

/// The root of the tree of chains in a coinbase script, and what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    /// Where the root stands, in bytes from the script's start.
    pub offset: usize,
    /// The root in wire order. In the script it stands reversed.
    pub root: [u8; 32],
    /// The number of places in the tree, and the nonce from which each chain's place follows; absent if the script ends
    /// before them.
    pub size_and_nonce: Option<(u32, u32)>,
}

impl Commitment {
    /// The root that `script` commits to: this one if it is there, behind a mark if it is there too; whatever stands
    /// behind the mark otherwise.
    pub(crate) fn find(script: &[u8], root: &[u8; 32]) -> Option<Self> {
        let root = reversed(root);
        let mut marked = marks(script).map(|mark| mark + MARK.len());
        let offset = marked
            .find(|&behind| script[behind..].starts_with(&root))
            .or_else(|| position(script, &root))
            .or_else(|| marks(script).next().map(|mark| mark + MARK.len()))?;
        Self::at(script, offset)
    }

    fn at(script: &[u8], offset: usize) -> Option<Self> {
        let (root, behind) = script.get(offset..)?.split_first_chunk()?;
        let size_and_nonce = behind.first_chunk::<8>().map(|&[a, b, c, d, e, f, g, h]| {
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        });
        Some(Self { offset, root: reversed(root), size_and_nonce })
    }
}

/// Where the first such 32 bytes begin in a script.
pub(crate) fn position(script: &[u8], wanted: &[u8; 32]) -> Option<usize> {
    script.windows(32).position(|window| window == wanted)
}

/// Where marks begin in a script.
pub(crate) fn marks(script: &[u8]) -> impl Iterator<Item = usize> {
    script.windows(MARK.len()).enumerate().filter(|&(_, window)| window == MARK).map(|(offset, _)| offset)
}

pub(crate) fn reversed(hash: &[u8; 32]) -> [u8; 32] {
    let mut hash = *hash;
    hash.reverse();
    hash
}

/// The place that a chain has in a tree with `levels` between leaf and root (G auxpow.cpp, getExpectedIndex): pseudo-
/// random, so that two chains seldom want the same one, and fixed, so that one chain cannot be worked for twice.
/// `None` for a tree of which not even the size can be written down.
pub fn expected_index(nonce: u32, chain_id: i32, levels: usize) -> Option<u32> {
    let size = tree_size(levels)?;
    let step = |number: u32| number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
    // A size is a power of two.
    Some(step(step(nonce).wrapping_add(chain_id as u32)) & (size - 1))
}

/// The number of places of a tree with so many levels between leaf and root, if 32 bits can hold it.
pub(crate) fn tree_size(levels: usize) -> Option<u32> {
    u32::try_from(levels).ok().and_then(|levels| 1u32.checked_shl(levels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chain_has_its_place_in_trees_of_each_size() {
        // protocol.md §5.2: nonce 0, 0 to 8 levels.
        let places = |nonce, id, levels: usize| -> Vec<u32> {
            (0..=levels).map(|levels| expected_index(nonce, id, levels).expect("a small tree")).collect()
        };
        assert_eq!(places(0, 98, 8), [0, 0, 0, 0, 8, 24, 56, 56, 56]);
        assert_eq!(places(0, 63, 8), [0, 1, 1, 1, 1, 17, 17, 81, 81]);
        assert_eq!(places(0, 16, 8), [0, 0, 2, 6, 14, 14, 14, 78, 78]);
        assert_eq!(places(0, 50, 8), [0, 0, 0, 0, 8, 8, 8, 72, 200]);
        assert_eq!(places(0, 74, 8), [0; 9]);
        assert_eq!(places(0, 8211, 8), [0, 1, 1, 5, 5, 21, 21, 21, 149]);
        assert_eq!(places(0, 8224, 8), [0, 0, 2, 6, 14, 30, 30, 30, 30]);
        assert_eq!(places(0, 168, 8), [0, 0, 2, 6, 6, 6, 6, 6, 6]);
        assert_eq!(places(0, 8228, 8), [0, 0, 2, 2, 2, 18, 18, 82, 210]);
        assert_eq!(places(7, 98, 7), [0, 1, 3, 7, 7, 23, 23, 23]);
        // §8: the smallest tree in which these chains do not clash.
        let tree = [98, 16, 63, 8211, 8224, 74].map(|id| expected_index(0, id, 5));
        assert_eq!(tree, [24, 14, 17, 21, 30, 0].map(Some));
        assert_eq!(expected_index(0, 98, 31).map(|index| index & 0xff), Some(56));
        assert_eq!(expected_index(0, 98, 32), None);
        assert_eq!(expected_index(0, 98, usize::MAX), None);
    }

    #[test]
    fn the_root_itself_counts_and_the_mark_only_without_it() {
        let root: [u8; 32] = std::array::from_fn(|i| i as u8);
        let tail = [&8u32.to_le_bytes()[..], &7u32.to_le_bytes()].concat();
        let marked = [&[3, 1, 2, 3], &MARK[..], &reversed(&root), &tail].concat();
        let wanted = Commitment { offset: 8, root, size_and_nonce: Some((8, 7)) };
        assert_eq!(Commitment::find(&marked, &root), Some(wanted));
        assert_eq!(Commitment::find(&marked, &[9; 32]), Some(wanted), "another root, behind the mark");
        let bare = [&[3, 1, 2, 3][..], &reversed(&root)].concat();
        let wanted = Commitment { offset: 4, root, size_and_nonce: None };
        assert_eq!(Commitment::find(&bare, &root), Some(wanted));
        assert_eq!(Commitment::find(&bare, &[9; 32]), None);
        assert_eq!(Commitment::find(&marked[..39], &root), None, "a byte short");
    }
}
