//! What the journal keeps beside blocks, and how it comes back.

use std::sync::Arc;

use bytes::Bytes;
use chain::AuxTemplate;
use journal::{Entry, Key};
use protocol::issuers::{Issued, Issuer};
use serde::{Deserialize, Serialize};
use wire::{BlockHash, sha256d};

use crate::{Relay, Source, Submission};

/// What an entry of the journal is; an entry without one is a block.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Memo {
    /// A node has issued this work. The entry has no block.
    Issued { block: String, bits: u32, height: u32, issuer: Issuer },
    /// A pool has solved this work. The entry's block is the proof, in hex, as the pool wrote it.
    Solved { block: String },
}

impl Memo {
    pub(crate) fn issued(issued: &Issued) -> Self {
        let AuxTemplate { block, bits, height } = issued.template;
        Self::Issued { block: block.to_string(), bits, height, issuer: issued.issuer.clone() }
    }

    pub(crate) fn entry(&self, key: Key, chain: &str, block: Bytes) -> Entry {
        // These types have nothing that JSON cannot write.
        let meta = serde_json::to_vec(self).unwrap_or_default();
        Entry { key, chain: chain.into(), meta: meta.into(), block }
    }
}

/// A key of the journal for what is no block.
pub(crate) fn key(chain: &str, what: &str, block: BlockHash, rest: &[u8]) -> Key {
    let head = format!("{chain}\n{what}\n{block}\n");
    Key::new(sha256d(&[head.as_bytes(), rest].concat()))
}

impl Relay {
    /// Takes up again what the journal holds from the last run: a block is sent anew, solved work is handed in anew, and
    /// who issued which work is known again. What a newer version wrote stays where it is.
    pub fn replay(self: &Arc<Self>, entry: Entry) {
        if entry.meta.is_empty() {
            let submission = Submission { on_disk: true, ..Submission::own(Source::Replay, entry.block) };
            let delivery = self.submit(submission);
            let (chain, block) = (self.name(), delivery.block());
            return tracing::warn!(chain, %block, "block from the journal is sent again");
        }
        if self.recall(&entry).is_none() {
            let (chain, key) = (self.name(), entry.key);
            tracing::error!(chain, %key, "the journal holds what this version cannot read; it stays there");
        }
    }

    fn recall(self: &Arc<Self>, entry: &Entry) -> Option<()> {
        match serde_json::from_slice(&entry.meta).ok()? {
            Memo::Issued { block, bits, height, issuer } => {
                let template = AuxTemplate { block: block.parse().ok()?, bits, height };
                self.remember(Issued { template, issuer });
            }
            Memo::Solved { block } => {
                let (block, auxpow) = (block.parse().ok()?, std::str::from_utf8(&entry.block).ok()?);
                tracing::warn!(chain = self.name(), %block, "solved work from the journal is handed in again");
                self.hand_in(block, auxpow);
            }
        }
        Some(())
    }
}
