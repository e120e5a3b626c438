//! `reject` (BIP61): of our three daemons only Dogecoin still says why it refuses.

use std::fmt;

use bytes::{BufMut, Bytes};

use crate::{BlockHash, DecodeError, Encode, Reader};

/// The longest name of a message that a `reject` may quote, in bytes.
const MAX_COMMAND: usize = 12;

/// The longest reason, in bytes; Dogecoin's limit is the same (G net_processing.cpp, MAX_REJECT_MESSAGE_LENGTH).
const MAX_REASON: usize = 111;

/// Why, in one byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RejectCode(pub u8);

impl fmt::Debug for RejectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x01 => "malformed",
            0x10 => "invalid",
            0x11 => "obsolete",
            0x12 => "duplicate",
            0x40 => "nonstandard",
            0x41 => "dust",
            0x42 => "insufficientfee",
            0x43 => "checkpoint",
            other => return write!(f, "code {other:#04x}"),
        };
        f.write_str(name)
    }
}

/// The `reject` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The command of the message that was refused.
    pub command: Bytes,
    /// Why, in one byte.
    pub code: RejectCode,
    /// Why, in words, e.g. `bad-txnmrklroot`; at most 111 bytes.
    pub reason: Bytes,
    /// More, if the refused message had a hash: the block's or transaction's 32 bytes.
    pub data: Bytes,
}

impl Reject {
    /// The block that was refused, if it was one.
    pub fn block(&self) -> Option<BlockHash> {
        let hash: [u8; 32] = self.data.as_ref().try_into().ok()?;
        (self.command == "block").then_some(BlockHash::from_wire(hash))
    }

    /// The reason as harmless text.
    pub fn reason(&self) -> String {
        String::from_utf8_lossy(&self.reason).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            command: reader.byte_string("rejected command", MAX_COMMAND)?,
            code: RejectCode(reader.u8("reject code")?),
            reason: reader.byte_string("reason", MAX_REASON)?,
            data: reader.take("rejected hash", if reader.left() >= 32 { 32 } else { 0 })?,
        })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_byte_string(&self.command);
        out.put_u8(self.code.0);
        out.put_byte_string(&self.reason);
        out.put_slice(&self.data);
    }
}
