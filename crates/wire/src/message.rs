//! What a payload means.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    AddrEntry, AddrV2Entry, BlockTxn, Command, CompactBlock, DecodeError, Dialect, Encode, GetBlockTxn,
    GetHeaders, Header, InvItem, Reader, Reject, SendCompact, VersionMessage,
    headers::{read_headers, write_headers},
};

/// A message. What a relay has no use for stays [`Message::Unknown`]: kept as it came, and ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `version`
    Version(VersionMessage),
    /// `verack`: your `version` is fine with me.
    Verack,
    /// `wtxidrelay` (BIP339), only between `version` and `verack`.
    WtxidRelay,
    /// `sendaddrv2` (BIP155), only between `version` and `verack`.
    SendAddrV2,
    /// `sendheaders` (BIP130): announce blocks by header.
    SendHeaders,
    /// `sendcmpct` (BIP152)
    SendCompact(SendCompact),
    /// `feefilter` (BIP133): do not announce transactions below this, in base units per 1000 bytes.
    FeeFilter(u64),
    /// `ping` with a nonce (BIP31)
    Ping(u64),
    /// `pong` with the nonce of a ping
    Pong(u64),
    /// `addr`
    Addr(Vec<AddrEntry>),
    /// `addrv2` (BIP155)
    AddrV2(Vec<AddrV2Entry>),
    /// `getaddr`
    GetAddr,
    /// `inv`
    Inv(Vec<InvItem>),
    /// `getdata`
    GetData(Vec<InvItem>),
    /// `notfound`
    NotFound(Vec<InvItem>),
    /// `getheaders`
    GetHeaders(GetHeaders),
    /// `headers`
    Headers(Vec<Header>),
    /// `block`: its bytes, to be understood by the chain's rules.
    Block(Bytes),
    /// `cmpctblock` (BIP152)
    CompactBlock(Box<CompactBlock>),
    /// `getblocktxn` (BIP152)
    GetBlockTxn(GetBlockTxn),
    /// `blocktxn` (BIP152)
    BlockTxn(BlockTxn),
    /// `reject` (BIP61)
    Reject(Reject),
    /// Any other command.
    Unknown {
        /// Its name.
        command: Command,
        /// Its payload.
        payload: Bytes,
    },
}

impl Message {
    /// Understands a payload.
    ///
    /// Bytes behind the end of a message are refused only where writing it back would lose them; a `ping` without a
    /// nonce (before BIP31) is refused, because no pong could answer it.
    ///
    /// # Errors
    /// When the payload is not such a message. The daemons log that and keep the connection.
    pub fn decode(command: Command, payload: Bytes, dialect: &dyn Dialect) -> Result<Self, DecodeError> {
        if command == Command::BLOCK {
            return Ok(Self::Block(payload));
        }
        let mut reader = Reader::new(&payload);
        let r = &mut reader;
        let message = match command {
            Command::VERSION => Self::Version(VersionMessage::read(r)?),
            Command::VERACK => Self::Verack,
            Command::WTXIDRELAY => Self::WtxidRelay,
            Command::SENDADDRV2 => Self::SendAddrV2,
            Command::SENDHEADERS => Self::SendHeaders,
            Command::SENDCMPCT => {
                Self::SendCompact(SendCompact { announce: r.flag("announce")?, version: r.u64("version")? })
            }
            Command::FEEFILTER => Self::FeeFilter(r.u64("fee rate")?),
            Command::PING => Self::Ping(r.u64("nonce")?),
            Command::PONG => Self::Pong(r.u64("nonce")?),
            Command::ADDR => Self::Addr(AddrEntry::read_all(r)?),
            Command::ADDRV2 => Self::AddrV2(AddrV2Entry::read_all(r)?),
            Command::GETADDR => Self::GetAddr,
            Command::INV => Self::Inv(InvItem::read_all(r)?),
            Command::GETDATA => Self::GetData(InvItem::read_all(r)?),
            Command::NOTFOUND => Self::NotFound(InvItem::read_all(r)?),
            Command::GETHEADERS => Self::GetHeaders(GetHeaders::read(r)?),
            Command::HEADERS => Self::Headers(read_headers(r, dialect)?),
            Command::CMPCTBLOCK => Self::CompactBlock(Box::new(CompactBlock::read(r, dialect)?)),
            Command::GETBLOCKTXN => Self::GetBlockTxn(GetBlockTxn::read(r)?),
            Command::BLOCKTXN => Self::BlockTxn(BlockTxn::read(r, dialect)?),
            Command::REJECT => Self::Reject(Reject::read(r)?),
            _ => Self::Unknown { command, payload: r.take_rest() },
        };
        reader.finish("message")?;
        Ok(message)
    }

    /// Its command.
    pub fn command(&self) -> Command {
        match self {
            Self::Version(_) => Command::VERSION,
            Self::Verack => Command::VERACK,
            Self::WtxidRelay => Command::WTXIDRELAY,
            Self::SendAddrV2 => Command::SENDADDRV2,
            Self::SendHeaders => Command::SENDHEADERS,
            Self::SendCompact(_) => Command::SENDCMPCT,
            Self::FeeFilter(_) => Command::FEEFILTER,
            Self::Ping(_) => Command::PING,
            Self::Pong(_) => Command::PONG,
            Self::Addr(_) => Command::ADDR,
            Self::AddrV2(_) => Command::ADDRV2,
            Self::GetAddr => Command::GETADDR,
            Self::Inv(_) => Command::INV,
            Self::GetData(_) => Command::GETDATA,
            Self::NotFound(_) => Command::NOTFOUND,
            Self::GetHeaders(_) => Command::GETHEADERS,
            Self::Headers(_) => Command::HEADERS,
            Self::Block(_) => Command::BLOCK,
            Self::CompactBlock(_) => Command::CMPCTBLOCK,
            Self::GetBlockTxn(_) => Command::GETBLOCKTXN,
            Self::BlockTxn(_) => Command::BLOCKTXN,
            Self::Reject(_) => Command::REJECT,
            Self::Unknown { command, .. } => *command,
        }
    }

    /// Its payload. A block's bytes are shared, not copied.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Block(payload) | Self::Unknown { payload, .. } => return payload.clone(),
            Self::Verack | Self::WtxidRelay | Self::SendAddrV2 | Self::SendHeaders | Self::GetAddr => {}
            Self::Version(version) => version.write(&mut out),
            Self::SendCompact(offer) => {
                out.put_u8(offer.announce.into());
                out.put_u64_le(offer.version);
            }
            Self::FeeFilter(number) | Self::Ping(number) | Self::Pong(number) => out.put_u64_le(*number),
            Self::Addr(entries) => {
                out.put_compact_size(entries.len() as u64);
                entries.iter().for_each(|entry| entry.write(&mut out));
            }
            Self::AddrV2(entries) => {
                out.put_compact_size(entries.len() as u64);
                entries.iter().for_each(|entry| entry.write(&mut out));
            }
            Self::Inv(items) | Self::GetData(items) | Self::NotFound(items) => {
                out.put_compact_size(items.len() as u64);
                items.iter().for_each(|item| item.write(&mut out));
            }
            Self::GetHeaders(request) => request.write(&mut out),
            Self::Headers(headers) => write_headers(headers, &mut out),
            Self::CompactBlock(block) => block.write(&mut out),
            Self::GetBlockTxn(request) => request.write(&mut out),
            Self::BlockTxn(answer) => answer.write(&mut out),
            Self::Reject(reject) => reject.write(&mut out),
        }
        out.freeze()
    }
}
