//! The transaction that pays the miner.

use bytes::BufMut;
use chain::transaction::{WITNESS_FLAG, height_push};
use wire::{Encode, sha256d};

use crate::profile::Payload;

/// In every coinbase script, as pools sign theirs.
const TAG: &[u8] = b"/simnet/";

/// What a coinbase of another chain pays, in base units: nobody here looks at it.
const ELSEWHERE: i64 = 625_000_000;

/// The version of a coinbase without payload.
const VERSION: u32 = 2;

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
    /// The script that it pays to.
    pub(super) payout: &'static [u8],
    /// The hash that it commits the witnesses to.
    pub(super) commitment: Option<[u8; 32]>,
    /// A further output, to make a block's size come out: its bytes after the value, the script's length first.
    pub(super) padding: Vec<u8>,
    /// What it carries behind its lock time.
    pub(super) payload: Option<Payload>,
    /// What its script holds between the extra nonce and the tag: what commits it to blocks of other chains, if anything.
    pub(super) note: Vec<u8>,
}

impl Coinbase {
    /// One of another chain, whichever.
    pub(super) fn elsewhere(height: u32, extra_nonce: u64, note: &[u8]) -> Self {
        Self {
            height,
            extra_nonce,
            value: ELSEWHERE,
            payout: &[0x51],
            commitment: None,
            padding: Vec::new(),
            payload: None,
            note: note.to_vec(),
        }
    }

    /// Commits to the root of the tree of wtxids, in which the coinbase itself counts as zero.
    pub(super) fn commit_to(&mut self, root: [u8; 32]) {
        self.commitment = Some(sha256d(&[root, RESERVED].concat()));
    }

    /// Without witness: what the txid is the hash of.
    pub(super) fn stripped(&self) -> Vec<u8> {
        [&self.version()[..], &self.inputs_and_outputs(), &self.end()].concat()
    }

    /// As it stands in a block: with the reserved value as witness, if it commits to witnesses.
    pub(super) fn with_witness(&self) -> Vec<u8> {
        if self.commitment.is_none() {
            return self.stripped();
        }
        let witness = [&[1, 32][..], &RESERVED].concat();
        let marker = [0, WITNESS_FLAG];
        [&self.version()[..], &marker, &self.inputs_and_outputs(), &witness, &self.end()].concat()
    }

    fn version(&self) -> [u8; 4] {
        self.payload.as_ref().map_or(VERSION, |payload| payload.version).to_le_bytes()
    }

    /// Lock time and payload.
    fn end(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        if let Some(payload) = &self.payload {
            out.put_byte_string(&payload.bytes);
        }
        out
    }

    fn inputs_and_outputs(&self) -> Vec<u8> {
        let mut out = vec![1];
        // It spends nothing.
        out.put_slice(&[0; 32]);
        out.put_slice(&[0xff; 4]);
        let mut script = height_push(self.height);
        script.put_byte_string(&self.extra_nonce.to_le_bytes());
        script.put_slice(&self.note);
        script.put_byte_string(TAG);
        out.put_byte_string(&script);
        out.put_slice(&[0xff; 4]);
        let outputs = 1 + usize::from(self.commitment.is_some()) + usize::from(!self.padding.is_empty());
        out.put_compact_size(outputs as u64);
        out.put_i64_le(self.value);
        out.put_byte_string(self.payout);
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
