//! `version`: how a node introduces itself.

use std::fmt;

use bytes::{BufMut, Bytes};

use crate::{DecodeError, Encode, NetworkAddress, Reader};

/// The longest user agent, in bytes; the daemons refuse more.
const MAX_USER_AGENT: usize = 256;

/// What a node offers, one bit each (protocol.md §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Services(pub u64);

impl Services {
    /// Serves the whole chain.
    pub const NETWORK: Self = Self(1);
    /// Sends witnesses.
    pub const WITNESS: Self = Self(1 << 3);
    /// Serves the last 288 blocks (BIP159).
    pub const NETWORK_LIMITED: Self = Self(1 << 10);
    /// Sends MWEB data (Litecoin, LIP-2).
    pub const MWEB: Self = Self(1 << 24);

    /// Both together.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all bits of `other` are there.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The `version` message.
///
/// Everything behind the receiver's address is optional when read, as it is for the daemons; a value that was absent
/// stays absent when written back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionMessage {
    /// The highest protocol version that the sender speaks.
    pub protocol: i32,
    /// What the sender offers.
    pub services: Services,
    /// The sender's clock, Unix seconds.
    pub timestamp: i64,
    /// The receiver's services and address, as the sender sees them.
    pub receiver: (Services, NetworkAddress),
    /// The rest, absent in very old nodes.
    pub details: Option<VersionDetails>,
}

/// What `version` says behind the receiver's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDetails {
    /// The sender's services and address, as it sees itself; the daemons send zeros.
    pub sender: (Services, NetworkAddress),
    /// Random; a node that sees its own nonce has connected to itself.
    pub nonce: u64,
    /// Software and version, e.g. `/LitecoinCore:0.21.5.5/`; at most 256 bytes, not necessarily UTF-8.
    pub user_agent: Bytes,
    /// The height of the sender's chain; negative values have been seen and mean nothing.
    pub start_height: i32,
    /// Whether the sender wants transactions announced (BIP37); absent means yes.
    pub relay: Option<bool>,
    /// Whatever a chain appends: 33 bytes of masternode challenge and flag on Dash, nothing elsewhere.
    pub extension: Bytes,
}

impl VersionMessage {
    /// The user agent as text, with whatever is unprintable made harmless for logs and terminals.
    pub fn user_agent(&self) -> String {
        let bytes = self.details.as_ref().map(|details| details.user_agent.clone()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }

    /// The sender's height, if it is a sensible one.
    pub fn start_height(&self) -> Option<u32> {
        self.details.as_ref().and_then(|details| u32::try_from(details.start_height).ok())
    }

    /// The connection's nonce.
    pub fn nonce(&self) -> Option<u64> {
        self.details.as_ref().map(|details| details.nonce)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = reader.i32("version")?;
        let services = Services(reader.u64("services")?);
        let timestamp = reader.i64("timestamp")?;
        let receiver = (Services(reader.u64("services")?), NetworkAddress::read(reader)?);
        let details = if reader.left() == 0 { None } else { Some(VersionDetails::read(reader)?) };
        Ok(Self { protocol, services, timestamp, receiver, details })
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_i32_le(self.protocol);
        out.put_u64_le(self.services.0);
        out.put_i64_le(self.timestamp);
        out.put_u64_le(self.receiver.0.0);
        self.receiver.1.write(out);
        if let Some(details) = &self.details {
            details.write(out);
        }
    }
}

impl VersionDetails {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sender: (Services(reader.u64("services")?), NetworkAddress::read(reader)?),
            nonce: reader.u64("nonce")?,
            user_agent: reader.byte_string("user agent", MAX_USER_AGENT)?,
            start_height: reader.i32("start height")?,
            relay: if reader.left() == 0 { None } else { Some(reader.flag("relay")?) },
            extension: reader.take_rest(),
        })
    }

    fn write(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.sender.0.0);
        self.sender.1.write(out);
        out.put_u64_le(self.nonce);
        out.put_byte_string(&self.user_agent);
        out.put_i32_le(self.start_height);
        if let Some(relay) = self.relay {
            out.put_u8(relay.into());
        }
        out.put_slice(&self.extension);
    }
}
