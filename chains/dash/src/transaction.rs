//! Where the parts of a transaction lie (DIP2; D primitives/transaction.h).
//!
//! What is a version of four bytes elsewhere is a version and a type of two bytes each. There is no marker and no
//! witness; a transaction of version 3 or above with a type other than 0 has a *payload* behind its lock time, and
//! some of these spend nothing and pay to nobody.

use std::ops::Range;

use bytes::Bytes;
use wire::{DecodeError, Reader, Txid, sha256d};

/// The shortest input: outpoint 36, empty script 1, sequence 4.
const LEAST_INPUT: usize = 41;

/// The shortest output: value 8, empty script 1.
const LEAST_OUTPUT: usize = 9;

/// The first version whose type means a payload.
const SPECIAL_VERSION: i16 = 3;

/// What a transaction is for. Numbers above these are not known.
pub(crate) mod kind {
    pub(crate) const NORMAL: u16 = 0;
    pub(crate) const PROVIDER_REGISTER: u16 = 1;
    pub(crate) const PROVIDER_UPDATE_REVOKE: u16 = 4;
    pub(crate) const COINBASE: u16 = 5;
    pub(crate) const QUORUM_COMMITMENT: u16 = 6;
    pub(crate) const MNHF_SIGNAL: u16 = 7;
    pub(crate) const ASSET_LOCK: u16 = 8;
    pub(crate) const ASSET_UNLOCK: u16 = 9;
}

/// A transaction's version and type, and where its parts lie, as offsets into the buffer that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// All of it.
    pub(crate) range: Range<usize>,
    /// The version.
    pub(crate) version: i16,
    /// The type; see [`kind`]. It means something from version 3 on.
    pub(crate) kind: u16,
    /// Number of inputs.
    pub(crate) inputs: usize,
    /// Number of outputs.
    pub(crate) outputs: usize,
    /// Where the first input begins.
    first_input: usize,
    /// The payload without its length, if version and type announce one; it may be empty all the same.
    pub(crate) payload: Option<Range<usize>>,
}

impl Transaction {
    /// Finds the parts of the transaction at the reader, and moves behind it.
    ///
    /// # Errors
    /// When the bytes end too early, or a length is not in its shortest form.
    pub(crate) fn scan(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.offset();
        let version = i16::from_le_bytes(reader.array("transaction version")?);
        let kind = reader.u16("transaction type")?;
        let inputs = reader.count("inputs", usize::MAX, LEAST_INPUT)?;
        let first_input = reader.offset();
        for _ in 0..inputs {
            reader.skip("outpoint", 36)?;
            skip_byte_string(reader, "input script")?;
            reader.skip("sequence", 4)?;
        }
        let outputs = reader.count("outputs", usize::MAX, LEAST_OUTPUT)?;
        for _ in 0..outputs {
            reader.skip("output value", 8)?;
            skip_byte_string(reader, "output script")?;
        }
        reader.skip("lock time", 4)?;
        let payload = if version >= SPECIAL_VERSION && kind != kind::NORMAL {
            let length = reader.count("extra payload", usize::MAX, 1)?;
            let payload = reader.offset();
            reader.skip("extra payload", length)?;
            Some(payload..reader.offset())
        } else {
            None
        };
        Ok(Self { range: start..reader.offset(), version, kind, inputs, outputs, first_input, payload })
    }

    /// Whether its version is one with which its type means something.
    pub(crate) fn is_special_version(&self) -> bool {
        self.version >= SPECIAL_VERSION
    }

    /// Its name: the hash of all its bytes, payload included.
    pub(crate) fn txid(&self, buffer: &[u8]) -> Txid {
        Txid::from_wire(sha256d(&buffer[self.range.clone()]))
    }

    /// Whether it spends nothing: one input whose outpoint is 32 zeros and index 0xffffffff. Its type is not asked.
    pub(crate) fn is_coinbase(&self, buffer: &[u8]) -> bool {
        let outpoint = &buffer[self.first_input..];
        self.inputs == 1
            && outpoint[..32].iter().all(|&byte| byte == 0)
            && outpoint[32..36].iter().all(|&byte| byte == 0xff)
    }

    /// The first input's script; empty without inputs.
    pub(crate) fn first_script(&self, buffer: &Bytes) -> Bytes {
        if self.inputs == 0 {
            return Bytes::new();
        }
        let mut reader = Reader::at(buffer, self.first_input + 36);
        reader.byte_string("input script", usize::MAX).expect("the scan went over it")
    }

    /// The payload's bytes, if version and type announce them.
    pub(crate) fn payload(&self, buffer: &Bytes) -> Option<Bytes> {
        self.payload.clone().map(|range| buffer.slice(range))
    }
}

fn skip_byte_string(reader: &mut Reader<'_>, what: &'static str) -> Result<(), DecodeError> {
    let length = reader.count(what, usize::MAX, 1)?;
    reader.skip(what, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scanned(bytes: &[u8]) -> Result<Transaction, DecodeError> {
        Transaction::scan(&mut Reader::new(&Bytes::copy_from_slice(bytes)))
    }

    #[test]
    fn a_payload_follows_from_version_3_on_and_only_with_a_type() {
        let bare = |version: i16, kind: u16| {
            [&version.to_le_bytes()[..], &kind.to_le_bytes(), &[0, 0], &[0; 4]].concat()
        };
        for (version, kind) in [(2, 0), (2, 5), (3, 0), (-1, 5), (i16::MIN, 5)] {
            assert_eq!(scanned(&bare(version, kind)).unwrap().payload, None, "{version} {kind}");
        }
        for (version, kind) in [(3, 1), (3, 5), (4, 99), (i16::MAX, 5)] {
            assert_eq!(scanned(&bare(version, kind)).unwrap_err().kind(), "truncated");
            let with_payload = [bare(version, kind), vec![2, 7, 8]].concat();
            assert_eq!(scanned(&with_payload).unwrap().payload, Some(11..13));
            assert_eq!(scanned(&with_payload[..12]).unwrap_err().kind(), "truncated");
        }
    }

    #[test]
    fn no_inputs_are_no_marker() {
        // Elsewhere 00 01 would announce witnesses: here it is no inputs and one output, as asset unlocks have it.
        let bytes = [&[3, 0, 9, 0, 0, 1][..], &[0; 8], &[0], &[0; 4], &[1, 7]].concat();
        let transaction = scanned(&bytes).unwrap();
        assert_eq!((transaction.inputs, transaction.outputs), (0, 1));
        assert_eq!(transaction.range, 0..bytes.len());
        assert!(transaction.first_script(&bytes.into()).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_scan_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            if let Ok(transaction) = Transaction::scan(&mut Reader::new(&bytes)) {
                prop_assert!(transaction.range.end <= bytes.len());
                transaction.txid(&bytes);
                transaction.is_coinbase(&bytes);
                transaction.first_script(&bytes);
                transaction.payload(&bytes);
            }
        }
    }
}
