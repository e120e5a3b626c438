//! What a session asks for and tells.

use std::time::Duration;

use bytes::Bytes;
use wire::{BlockHash, Header, Message, Services};

use super::GossipAddress;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this.
    Send(Message),
    /// The handshake is done: payloads up to this many bytes may be received from now on.
    RaiseLimit(usize),
    /// Something that others want to know.
    Event(Event),
    /// Close the connection. Nothing follows.
    Disconnect(Disconnect),
}

/// Something that others want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The handshake is done.
    Ready {
        /// The peer's protocol version.
        protocol: i32,
        /// What it offers.
        services: Services,
        /// Its software.
        user_agent: String,
        /// Its height, as it says.
        start_height: Option<u32>,
    },
    /// The peer says that it has this block.
    Announced {
        /// The block.
        block: BlockHash,
        /// How it was announced.
        via: Via,
    },
    /// Headers of blocks that the peer has.
    Headers {
        /// The headers.
        headers: Vec<Header>,
        /// In which message they came.
        via: Via,
    },
    /// The pong to a ping that was not the session's own: someone's barrier behind a block.
    Pong(u64),
    /// A round trip, measured by the session's own ping.
    RoundTrip(Duration),
    /// The peer refuses a block, in its own words.
    Rejected {
        /// The block.
        block: BlockHash,
        /// Its words.
        reason: String,
    },
    /// The peer asked for a block of ours, or for transactions of one.
    Served {
        /// The block.
        block: BlockHash,
    },
    /// The peer wants to be told of blocks by `headers`, not by `inv`.
    PrefersHeaders,
    /// A block has come that the [shelf](super::Shelf::awaits) waits for; nobody has read it yet.
    Block {
        /// Its name, by its header.
        block: BlockHash,
        /// Its bytes.
        payload: Bytes,
    },
    /// The peer does not have a block that the [shelf](super::Shelf::awaits) waits for.
    Missing {
        /// The block.
        block: BlockHash,
    },
    /// The peer takes compact blocks.
    OffersCompact {
        /// Whether it wants them pushed.
        announce: bool,
        /// The format.
        version: u64,
    },
    /// The peer says that it has an object of the chain's own kind.
    ObjectAnnounced {
        /// Its name, in wire order.
        id: [u8; 32],
    },
    /// An object that was asked for has come; nobody has read it yet.
    Object {
        /// Its bytes.
        payload: Bytes,
    },
    /// Where the peer says that others are; never empty.
    Addresses(Vec<GossipAddress>),
    /// It told so many addresses more than its allowance lets through. Daemons trickle; that is no fault.
    AddressesDropped(usize),
    /// The peer does what no honest daemon does.
    Fault {
        /// What: `unasked_for`, `object_flood`, `object_too_long`.
        kind: &'static str,
    },
    /// Something arrived that is not a message.
    Garbage {
        /// What is wrong with it.
        kind: &'static str,
    },
}

/// How we heard of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `inv`: the peer has it in its active chain.
    Inv,
    /// `headers`, an announcement or the answer to a `getheaders`: the peer has it in its active chain.
    Headers,
    /// `cmpctblock`: perhaps before the peer has validated it. It proves nothing.
    CompactBlock,
}

impl Via {
    /// Whether it says that the peer has the block in its active chain.
    pub fn is_proof(self) -> bool {
        match self {
            Self::Inv | Self::Headers => true,
            Self::CompactBlock => false,
        }
    }
}

/// Why a connection is closed by us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// No handshake in time.
    #[error("the handshake was not done in time")]
    HandshakeTimeout,
    /// The first message must be `version`.
    #[error("{command} came before version")]
    Unexpected {
        /// What came.
        command: String,
    },
    /// It is ourselves.
    #[error("connected to ourselves")]
    OurselfConnected,
    /// Too old to be of use.
    #[error("protocol version {found} is below {least}")]
    TooOld {
        /// Theirs.
        found: i32,
        /// The lowest of use.
        least: i32,
    },
    /// It does not offer what is needed.
    #[error("offers services {found}, needed are {needed}")]
    Services {
        /// Theirs.
        found: Services,
        /// What the chain needs.
        needed: Services,
    },
    /// It is on another chain: magics are not unique.
    #[error("is on another chain: its headers follow block {stranger}, and none that we named")]
    WrongChain {
        /// What they follow.
        stranger: BlockHash,
    },
    /// It does not answer pings.
    #[error("no pong within {} s", .0.as_secs())]
    PongTimeout(Duration),
    /// Too much of what it sends is not a message.
    #[error("sends what is no message ({kind})")]
    Garbage {
        /// What was wrong with the last.
        kind: &'static str,
    },
    /// Too much of what it sends no honest daemon would.
    #[error("keeps sending what no honest peer would ({kind})")]
    Faults {
        /// What the last was.
        kind: &'static str,
    },
    /// It asks for what cannot be.
    #[error("misbehaves: {0}")]
    Misbehaving(String),
}

impl Disconnect {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Unexpected { .. } => "unexpected_message",
            Self::OurselfConnected => "self_connect",
            Self::TooOld { .. } => "too_old",
            Self::Services { .. } => "missing_services",
            Self::WrongChain { .. } => "wrong_chain",
            Self::PongTimeout(_) => "pong_timeout",
            Self::Garbage { .. } => "garbage",
            Self::Faults { .. } => "faults",
            Self::Misbehaving(_) => "misbehaving",
        }
    }
}
