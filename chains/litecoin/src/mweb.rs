//! The MWEB part behind a block's transactions (LIP-2, LIP-3; layout in L libmw/include/mw/models).
//!
//! The last transaction, the HogEx, commits to it: its first output pays to the hash of the part's header. Everything
//! but that header is left unjudged here, yet walked to its end, because only so can be told where the block ends.

use bytes::Bytes;
use chain::{Finding, transaction::Layout};
use wire::{DecodeError, Reader};

use crate::{
    dialect::{MwebRole, mweb_role},
    params::Rules,
};

/// Compressed points: commitments and public keys, in bytes.
const POINT: usize = 33;
/// Schnorr signatures, in bytes.
const SIGNATURE: usize = 64;
/// Range proofs, in bytes.
const RANGE_PROOF: usize = 675;

/// The shortest input: features, output id, commitment, output key, signature.
const LEAST_INPUT: usize = 1 + 32 + 2 * POINT + SIGNATURE;
/// The shortest output: commitment, two keys, features, range proof, signature.
const LEAST_OUTPUT: usize = 3 * POINT + 1 + RANGE_PROOF + SIGNATURE;
/// The shortest kernel: features, excess, signature.
const LEAST_KERNEL: usize = 1 + POINT + SIGNATURE;

/// What matters of a block's MWEB part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MwebPart {
    /// BLAKE3-256 of its header.
    pub(crate) hash: [u8; 32],
    /// The height in its header.
    pub(crate) height: u64,
}

/// Reads what stands behind a HogEx: a byte that says whether an MWEB part follows, and the part. `None` if the byte
/// says no, or the block ends before it.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Option<MwebPart>, DecodeError> {
    if reader.left() == 0 || !read_presence(reader)? {
        return Ok(None);
    }
    let start = reader.offset();
    let height = read_varint(reader, "MWEB height", i32::MAX as u64)?;
    reader.skip("MWEB roots and offsets", 5 * 32)?;
    read_varint(reader, "MWEB output count", u64::MAX)?;
    read_varint(reader, "MWEB kernel count", u64::MAX)?;
    let hash = *blake3::hash(&reader.since(start)).as_bytes();
    skip_body(reader)?;
    Ok(Some(MwebPart { hash, height }))
}

/// Moves over the MWEB part of a transaction, which is usually the one byte that says that there is none.
pub(crate) fn skip_transaction_part(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if read_presence(reader)? {
        reader.skip("MWEB offsets", 2 * 32)?;
        skip_body(reader)?;
    }
    Ok(())
}

fn read_presence(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    reader.flag("presence of an MWEB part")
}

fn skip_body(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for _ in 0..reader.count("MWEB inputs", usize::MAX, LEAST_INPUT)? {
        let features = reader.u8("MWEB input features")?;
        reader.skip("MWEB input", 32 + 2 * POINT)?;
        if features & 1 != 0 {
            reader.skip("MWEB input key", POINT)?;
        }
        if features & 2 != 0 {
            skip_byte_string(reader)?;
        }
        reader.skip("MWEB input signature", SIGNATURE)?;
    }
    for _ in 0..reader.count("MWEB outputs", usize::MAX, LEAST_OUTPUT)? {
        reader.skip("MWEB output", 3 * POINT)?;
        let features = reader.u8("MWEB output features")?;
        if features & 1 != 0 {
            reader.skip("MWEB output message", POINT + 1 + 8 + 16)?;
        }
        if features & 2 != 0 {
            skip_byte_string(reader)?;
        }
        reader.skip("MWEB output proof and signature", RANGE_PROOF + SIGNATURE)?;
    }
    for _ in 0..reader.count("MWEB kernels", usize::MAX, LEAST_KERNEL)? {
        skip_kernel(reader)?;
    }
    Ok(())
}

fn skip_kernel(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let features = reader.u8("MWEB kernel features")?;
    if features & 0x01 != 0 {
        read_varint(reader, "MWEB fee", i64::MAX as u64)?;
    }
    if features & 0x02 != 0 {
        read_varint(reader, "MWEB peg-in", i64::MAX as u64)?;
    }
    if features & 0x04 != 0 {
        for _ in 0..reader.count("MWEB peg-outs", usize::MAX, 3)? {
            read_varint(reader, "MWEB peg-out", i64::MAX as u64)?;
            skip_byte_string(reader)?;
        }
    }
    if features & 0x08 != 0 {
        read_varint(reader, "MWEB lock height", i32::MAX as u64)?;
    }
    if features & 0x10 != 0 {
        reader.skip("MWEB stealth excess", POINT)?;
    }
    if features & 0x20 != 0 {
        skip_byte_string(reader)?;
    }
    reader.skip("MWEB kernel", POINT + SIGNATURE)
}

fn skip_byte_string(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let length = reader.count("MWEB extra data", usize::MAX, 1)?;
    reader.skip("MWEB extra data", length)
}

