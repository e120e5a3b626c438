//! How Litecoin writes transactions, and the numbers of its inventory types.

use chain::transaction::{self, Layout};
use wire::{DecodeError, Dialect, InvTypes, Reader};

use crate::mweb;

/// The flag behind the marker of a transaction that says that an MWEB part follows the witness.
pub(crate) const MWEB_FLAG: u8 = 8;

/// What a peer asks for when it wants a block with witnesses.
const WITNESS_BLOCK: u32 = 0x4000_0002;

/// What a peer asks for when it wants a block with witnesses and MWEB part: the only form that can be passed on.
const MWEB_BLOCK: u32 = 0x6000_0002;

/// Litecoin's way of writing.
#[derive(Debug, Clone, Copy, Default)]
pub struct LitecoinDialect;

impl Dialect for LitecoinDialect {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = InvTypes {
            block: 2,
            compact_block: 4,
            full_block: MWEB_BLOCK,
            block_requests: &[2, WITNESS_BLOCK, MWEB_BLOCK],
        };
        &TYPES
    }

    fn skip_header_extension(&self, _: &[u8; 80], _: &mut Reader<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        scan(reader).map(drop)
    }
}

/// Finds the parts of the transaction at the reader, and moves behind it.
///
/// Flag 8 announces an MWEB part: the byte 0 ("absent"), which makes the transaction a HogEx, or 1 and the data, which
/// only transactions outside of blocks may carry ([`inspect`](crate::Litecoin) says so, not this).
pub(crate) fn scan(reader: &mut Reader<'_>) -> Result<Layout, DecodeError> {
    let layout = transaction::scan(reader, |flags, reader| {
        if flags != MWEB_FLAG {
            return transaction::no_other_flags(flags & !MWEB_FLAG, reader);
        }
        mweb::skip_transaction_part(reader)
    })?;
    if layout.is_superfluously_marked() {
        let why = "a witness is announced and all of it is empty".into();
        return Err(DecodeError::Invalid { what: "witness", offset: layout.witness.start, why });
    }
    if layout.flags.is_some_and(|flags| flags & MWEB_FLAG != 0)
        && layout.outputs == 0
        && layout.extra.len() == 1
    {
        let why = "it is marked as a HogEx and has no outputs".into();
        return Err(DecodeError::Invalid { what: "transaction", offset: layout.start, why });
    }
    Ok(layout)
}

/// What a transaction is to MWEB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MwebRole {
    /// Nothing.
    None,
    /// The one that ties a block to its MWEB part.
    HogEx,
    /// One that carries MWEB data of its own, as only those outside of blocks may.
    Carrier,
}

/// What a transaction says it is to MWEB. No hash covers this.
pub(crate) fn mweb_role(layout: &Layout) -> MwebRole {
    match layout.flags {
        Some(flags) if flags & MWEB_FLAG != 0 && layout.extra.len() == 1 => MwebRole::HogEx,
        Some(flags) if flags & MWEB_FLAG != 0 => MwebRole::Carrier,
        _ => MwebRole::None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_marker_with_no_witness_behind_it_is_refused_as_the_daemon_does() {
        let parts = [&[1, 0, 0, 0, 0, 1, 1][..], &[7; 36], &[0], &[0xff; 4], &[1], &[0; 8], &[0]].concat();
        let scanned =
            |witness: &[u8]| scan(&mut Reader::new(&Bytes::from([&parts, witness, &[0; 4]].concat())));
        assert_eq!(scanned(&[0]).unwrap_err().kind(), "invalid");
        assert!(scanned(&[1, 0]).is_ok());
    }
}
