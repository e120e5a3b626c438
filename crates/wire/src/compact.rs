//! Compact blocks (BIP152): `sendcmpct`, `cmpctblock`, `getblocktxn`, `blocktxn`.

use bytes::{BufMut, Bytes};

use crate::{BlockHash, DecodeError, Dialect, Encode, Header, Reader};

/// The most transactions that a block's indexes may speak of. The daemons hold indexes in 16 bits.
const MAX_TRANSACTIONS: usize = 0x1_0000;

/// The shortest transaction: version, no inputs, no outputs, lock time.
const LEAST_TRANSACTION: usize = 10;

/// `sendcmpct`: how the sender would like blocks announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendCompact {
    /// Whether to push compact blocks at once, without asking first ("high bandwidth").
    pub announce: bool,
    /// The format: 1 without witness, 2 with, 3 (Litecoin) with witness and MWEB.
    pub version: u64,
}

/// The low 48 bits of a SipHash of a transaction's hash.
pub type ShortId = [u8; 6];

/// A transaction that the sender of a compact block thinks we lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefilledTransaction {
    /// Its place in the block, counted from zero. On the wire it is the distance to the one before.
    pub index: u16,
    /// Its bytes.
    pub transaction: Bytes,
}

/// `cmpctblock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactBlock {
    /// The header, with its extension.
    pub header: Header,
    /// Chosen by the sender; part of the key of the short ids.
    pub nonce: u64,
    /// The short ids of the transactions that are not prefilled, in block order.
    pub short_ids: Vec<ShortId>,
    /// The prefilled ones, in block order.
    pub prefilled: Vec<PrefilledTransaction>,
    /// Whatever follows: on Litecoin, format 3, the MWEB part.
    pub extension: Bytes,
}

impl CompactBlock {
    pub(crate) fn read(reader: &mut Reader<'_>, dialect: &dyn Dialect) -> Result<Self, DecodeError> {
        let header = Header::read(reader, dialect)?;
        let nonce = reader.u64("nonce")?;
        let count = reader.count("short ids", MAX_TRANSACTIONS, 6)?;
        let short_ids = (0..count).map(|_| reader.array("short id")).collect::<Result<_, _>>()?;
        let count = reader.count("prefilled transactions", MAX_TRANSACTIONS, 1 + LEAST_TRANSACTION)?;
        let mut indexes = Differential::default();
        let prefilled = (0..count)
            .map(|_| {
                let index = indexes.read(reader)?;
                Ok(PrefilledTransaction { index, transaction: read_transaction(reader, dialect)? })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { header, nonce, short_ids, prefilled, extension: reader.take_rest() })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        self.header.write(out);
        out.put_u64_le(self.nonce);
        out.put_compact_size(self.short_ids.len() as u64);
        self.short_ids.iter().for_each(|id| out.put_slice(id));
        out.put_compact_size(self.prefilled.len() as u64);
        let mut indexes = Differential::default();
        for prefilled in &self.prefilled {
            indexes.write(prefilled.index, out);
            out.put_slice(&prefilled.transaction);
        }
        out.put_slice(&self.extension);
    }
}

/// `getblocktxn`: "these transactions of that block, please".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetBlockTxn {
    /// The block.
    pub block: BlockHash,
    /// Places in the block, counted from zero, rising.
    pub indexes: Vec<u16>,
}

impl GetBlockTxn {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let block = BlockHash::from_wire(reader.array("block hash")?);
        let count = reader.count("indexes", MAX_TRANSACTIONS, 1)?;
        let mut indexes = Differential::default();
        let indexes = (0..count).map(|_| indexes.read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { block, indexes })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_slice(self.block.as_wire());
        out.put_compact_size(self.indexes.len() as u64);
        let mut differential = Differential::default();
        self.indexes.iter().for_each(|&index| differential.write(index, out));
    }
}

/// `blocktxn`: the answer to [`GetBlockTxn`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTxn {
    /// The block.
    pub block: BlockHash,
    /// The transactions' bytes, in the order in which they were asked for.
    pub transactions: Vec<Bytes>,
}

impl BlockTxn {
    pub(crate) fn read(reader: &mut Reader<'_>, dialect: &dyn Dialect) -> Result<Self, DecodeError> {
        let block = BlockHash::from_wire(reader.array("block hash")?);
        let count = reader.count("transactions", MAX_TRANSACTIONS, LEAST_TRANSACTION)?;
        let transactions = (0..count).map(|_| read_transaction(reader, dialect)).collect::<Result<_, _>>()?;
        Ok(Self { block, transactions })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_slice(self.block.as_wire());
        out.put_compact_size(self.transactions.len() as u64);
        self.transactions.iter().for_each(|transaction| out.put_slice(transaction));
    }
}

fn read_transaction(reader: &mut Reader<'_>, dialect: &dyn Dialect) -> Result<Bytes, DecodeError> {
    let start = reader.offset();
    dialect.skip_transaction(reader)?;
    Ok(reader.since(start))
}

/// Rising indexes, each written as the distance to the one before, less one (BIP152).
#[derive(Debug, Default)]
struct Differential {
    /// The least index that may come next.
    next: u64,
}

impl Differential {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let offset = reader.offset();
        let distance = reader.compact_size("index")?;
        let index = self.next.checked_add(distance).and_then(|index| u16::try_from(index).ok());
        let Some(index) = index else {
            let limit = u64::from(u16::MAX);
            return Err(DecodeError::TooMany { what: "index", offset, found: distance, limit });
        };
        self.next = u64::from(index) + 1;
        Ok(index)
    }

    fn write(&mut self, index: u16, out: &mut impl BufMut) {
        out.put_compact_size(u64::from(index).saturating_sub(self.next));
        self.next = u64::from(index) + 1;
    }
}
