//! Block headers, and the messages that ask for them and carry them.

use std::fmt;

use bytes::{BufMut, Bytes};

use crate::{BlockHash, DecodeError, Dialect, Encode, MerkleRoot, Reader};

/// The most headers in one `headers` message; more costs 20 points.
pub const MAX_HEADERS: usize = 2000;

/// The most entries of a locator; more means disconnection.
pub const MAX_LOCATOR: usize = 101;

/// A block header: 80 bytes, and whatever the chain puts behind them (Dogecoin: the auxpow).
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    fixed: [u8; 80],
    extension: Bytes,
}

impl Header {
    /// Length of the part that every chain has, in bytes.
    pub const LEN: usize = 80;

    /// A header with nothing behind its 80 bytes.
    pub const fn new(fixed: [u8; 80]) -> Self {
        Self { fixed, extension: Bytes::new() }
    }

    /// Reads a header in the chain's dialect.
    ///
    /// # Errors
    /// When the bytes end too early, or the extension is not one.
    pub fn read(reader: &mut Reader<'_>, dialect: &dyn Dialect) -> Result<Self, DecodeError> {
        let fixed = reader.array("block header")?;
        let start = reader.offset();
        dialect.skip_header_extension(&fixed, reader)?;
        Ok(Self { fixed, extension: reader.since(start) })
    }

    /// Writes it as it was read.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.fixed);
        out.put_slice(&self.extension);
    }

    /// The 80 bytes.
    pub fn fixed(&self) -> &[u8; 80] {
        &self.fixed
    }

    /// What stands behind the 80 bytes; empty on most chains.
    pub fn extension(&self) -> &Bytes {
        &self.extension
    }

    fn part<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&self.fixed[offset..offset + N]);
        part
    }

    /// The version, whose bits mean different things on different chains.
    pub fn version(&self) -> i32 {
        i32::from_le_bytes(self.part(0))
    }

    /// The parent.
    pub fn parent(&self) -> BlockHash {
        BlockHash::from_wire(self.part(4))
    }

    /// The root of the tree of txids.
    pub fn merkle_root(&self) -> MerkleRoot {
        MerkleRoot::from_wire(self.part(36))
    }

    /// The miner's clock, Unix seconds.
    pub fn time(&self) -> u32 {
        u32::from_le_bytes(self.part(68))
    }

    /// The target in compact form ("nBits").
    pub fn bits(&self) -> u32 {
        u32::from_le_bytes(self.part(72))
    }

    /// The nonce.
    pub fn nonce(&self) -> u32 {
        u32::from_le_bytes(self.part(76))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("version", &format_args!("{:#010x}", self.version()))
            .field("parent", &self.parent())
            .field("merkle_root", &self.merkle_root())
            .field("time", &self.time())
            .field("bits", &format_args!("{:08x}", self.bits()))
            .field("nonce", &self.nonce())
            .field("extension", &self.extension.len())
            .finish()
    }
}

pub(crate) fn read_headers(
    reader: &mut Reader<'_>,
    dialect: &dyn Dialect,
) -> Result<Vec<Header>, DecodeError> {
    let count = reader.count("headers", MAX_HEADERS, Header::LEN + 1)?;
    (0..count)
        .map(|_| {
            let header = Header::read(reader, dialect)?;
            let offset = reader.offset();
            match reader.compact_size("transaction count")? {
                0 => Ok(header),
                n => {
                    let why = format!("a header in `headers` has no transactions, this says {n}");
                    Err(DecodeError::Invalid { what: "transaction count", offset, why })
                }
            }
        })
        .collect()
}

pub(crate) fn write_headers(headers: &[Header], out: &mut impl BufMut) {
    out.put_compact_size(headers.len() as u64);
    for header in headers {
        header.write(out);
        out.put_compact_size(0);
    }
}

/// `getheaders`: "what do you have behind the newest of these that you know?"
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetHeaders {
    /// The sender's protocol version; nobody looks at it.
    pub protocol: u32,
    /// Blocks from new to old, at most [`MAX_LOCATOR`].
    pub locator: Vec<BlockHash>,
    /// Where to stop; zero: as far as 2,000 headers go.
    pub stop: BlockHash,
}

impl GetHeaders {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = reader.u32("protocol version")?;
        let count = reader.count("locator", MAX_LOCATOR, 32)?;
        let locator =
            (0..count).map(|_| reader.array("hash").map(BlockHash::from_wire)).collect::<Result<_, _>>()?;
        Ok(Self { protocol, locator, stop: BlockHash::from_wire(reader.array("stop hash")?) })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.protocol);
        out.put_compact_size(self.locator.len() as u64);
        for hash in &self.locator {
            out.put_slice(hash.as_wire());
        }
        out.put_slice(self.stop.as_wire());
    }
}
