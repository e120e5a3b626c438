//! The layout of a transaction, found without understanding scripts.
//!
//! The form is Bitcoin's (BIP144): version, an optional marker with a byte of flags, inputs, outputs, the witness if
//! flag 1 says so, lock time. What further flags mean is a chain's own business: [`scan`] asks it.

use std::ops::Range;

use bytes::Bytes;
use wire::{DecodeError, Encode, Reader, Txid, Wtxid, sha256d};

use crate::{Finding, TransactionEntry, checks};

/// The flag that says that witnesses follow the outputs.
pub const WITNESS_FLAG: u8 = 1;

/// The least bytes of a transaction on every chain: version, counts of no inputs and no outputs, lock time.
const LEAST_TRANSACTION: usize = 10;

/// The shortest input: outpoint 36, empty script 1, sequence 4.
const LEAST_INPUT: usize = 41;

/// The shortest output: value 8, empty script 1.
const LEAST_OUTPUT: usize = 9;

/// Where the parts of a transaction lie, as offsets into the buffer that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// First byte.
    pub start: usize,
    /// The flags behind the marker; `None` without a marker.
    pub flags: Option<u8>,
    /// Counts, inputs and outputs.
    pub body: Range<usize>,
    /// The witness of all inputs; empty without flag 1.
    pub witness: Range<usize>,
    /// What the chain puts between witness and lock time for flags of its own; usually empty.
    pub extra: Range<usize>,
    /// The byte behind the last.
    pub end: usize,
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
}

/// Reads a block's transactions, of which `scan` keeps what its chain wants to know of each, and says where that fails.
/// Gives those that could be read, and whether these are all. More than `most` do not fit into a valid block: none of
/// them is read then.
pub fn read_all<T>(
    reader: &mut Reader<'_>,
    most: usize,
    mut scan: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>,
    findings: &mut Vec<Finding>,
) -> (Vec<T>, bool) {
    let mut transactions = Vec::new();
    let mut read = || {
        let count = reader.count("number of transactions", usize::MAX, LEAST_TRANSACTION)?;
        if count > most {
            let expected = format!("at most {most} transactions");
            return Ok(Some(Finding::error("bad-blk-length", expected, count.to_string())));
        }
        transactions.reserve_exact(count);
        for _ in 0..count {
            transactions.push(scan(reader)?);
        }
        Ok(None)
    };
    let finding = read().unwrap_or_else(|error| Some(checks::undecodable("transactions", &error)));
    let complete = finding.is_none();
    findings.extend(finding);
    (transactions, complete)
}

/// For chains whose transactions know no flag but the witness's.
///
/// # Errors
/// Always: it is asked only when there is such a flag.
pub fn no_other_flags(flags: u8, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let why = format!("unknown flags {flags:#04x}");
    Err(DecodeError::Invalid { what: "transaction flags", offset: reader.offset(), why })
}

