//! The dialects of the three chains, as protocol.md §5.2 to §5.4 tell them. The chains' own crates have theirs; these
//! are written apart from them, so that the recordings check the wire crate and not what depends on it.

use wire::{DecodeError, Dialect, InvTypes, Reader};

fn skip_inputs(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = reader.count("inputs", usize::MAX, 41)?;
    for _ in 0..count {
        reader.skip("outpoint", 36)?;
        reader.byte_string("script", usize::MAX)?;
        reader.skip("sequence", 4)?;
    }
    Ok(count)
}

fn skip_outputs(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    for _ in 0..reader.count("outputs", usize::MAX, 9)? {
        reader.skip("value", 8)?;
        reader.byte_string("script", usize::MAX)?;
    }
    Ok(())
}

/// A transaction with marker; flag 1 announces witnesses, flag 8 (if known) a byte that must be zero.
fn skip_marked_transaction(reader: &mut Reader<'_>, known_flags: u8) -> Result<(), DecodeError> {
    reader.skip("version", 4)?;
    let flags = match reader.rest() {
        [0, flags, ..] if *flags != 0 => {
            reader.skip("marker", 2)?;
            *flags
        }
        _ => 0,
    };
    let invalid =
        |offset, why: &str| Err(DecodeError::Invalid { what: "transaction", offset, why: why.into() });
    if flags & !known_flags != 0 {
        return invalid(reader.offset(), "unknown flags");
    }
    let inputs = skip_inputs(reader)?;
    skip_outputs(reader)?;
    if flags & 1 != 0 {
        for _ in 0..inputs {
            for _ in 0..reader.count("witness items", usize::MAX, 1)? {
                reader.byte_string("witness item", usize::MAX)?;
            }
        }
    }
    if flags & 8 != 0 && reader.u8("MWEB part")? != 0 {
        return invalid(reader.offset(), "MWEB data");
    }
    reader.skip("lock time", 4)
}

const fn inv_types(compact_block: u32, full_block: u32, block_requests: &'static [u32]) -> InvTypes {
    InvTypes { block: 2, compact_block, full_block, block_requests }
}

/// Flag 8 on the HogEx.
#[derive(Debug)]
pub(crate) struct Litecoin;

impl Dialect for Litecoin {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = inv_types(4, 0x6000_0002, &[2, 0x4000_0002, 0x6000_0002]);
        &TYPES
    }

    fn skip_header_extension(&self, _: &[u8; 80], _: &mut Reader<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        skip_marked_transaction(reader, 1 | 8)
    }
}

/// An auxpow behind the header if bit 8 of the version is set.
#[derive(Debug)]
pub(crate) struct Dogecoin;

impl Dialect for Dogecoin {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = inv_types(4, 2, &[2]);
        &TYPES
    }

    fn skip_header_extension(&self, fixed: &[u8; 80], reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if fixed[1] & 1 == 0 {
            return Ok(());
        }
        self.skip_transaction(reader)?;
        reader.skip("hash of the parent block", 32)?;
        for branch in ["coinbase branch", "chain branch"] {
            let hashes = reader.count(branch, usize::MAX, 32)?;
            reader.skip(branch, 32 * hashes)?;
            reader.skip("index", 4)?;
        }
        reader.skip("parent header", 80)
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        skip_marked_transaction(reader, 1)
    }
}

/// No marker; an extra payload if the version is at least 3 and the type is not 0.
#[derive(Debug)]
pub(crate) struct Dash;

impl Dialect for Dash {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = inv_types(20, 2, &[2]);
        &TYPES
    }

    fn skip_header_extension(&self, _: &[u8; 80], _: &mut Reader<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (version, kind) = (reader.u16("version")?, reader.u16("type")?);
        skip_inputs(reader)?;
        skip_outputs(reader)?;
        reader.skip("lock time", 4)?;
        if version >= 3 && kind != 0 {
            reader.byte_string("extra payload", usize::MAX)?;
        }
        Ok(())
    }
}
