//! What is checked of every transaction: its type, its shape, and its payload.

use bytes::Bytes;
use chain::Finding;
use wire::DecodeError;

use crate::{
    params::Rules,
    payload::{self, CoinbasePayload, CommitmentPayload},
    transaction::{Transaction, kind},
};

/// The version of quorum commitments' payloads (D llmq/commitment.h).
const COMMITMENT_PAYLOAD_VERSION: u16 = 1;

/// Checks the transactions of a block.
pub(crate) fn check(
    block: &Bytes,
    transactions: &[Transaction],
    height: Option<u32>,
    rules: &Rules,
) -> Vec<Finding> {
    let mut checker = Checker { block, height, rules, faults: Vec::new() };
    for (index, transaction) in transactions.iter().enumerate() {
        checker.check_shape(index, transaction);
        if rules.dip3(height) {
            checker.check_type(index, transaction);
            if let Some(payload) = transaction.payload(block) {
                checker.check_payload(index, transaction, &payload);
            }
        } else if transaction.payload.is_some() {
            let expected = format!("no special transactions below height {}", rules.dip3_height);
            checker.fault("bad-tx-type", index, expected, format!("type {}", transaction.kind));
        }
    }
    checker.faults.into_iter().map(Fault::into_finding).collect()
}

/// The first transaction that fails a check, and how many more do: a block can hold 33,000, and one finding of each
/// kind is enough.
struct Fault {
    check: &'static str,
    index: usize,
    expected: String,
    found: String,
    more: usize,
}

impl Fault {
    fn into_finding(self) -> Finding {
        let Self { check, index, expected, mut found, more } = self;
        found.push_str(&format!(" in transaction {index}"));
        if more > 0 {
            found.push_str(&format!(", and {more} more transactions like it"));
        }
        Finding::error(check, expected, found)
    }
}

struct Checker<'a> {
    block: &'a Bytes,
    height: Option<u32>,
    rules: &'a Rules,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(
        &mut self,
        check: &'static str,
        index: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        match self.faults.iter_mut().find(|fault| fault.check == check) {
            Some(fault) => fault.more += 1,
            None => {
                let (expected, found) = (expected.into(), found.into());
                self.faults.push(Fault { check, index, expected, found, more: 0 });
            }
        }
    }

    /// What holds whatever the height (D consensus/tx_check.cpp), and the size.
    fn check_shape(&mut self, index: usize, transaction: &Transaction) {
        let (may_lack_inputs, may_lack_outputs) = match transaction.kind {
            kind::QUORUM_COMMITMENT | kind::MNHF_SIGNAL => (true, true),
            kind::ASSET_UNLOCK => (true, false),
            _ => (false, false),
        };
        if transaction.inputs == 0 && !may_lack_inputs {
            self.fault("bad-txns-vin-empty", index, "at least one input", "none");
        }
        if transaction.outputs == 0 && !may_lack_outputs {
            self.fault("bad-txns-vout-empty", index, "at least one output", "none");
        }
        let (length, limit) = (transaction.range.len(), self.rules.max_transaction(self.height));
        if length > limit {
            let expected = format!("transactions of at most {limit} bytes");
            self.fault("bad-txns-oversize", index, expected, format!("{length} bytes"));
        }
        let length = transaction.payload.as_ref().map_or(0, ExactSizeIterator::len);
        if length > payload::MAX_PAYLOAD {
            let expected = format!("extra payloads of at most {} bytes", payload::MAX_PAYLOAD);
            self.fault("bad-txns-payload-oversize", index, expected, format!("{length} bytes"));
        }
    }

    /// From DIP3 on (D validation.cpp, ContextualCheckTransaction).
    fn check_type(&mut self, index: usize, transaction: &Transaction) {
        let Transaction { version, kind, .. } = *transaction;
        if kind > kind::ASSET_UNLOCK {
            self.fault("bad-txns-type", index, "a type of 0 to 9", format!("type {kind}"));
        } else if kind != kind::NORMAL && !transaction.is_special_version() {
            let found = format!("version {version} with type {kind}");
            self.fault("bad-txns-type", index, "a version of at least 3 with a type", found);
        } else if transaction.is_special_version()
            && kind != kind::COINBASE
            && transaction.is_coinbase(self.block)
        {
            let found = format!("version {version} with type {kind}");
            self.fault("bad-txns-cb-type", index, "a coinbase of type 5", found);
        }
    }

    /// From DIP3 on (D evo/specialtxman.cpp, CheckSpecialTxInner).
    fn check_payload(&mut self, index: usize, transaction: &Transaction, payload: &Bytes) {
        let (check, result) = match transaction.kind {
            kind::COINBASE if !transaction.is_coinbase(self.block) => {
                return self.fault("bad-cbtx-invalid", index, "type 5 for coinbases only", "one that spends");
            }
            kind::COINBASE => {
                let result = CoinbasePayload::read(payload).map(|read| self.check_coinbase(index, read));
                ("bad-cbtx-payload", result)
            }
            kind::QUORUM_COMMITMENT => {
                let result = CommitmentPayload::read(payload).map(|read| self.check_commitment(index, read));
                ("bad-qc-payload", result)
            }
            other => {
                let check = match other {
                    kind::MNHF_SIGNAL => "bad-mnhf-payload",
                    kind::ASSET_LOCK => "bad-assetlocktx-payload",
                    kind::ASSET_UNLOCK => "bad-assetunlocktx-payload",
                    _ => "bad-protx-payload",
                };
                (check, payload::check_length(other, payload))
            }
        };
        if let Err(error) = result {
            self.unreadable(check, index, transaction.kind, payload.len(), &error);
        }
    }

    fn unreadable(
        &mut self,
        check: &'static str,
        index: usize,
        kind: u16,
        length: usize,
        error: &DecodeError,
    ) {
        let found = format!("{length} bytes, where {error},");
        self.fault(check, index, format!("the payload of a transaction of type {kind}"), found);
    }

    fn check_coinbase(&mut self, index: usize, payload: CoinbasePayload) {
        let Some(height) = payload.height() else {
            return self.fault("bad-cbtx-height", index, "a height", payload.height.to_string());
        };
        let versions = self.rules.coinbase_payload_versions(height);
        if !versions.contains(&payload.version) {
            let (least, most) = (versions.start(), versions.end());
            let expected = format!("a payload version of {least} to {most} at height {height}");
            self.fault("bad-cbtx-version", index, expected, format!("version {}", payload.version));
        }
        if let Some(chainlock) = payload.chainlock
            && chainlock.is_null
            && chainlock.distance != 0
        {
            let found = format!("distance {}", chainlock.distance);
            self.fault("bad-cbtx-cldiff", index, "distance 0 to a ChainLock that is not known", found);
        }
    }

    fn check_commitment(&mut self, index: usize, payload: CommitmentPayload) {
        if payload.version != COMMITMENT_PAYLOAD_VERSION {
            let expected = format!("payload version {COMMITMENT_PAYLOAD_VERSION}");
            self.fault("bad-qc-version", index, expected, format!("version {}", payload.version));
        }
        if let Some(height) = self.height.filter(|&height| height != payload.height) {
            let expected = format!("quorum commitments for height {height}, which is the coinbase's");
            self.fault("bad-qc-height", index, expected, format!("height {}", payload.height));
        }
    }
}
