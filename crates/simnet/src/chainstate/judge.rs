//! The checks, in the daemon's order (L validation.cpp: CheckBlock, AcceptBlockHeader, AcceptBlock).

use std::time::Duration;

use bytes::Bytes;
use chain::{Finding, Severity};
use wire::{BlockHash, Header};

use super::{ChainState, Door, Standing, Verdict};
use crate::inspections::Judgement;

/// How far a block's time may be ahead of a node's clock, in seconds.
const MAX_AHEAD: u32 = 7200;

/// What can be said of a block alone, without those before it, and is said first: the daemons' words.
const CONTEXT_FREE: [&str; 8] = [
    "high-hash",
    "bad-diffbits",
    "bad-txnmrklroot",
    "bad-txns-duplicate",
    "bad-blk-length",
    "bad-cb-missing",
    "bad-cb-multiple",
    "bad-cb-length",
];

/// What is looked at together with the blocks before a header, although a chain's inspection finds it in the block.
const OF_ERA: [&str; 2] = ["late-legacy-block", "early-auxpow-block"];
const OF_VERSION: [&str; 1] = ["bad-version"];

/// The daemons' word for a block whose coinbase is of another height.
const BAD_HEIGHT: &str = "bad-cb-height";

impl ChainState {
    /// Gives a block to the node at `now` since the network's start.
    ///
    /// Validation is instantaneous here; how long it takes is the business of whoever calls
    /// ([`Node`](crate::Node) lets a block wait for as long as the daemon would be at work).
    pub fn accept(&mut self, block: &Bytes, door: Door, now: Duration) -> Verdict {
        let judgement = self.inspections.of(block);
        let Some(header) = header_of(&judgement, block) else { return Verdict::Undecodable };
        let hash = self.profile.chain.block_hash(&header);
        match self.standing(&hash) {
            Some(Standing::Validated | Standing::Stored) => return Verdict::Duplicate,
            Some(Standing::Invalid) => return Verdict::Refused("duplicate-invalid".into()),
            // The word is the same to both in the daemon, but it costs a peer as much as the first time.
            Some(Standing::Conflicting) if door == Door::Rpc => return Verdict::Duplicate,
            Some(Standing::Conflicting) => return Verdict::Refused(self.forbidden()),
            Some(Standing::HeaderOnly) | None => {}
        }
        if judgement.findings.iter().any(|finding| finding.check == "decode-failed") {
            return Verdict::Undecodable;
        }
        let (alone, in_context): (Vec<String>, Vec<String>) = faults(&judgement, door)
            .filter(|finding| !OF_ERA.contains(&finding.check) && !OF_VERSION.contains(&finding.check))
            .map(|finding| (self.profile.word)(finding, &header))
            .partition(|word| CONTEXT_FREE.contains(&word.as_str()));
        // CheckBlock looks at all of them in a fixed order; `inspect` finds the first of each kind.
        if let Some(word) = CONTEXT_FREE.iter().find(|word| alone.iter().any(|found| found == *word)) {
            return Verdict::Refused((*word).into());
        }
        if let Err(refusal) = self.check_header(&header, &judgement.findings, now) {
            return refusal;
        }
        if !self.has_enough_work(&header, door) {
            // Where a rival of the tip is dropped, its header stays (relay_block_with_txs.json of Dogecoin).
            if self.chain().session_policy().strictly_more_work && !self.knows(&hash) {
                self.learn(&header, now);
            }
            return Verdict::Ignored;
        }
        if let Some(word) = in_context.into_iter().next() {
            return Verdict::Refused(word);
        }
        let Some(indexed) = judgement.block.clone() else { return Verdict::Undecodable };
        if !self.knows(&hash) {
            self.learn(&header, now);
        }
        let misplaced = self.profile.tells_height && indexed.height != self.height_of(&hash);
        self.store(hash, indexed);
        if misplaced {
            self.mark(&hash, Standing::Invalid);
            return Verdict::Refused(BAD_HEIGHT.into());
        }
        self.activate(hash, now)
    }

