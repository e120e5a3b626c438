//! The transaction that pays the miner.

use bytes::BufMut;
use chain::transaction::{WITNESS_FLAG, height_push};
use wire::{Encode, sha256d};

/// In every coinbase script, as pools sign theirs.
const TAG: &[u8] = b"/simnet/";

/// Where a coinbase pays: a witness program of 20 bytes to which nobody has the key.
const PAYOUT: &[u8; 22] = b"\x00\x14simulated-pool's-key";

/// How the script begins that commits to witnesses (BIP141): OP_RETURN, a push of 36 bytes, a magic.
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// The reserved value that everybody uses.
const RESERVED: [u8; 32] = [0; 32];

pub(super) struct Coinbase {
    pub(super) height: u32,
    /// Makes blocks on one parent differ.
    pub(super) extra_nonce: u64,
    /// Base units.
    pub(super) value: i64,
    /// The hash that it commits the witnesses to.
    pub(super) commitment: Option<[u8; 32]>,
    /// A further output, to make a block's size come out: its bytes after the value, the script's length first.
    pub(super) padding: Vec<u8>,
}

impl Coinbase {
    /// Commits to the root of the tree of wtxids, in which the coinbase itself counts as zero.
    pub(super) fn commit_to(&mut self, root: [u8; 32]) {
        self.commitment = Some(sha256d(&[root, RESERVED].concat()));
    }

    /// Without witness: what the txid is the hash of.
    pub(super) fn stripped(&self) -> Vec<u8> {
        [&2_u32.to_le_bytes()[..], &self.inputs_and_outputs(), &[0; 4]].concat()
    }

    /// As it stands in a block: with the reserved value as witness, if it commits to witnesses.
    pub(super) fn with_witness(&self) -> Vec<u8> {
        if self.commitment.is_none() {
            return self.stripped();
        }
        let witness = [&[1, 32][..], &RESERVED].concat();
        [&2_u32.to_le_bytes()[..], &[0, WITNESS_FLAG], &self.inputs_and_outputs(), &witness, &[0; 4]].concat()
    }

    pub(super) fn txid(&self) -> [u8; 32] {
        sha256d(&self.stripped())
    }

    fn inputs_and_outputs(&self) -> Vec<u8> {
        let mut out = vec![1];
        // It spends nothing.
        out.put_slice(&[0; 32]);
        out.put_slice(&[0xff; 4]);
        let mut script = height_push(self.height);
        script.put_byte_string(&self.extra_nonce.to_le_bytes());
        script.put_byte_string(TAG);
        out.put_byte_string(&script);
        out.put_slice(&[0xff; 4]);
        let outputs = 1 + usize::from(self.commitment.is_some()) + usize::from(!self.padding.is_empty());
        out.put_compact_size(outputs as u64);
        out.put_i64_le(self.value);
        out.put_byte_string(PAYOUT);
        if !self.padding.is_empty() {
            out.put_i64_le(0);
            out.put_slice(&self.padding);
        }
        if let Some(commitment) = self.commitment {
            out.put_i64_le(0);
            out.put_byte_string(&[&COMMITMENT[..], &commitment].concat());
        }
        out
    }
}