/// A VARINT, which is not a CompactSize: base 128, most significant digits first, bit 7 set on all bytes but the last,
/// and one added for each further byte, so that every number has one form (L serialize.h, ReadVarInt).
fn read_varint(reader: &mut Reader<'_>, what: &'static str, max: u64) -> Result<u64, DecodeError> {
    let offset = reader.offset();
    let mut value = 0u64;
    loop {
        let byte = reader.u8(what)?;
        let too_large = || DecodeError::Invalid { what, offset, why: format!("over {max}") };
        if value > max >> 7 {
            return Err(too_large());
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
        if value >= max {
            return Err(too_large());
        }
        value += 1;
    }
}

/// Whether a block's HogEx and MWEB part belong together. `part` is what was found behind the last transaction.
pub(crate) fn check(
    block: &Bytes,
    transactions: &[Layout],
    part: Option<&MwebPart>,
    height: Option<u32>,
    rules: &Rules,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some((last, others)) = transactions.split_last() else { return findings };
    if let Some(index) = transactions.iter().position(|layout| mweb_role(layout) == MwebRole::Carrier) {
        let found = format!("transaction {index} carries MWEB data of its own");
        findings.push(Finding::error(
            "unexpected-mweb-data",
            "MWEB data behind the last transaction only",
            found,
        ));
    }
    if let Some(index) = others.iter().position(|layout| mweb_role(layout) == MwebRole::HogEx) {
        let found = format!("transaction {index} of {} is marked", transactions.len());
        findings.push(Finding::error(
            "bad-hogex-position",
            "only the last transaction marked as HogEx",
            found,
        ));
    }
    let marked = mweb_role(last) == MwebRole::HogEx;
    let committed = if others.is_empty() { None } else { committed_hash(block, last) };
    match (marked, committed, part) {
        (false, None, _) if !rules.mweb(height) => {}
        (false, None, _) => {
            let expected = "a HogEx as last transaction, and an MWEB part behind it";
            findings.push(Finding::error("mweb-missing", expected, "a last transaction that is no HogEx"));
        }
        // litecoind looks for the part only behind a marked HogEx, and says `mweb-missing` to this too.
        (false, Some(_), _) => {
            findings.push(Finding::error(
                "hogex-missing",
                "the HogEx marked as one (flag 8, and a zero byte before its lock time)",
                "a last transaction that pays to an MWEB part and is not marked: this is a stripped form of the block",
            ));
        }
        (true, _, None) => {
            let found = if others.is_empty() { "a coinbase marked as HogEx" } else { "no MWEB part" };
            findings.push(Finding::error("mweb-missing", "an MWEB part behind the HogEx", found));
        }
        (true, None, Some(_)) => {
            let expected = "a HogEx whose first output pays to an MWEB header (58 20 and 32 bytes)";
            findings.push(Finding::error("bad-hogex", expected, "another script"));
        }
        (true, Some(committed), Some(part)) => {
            if committed != part.hash {
                let expected = format!("an MWEB header with hash {}, as the HogEx says", hex(&committed));
                findings.push(Finding::error("mweb-hash-mismatch", expected, hex(&part.hash)));
            }
            if let Some(height) = height.filter(|&height| u64::from(height) != part.height) {
                let expected = format!("MWEB height {height}, as the coinbase says");
                findings.push(Finding::error("mweb-height-mismatch", expected, part.height.to_string()));
            }
        }
    }
    findings
}

/// The hash that a HogEx commits to: the program of its first output, if that is of witness version 8.
fn committed_hash(block: &Bytes, hogex: &Layout) -> Option<[u8; 32]> {
    let (_, outputs) = hogex.parts(block)?;
    let program = outputs.first()?.script.strip_prefix(&[0x58, 0x20])?;
    program.try_into().ok()
}

/// As the daemon prints MWEB hashes: not reversed.
fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8], max: u64) -> Result<u64, DecodeError> {
        read_varint(&mut Reader::new(&Bytes::copy_from_slice(bytes)), "number", max)
    }

    #[test]
    fn varints_read_as_the_table_in_the_daemons_source_says() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0x00], 128),
            (&[0x80, 0x7f], 255),
            (&[0x81, 0x00], 256),
            (&[0xfe, 0x7f], 16_383),
            (&[0xff, 0x00], 16_384),
            (&[0x82, 0xfe, 0x7f], 65_535),
            (&[0x8e, 0xfe, 0xfe, 0xff, 0x00], 1 << 32),
        ] {
            assert_eq!(varint(bytes, u64::MAX), Ok(value));
        }
    }

    #[test]
    fn a_varint_over_its_limit_is_refused() {
        assert_eq!(varint(&[0x8e, 0xfe, 0xfe, 0xff, 0x00], i32::MAX as u64).unwrap_err().kind(), "invalid");
        assert_eq!(varint(&[0xff; 12], u64::MAX).unwrap_err().kind(), "invalid");
        assert_eq!(varint(&[0xff; 5], u64::MAX).unwrap_err().kind(), "truncated");
    }
}