    /// Gives a header to the node, as announced by a peer. `Ok(true)` if it was new.
    ///
    /// # Errors
    /// The verdict on it: refused, or an orphan.
    pub fn accept_header(&mut self, header: &Header, now: Duration) -> Result<bool, Verdict> {
        let hash = self.profile.chain.block_hash(header);
        match self.standing(&hash) {
            Some(Standing::Invalid) => return Err(Verdict::Refused("duplicate-invalid".into())),
            Some(Standing::Conflicting) => return Err(Verdict::Refused(self.forbidden())),
            Some(_) => return Ok(false),
            None => {}
        }
        let refusal = |finding: Finding| Verdict::Refused((self.profile.word)(&finding, header));
        self.chain().check_work(header).map_err(refusal)?;
        self.check_header(header, &[], now)?;
        self.learn(header, now);
        Ok(true)
    }

    /// A header that is in order. If it is the one that a lock has been waiting for, that lock is in force from now on.
    fn learn(&mut self, header: &Header, now: Duration) {
        let hash = self.insert(header, Standing::HeaderOnly);
        if self.lock.as_ref().is_some_and(|lock| lock.block == hash) {
            // Its body is not there yet, so nothing can be connected.
            self.enforce(now);
        }
    }

    /// What takes the blocks before (ContextualCheckBlockHeader).
    fn check_header(&mut self, header: &Header, findings: &[Finding], now: Duration) -> Result<(), Verdict> {
        let refuse = |word: &str| Err(Verdict::Refused(word.into()));
        let parent = header.parent();
        match self.standing(&parent) {
            None => return Err(Verdict::Orphan(self.profile.orphan)),
            Some(Standing::Invalid) => return refuse("bad-prevblk"),
            Some(Standing::Conflicting) => {
                return refuse(self.profile.locking.map_or("", |locking| locking.on_forbidden));
            }
            Some(_) => {}
        }
        let found = |checks: &[&str]| {
            let finding = findings.iter().find(|finding| checks.contains(&finding.check));
            finding.map(|finding| (self.profile.word)(finding, header))
        };
        if let Some(word) = found(&OF_ERA) {
            return refuse(&word);
        }
        if header.bits() != self.chain().params().pow_limit_bits {
            return refuse("bad-diffbits");
        }
        if header.time() <= self.median_time_past(&parent) {
            return refuse("time-too-old");
        }
        if header.time() > self.unix(now).saturating_add(MAX_AHEAD) {
            return refuse("time-too-new");
        }
        if let Some(word) = found(&OF_VERSION) {
            return refuse(&word);
        }
        let (hash, height) = (self.chain().block_hash(header), self.entry(&parent).height + 1);
        if self.is_forbidden(height, &hash) {
            if !self.knows(&hash) {
                self.insert(header, Standing::HeaderOnly);
            }
            self.mark(&hash, Standing::Conflicting);
            return refuse(&self.forbidden());
        }
        Ok(())
    }

    /// A block that nobody asked for is worth a look only near the tip (AcceptBlock).
    fn has_enough_work(&self, header: &Header, door: Door) -> bool {
        if door != (Door::Peer { asked: false }) {
            return true;
        }
        let parent = self.entry(&header.parent());
        let work = parent.work + super::work_of(header);
        let strictly = self.chain().session_policy().strictly_more_work;
        let enough = if strictly { work > self.work() } else { work >= self.work() };
        enough && parent.height < self.height() + self.profile.lead
    }

    /// Marks a block and everything built on it.
    pub(super) fn mark(&mut self, hash: &BlockHash, standing: Standing) {
        let branch: Vec<BlockHash> =
            self.entries.keys().filter(|other| self.descends(other, hash)).copied().collect();
        for block in branch {
            self.entry_mut(&block).standing = standing;
        }
    }
}

/// What keeps a block from being accepted. A peer must send it whole; `submitblock` mends what can be mended.
fn faults(judgement: &Judgement, door: Door) -> impl Iterator<Item = &Finding> {
    let is_fault = move |finding: &&Finding| {
        finding.severity == Severity::Error
            || (finding.check == "coinbase-witness-missing" && door != Door::Rpc)
    };
    judgement.findings.iter().filter(is_fault)
}

/// The header, if the bytes have one.
fn header_of(judgement: &Judgement, block: &Bytes) -> Option<Header> {
    judgement.hash?;
    match &judgement.block {
        Some(indexed) => Some(indexed.header.clone()),
        None => block.first_chunk().map(|fixed| Header::new(*fixed)),
    }
}
