//! The P2P wire protocol of the Bitcoin family: framing, and the messages that a block relay sends or reads.
//!
//! This crate is pure. It performs no I/O, reads no clock and draws no randomness; it turns bytes into values and
//! values into bytes, and refuses bytes that are neither.
//!
//! # A tour
//!
//! * [`FrameCodec`] cuts a byte stream into [`Frame`]s: the 24-byte header with magic, [`Command`], length and
//!   checksum, then the payload. It is a `tokio_util` codec. Its limit is small until the handshake is done, so that a
//!   stranger can make us buffer one kibibyte and no more.
//! * [`Message`] is what a payload means. [`Message::decode`] reads one and [`Message::encode`] writes it; for every
//!   message recorded from a real daemon the second gives back the bytes that the first was given.
//! * [`Dialect`] holds what differs from chain to chain *on the wire*: the bytes that may follow a header (Dogecoin's
//!   auxpow), where a transaction ends, and the numbers of the inventory types (Dash's compact block is 20).
//! * [`Reader`] and [`Encode`] are the small tools under all of it, and [`BlockHash`], [`Txid`] and [`Wtxid`] keep
//!   byte orders apart: inside they are in wire order, printed they are reversed, as every daemon and explorer does.
//!
//! # Security
//!
//! Every byte here comes from a stranger. Three rules hold throughout:
//!
//! * A length is compared with its limit *before* anything is allocated for it, and what is allocated is bounded by
//!   the bytes that have really arrived, never by the bytes that were announced.
//! * Every function returns an error or a value; none panics, whatever the bytes are (property tests and fuzzing).
//! * A frame whose checksum or command is broken is not an error but a [`Frame::Damaged`]: the daemons drop such
//!   messages and keep the connection, and so can the session. Wrong magic or an oversized length ends it.

mod address;
mod codec;
mod command;
mod compact;
mod dialect;
mod encode;
mod hash;
mod headers;
mod inventory;
mod message;
mod reader;
mod reject;
mod version;

pub use address::{AddrEntry, AddrV2Entry, Address, MAX_ADDRESSES, NetworkAddress};
pub use codec::{DamageKind, Frame, FrameCodec, FrameError, FrameHeader, HANDSHAKE_LIMIT, HEADER_LEN};
pub use command::Command;
pub use compact::{BlockTxn, CompactBlock, GetBlockTxn, PrefilledTransaction, SendCompact, ShortId};
pub use dialect::{Dialect, InvTypes};
pub use encode::Encode;
pub use hash::{BlockHash, MerkleRoot, ParseHashError, Txid, Wtxid, checksum, sha256d};
pub use headers::{GetHeaders, Header, MAX_HEADERS, MAX_LOCATOR};
pub use inventory::{InvItem, MAX_INV};
pub use message::Message;
pub use reader::{DecodeError, Reader};
pub use reject::{Reject, RejectCode};
pub use version::{Services, VersionDetails, VersionMessage};