/// Finds the parts of the transaction at the reader, and moves behind it. `other_flags` is given the flags besides the
/// witness's, if any, and must move over what they announce.
///
/// # Errors
/// When the bytes end too early, or flags are unknown. That witnesses are announced and all of them empty is no error
/// here: it is to Litecoin's daemon, and not to Dogecoin's ([`Layout::is_superfluously_marked`]).
pub fn scan(
    reader: &mut Reader<'_>,
    other_flags: impl FnOnce(u8, &mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<Layout, DecodeError> {
    let start = reader.offset();
    reader.skip("transaction version", 4)?;
    let flags = match reader.rest() {
        // No inputs where flags follow; a zero there would be an empty transaction, which has no place in a block.
        [0, flags, ..] if *flags != 0 => {
            reader.skip("transaction flags", 2)?;
            Some(*flags)
        }
        _ => None,
    };
    let body = reader.offset();
    let inputs = reader.count("inputs", usize::MAX, LEAST_INPUT)?;
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
    let body = body..reader.offset();
    let witness = reader.offset();
    if flags.is_some_and(|flags| flags & WITNESS_FLAG != 0) {
        for _ in 0..inputs {
            for _ in 0..reader.count("witness items", usize::MAX, 1)? {
                skip_byte_string(reader, "witness item")?;
            }
        }
    }
    let witness = witness..reader.offset();
    let extra = reader.offset();
    if let Some(others) = flags.map(|flags| flags & !WITNESS_FLAG).filter(|&others| others != 0) {
        other_flags(others, reader)?;
    }
    let extra = extra..reader.offset();
    reader.skip("lock time", 4)?;
    Ok(Layout { start, flags, body, witness, extra, end: reader.offset(), inputs, outputs })
}

fn skip_byte_string(reader: &mut Reader<'_>, what: &'static str) -> Result<(), DecodeError> {
    let length = reader.count(what, usize::MAX, 1)?;
    reader.skip(what, length)
}

/// An input, as far as block rules look at it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The transaction and output being spent: 32 bytes of txid in wire order, 4 of index.
    pub outpoint: [u8; 36],
    /// The script.
    pub script: Bytes,
}

/// An output, as far as block rules look at it.
#[derive(Debug, Clone)]
pub struct Output {
    /// Base units.
    pub value: i64,
    /// The script.
    pub script: Bytes,
}

impl Layout {
    /// Whether any input has a witness that is not empty. An empty one is one byte long, any other is longer.
    pub fn has_witness(&self) -> bool {
        self.witness.len() > self.inputs
    }

    /// Whether a witness was announced and all of it is empty.
    pub fn is_superfluously_marked(&self) -> bool {
        self.flags.is_some_and(|flags| flags & WITNESS_FLAG != 0) && !self.has_witness()
    }

    /// Length of the transaction without marker, witness and extras, in bytes.
    pub fn stripped_len(&self) -> usize {
        4 + self.body.len() + 4
    }

    /// The name in the merkle tree.
    pub fn txid(&self, buffer: &[u8]) -> Txid {
        let mut bytes = Vec::with_capacity(self.stripped_len());
        bytes.extend_from_slice(&buffer[self.start..self.start + 4]);
        bytes.extend_from_slice(&buffer[self.body.clone()]);
        bytes.extend_from_slice(&buffer[self.end - 4..self.end]);
        Txid::from_wire(sha256d(&bytes))
    }

    /// The hash with witness, without extras; equal to the txid when there is no witness.
    pub fn wtxid(&self, buffer: &[u8]) -> Wtxid {
        if !self.has_witness() {
            return Wtxid::from_wire(*self.txid(buffer).as_wire());
        }
        let mut bytes = Vec::with_capacity(self.stripped_len() + 2 + self.witness.len());
        bytes.extend_from_slice(&buffer[self.start..self.start + 4]);
        bytes.extend_from_slice(&[0, WITNESS_FLAG]);
        bytes.extend_from_slice(&buffer[self.body.clone()]);
        bytes.extend_from_slice(&buffer[self.witness.clone()]);
        bytes.extend_from_slice(&buffer[self.end - 4..self.end]);
        Wtxid::from_wire(sha256d(&bytes))
    }

    /// Its entry in a block's index. The block is shorter than 4 GiB, as every message is.
    pub fn entry(&self, block: &[u8]) -> TransactionEntry {
        let txid = self.txid(block);
        let wtxid = if self.has_witness() { self.wtxid(block) } else { Wtxid::from_wire(*txid.as_wire()) };
        TransactionEntry { offset: self.start as u32, length: (self.end - self.start) as u32, txid, wtxid }
    }

    /// The inputs and outputs of a scanned transaction.
    pub fn parts(&self, buffer: &Bytes) -> Option<(Vec<Input>, Vec<Output>)> {
        let mut reader = Reader::at(buffer, self.body.start);
        let r = &mut reader;
        let count = r.count("inputs", self.inputs, LEAST_INPUT).ok()?;
        let mut inputs = Vec::with_capacity(count);
        for _ in 0..count {
            let outpoint = r.array("outpoint").ok()?;
            let script = r.byte_string("input script", usize::MAX).ok()?;
            r.skip("sequence", 4).ok()?;
            inputs.push(Input { outpoint, script });
        }
        let count = r.count("outputs", self.outputs, LEAST_OUTPUT).ok()?;
        let mut outputs = Vec::with_capacity(count);
        for _ in 0..count {
            let value = r.i64("output value").ok()?;
            outputs.push(Output { value, script: r.byte_string("output script", usize::MAX).ok()? });
        }
        Some((inputs, outputs))
    }

    /// The first input's script, without looking at the others; `None` without inputs.
    pub fn first_script(&self, buffer: &Bytes) -> Option<Bytes> {
        let mut reader = Reader::at(buffer, self.body.start);
        reader.count("inputs", self.inputs, LEAST_INPUT).ok().filter(|&inputs| inputs > 0)?;
        reader.skip("outpoint", 36).ok()?;
        reader.byte_string("input script", usize::MAX).ok()
    }

    /// Whether it spends nothing: one input whose outpoint is 32 zeros and index 0xffffffff.
    pub fn is_coinbase(&self, buffer: &[u8]) -> bool {
        let outpoint = self.body.start + 1;
        self.inputs == 1
            && buffer[outpoint..outpoint + 32].iter().all(|&byte| byte == 0)
            && buffer[outpoint + 32..outpoint + 36].iter().all(|&byte| byte == 0xff)
    }
}

/// The height that a coinbase script begins with (BIP34): one of `OP_1` to `OP_16`, or a push of up to four bytes,
/// little-endian. `None` if it begins with something else.
pub fn coinbase_height(script: &[u8]) -> Option<u32> {
    let (&length, rest) = script.split_first()?;
    match length {
        0 => Some(0),
        0x51..=0x60 => Some(u32::from(length - 0x50)),
        1..=4 => {
            let digits = rest.get(..length.into())?;
            let mut bytes = [0; 4];
            bytes[..digits.len()].copy_from_slice(digits);
            // The top bit is a sign in script numbers.
            Some(u32::from_le_bytes(bytes)).filter(|_| digits.last().is_some_and(|&top| top & 0x80 == 0))
        }
        _ => None,
    }
}

/// The script bytes that a block of `height` must begin with: what [`coinbase_height`] reads.
pub fn height_push(height: u32) -> Vec<u8> {
    let mut script = Vec::with_capacity(6);
    match height {
        0 => script.push(0),
        1..=16 => script.push(0x50 + height as u8),
        _ => {
            let mut digits = height.to_le_bytes().to_vec();
            while digits.len() > 1 && digits.last() == Some(&0) {
                digits.pop();
            }
            if digits.last().is_some_and(|&top| top & 0x80 != 0) {
                digits.push(0);
            }
            script.put_byte_string(&digits);
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_marker_without_a_witness_behind_it_changes_no_name() {
        let plain = [&[1, 0, 0, 0, 1][..], &[7; 36], &[0], &[0xff; 4], &[1], &[0; 8], &[0], &[0; 4]].concat();
        let marked = |witness: &[u8]| {
            Bytes::from([&plain[..4], &[0, 1], &plain[4..plain.len() - 4], witness, &[0; 4]].concat())
        };
        let scanned = |bytes: &Bytes| scan(&mut Reader::new(bytes), no_other_flags).unwrap();
        let (plain, empty, full) = (Bytes::from(plain.clone()), marked(&[0]), marked(&[1, 0]));
        let names = [&plain, &empty, &full].map(|bytes| scanned(bytes).txid(bytes));
        assert!(names.iter().all(|name| *name == names[0]));
        let seen = [&plain, &empty, &full].map(|bytes| {
            let layout = scanned(bytes);
            (layout.has_witness(), layout.is_superfluously_marked())
        });
        assert_eq!(seen, [(false, false), (false, true), (true, false)]);
        assert_eq!(scanned(&empty).wtxid(&empty).as_wire(), names[0].as_wire());
        assert_ne!(scanned(&full).wtxid(&full).as_wire(), names[0].as_wire());
    }

    proptest! {
        #[test]
        fn heights_read_back(height in 0u32..0x8000_0000) {
            prop_assert_eq!(coinbase_height(&height_push(height)), Some(height));
        }

        #[test]
        fn no_bytes_make_the_scan_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            if let Ok(layout) = scan(&mut Reader::new(&bytes), no_other_flags) {
                layout.txid(&bytes);
                layout.wtxid(&bytes);
                layout.is_coinbase(&bytes);
                let (inputs, _) = layout.parts(&bytes).expect("the scan went over them");
                prop_assert_eq!(layout.first_script(&bytes), inputs.first().map(|input| input.script.clone()));
            }
        }
    }
}
