//! A block that lacks only its work.

use bytes::{BufMut, Bytes, BytesMut};
use chain::{Chain, merkle};
use wire::{BlockHash, Header};

use super::{Flaw, Minted};

/// Where the nonce stands in a header.
const NONCE: std::ops::Range<usize> = 76..80;

/// A block but for its work.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// The header, with nonce 0.
    pub(super) fixed: [u8; Header::LEN],
    /// Everything behind the header.
    pub(super) body: Bytes,
    /// The coinbase without witness.
    pub(super) coinbase: Bytes,
    /// What leads from the coinbase to the merkle root.
    pub(super) coinbase_branch: Vec<[u8; 32]>,
    pub(super) height: u32,
    pub(super) flaw: Option<Flaw>,
}

impl Draft {
    /// Its name, as long as the nonce stays what it is.
    pub(super) fn hash(&self, chain: &dyn Chain) -> BlockHash {
        chain.block_hash(&Header::new(self.fixed))
    }

    /// The block with work of its own, which holds, or does not, as wanted.
    pub(super) fn work(&self, chain: &dyn Chain, valid: bool) -> Minted {
        let header = with_nonce(self.fixed, |fixed| chain.check_work(&Header::new(*fixed)).is_ok() == valid);
        self.finish(chain, Header::new(header))
    }

    /// The block with this header.
    pub(super) fn finish(&self, chain: &dyn Chain, header: Header) -> Minted {
        let mut bytes = BytesMut::with_capacity(Header::LEN + header.extension().len() + self.body.len());
        header.write(&mut bytes);
        bytes.put_slice(&self.body);
        Minted {
            bytes: bytes.freeze(),
            hash: chain.block_hash(&header),
            parent: header.parent(),
            header,
            height: self.height,
            coinbase: self.coinbase.clone(),
            coinbase_branch: self.coinbase_branch.clone(),
            flaw: self.flaw,
        }
    }
}

/// The header with the first nonce that will do. At regtest's limit every other one does.
pub(super) fn with_nonce(
    mut fixed: [u8; Header::LEN],
    will_do: impl Fn(&[u8; Header::LEN]) -> bool,
) -> [u8; Header::LEN] {
    for nonce in 0..=u32::MAX {
        fixed[NONCE].copy_from_slice(&nonce.to_le_bytes());
        if will_do(&fixed) {
            return fixed;
        }
    }
    unreachable!("one of 2^32 nonces fits a target that every other hash meets")
}

/// What stands beside the way from the first leaf of a tree to its root.
pub(super) fn branch_of_first(mut level: Vec<[u8; 32]>) -> Vec<[u8; 32]> {
    let mut branch = Vec::new();
    while let Some(neighbour) = level.get(1) {
        branch.push(*neighbour);
        // A last one without a neighbour is its own.
        level = level.chunks(2).map(|pair| merkle::node(&pair[0], pair.last().unwrap_or(&pair[0]))).collect();
    }
    branch
}

/// The root to which a branch leads from the first leaf.
pub(super) fn root_above(first: [u8; 32], branch: &[[u8; 32]]) -> [u8; 32] {
    branch.iter().fold(first, |hash, neighbour| merkle::node(&hash, neighbour))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_branch_leads_to_the_root(leaves in prop::collection::vec(any::<[u8; 32]>(), 1..40)) {
            let branch = branch_of_first(leaves.clone());
            prop_assert_eq!(root_above(leaves[0], &branch), merkle::tree(leaves).root);
        }
    }
}
