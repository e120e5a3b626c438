//! What a node does.

use std::time::Duration;

use bytes::Bytes;
use wire::{BlockHash, Message};

use super::ConnectionId;

/// One thing that a node does. Times are since the network's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// It gives this message to its kernel.
    Send {
        /// For whom.
        to: ConnectionId,
        /// What.
        message: Message,
        /// When.
        at: Duration,
    },
    /// It closes a connection; nothing follows on it.
    HangUp {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: HangUp,
        /// When.
        at: Duration,
    },
    /// A block has become part of its active chain. Its neighbours will hear of it.
    Accepted {
        /// Which.
        hash: BlockHash,
        /// Its bytes in canonical form.
        block: Bytes,
        /// When.
        at: Duration,
    },
    /// It has learned of a lock, which is genuine. Its neighbours will hear of it.
    Locked {
        /// The lock as it travels.
        object: Bytes,
        /// When.
        at: Duration,
    },
}

/// Why a node closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HangUp {
    /// The bytes are not of this network.
    #[error("wrong magic")]
    BadMagic,
    /// A longer payload was announced than the daemon accepts.
    #[error("a payload over the limit")]
    Oversized,
    /// The peer's protocol version is too low.
    #[error("protocol version too old")]
    TooOld,
    /// The peer's `version` has the node's own nonce.
    #[error("connected to itself")]
    SelfConnected,
    /// A feature was announced after `verack`.
    #[error("a feature announced too late")]
    LateFeature,
    /// A locator with more than 101 entries.
    #[error("a locator that is too long")]
    LongLocator,
    /// The peer has earned 100 points.
    #[error("misbehaves")]
    Misbehaving,
    /// The peer's address has earned 100 points, and for a while nothing is taken from there.
    #[error("banned")]
    Banned,
    /// The handshake was not done within a minute.
    #[error("no handshake in time")]
    HandshakeTimeout,
    /// A ping was not answered within 20 minutes.
    #[error("no pong in time")]
    PongTimeout,
    /// No more connections are taken.
    #[error("full")]
    Full,
    /// The node's temperament: in the middle of a block.
    #[error("cut in the middle of a block")]
    Cut,
    /// The node's temperament: it is away, or down.
    #[error("away")]
    Away,
}

impl HangUp {
    /// A stable word for reports and metric labels.
    pub fn kind(self) -> &'static str {
        match self {
            Self::BadMagic => "bad_magic",
            Self::Oversized => "oversized",
            Self::TooOld => "too_old",
            Self::SelfConnected => "self_connect",
            Self::LateFeature => "late_feature",
            Self::LongLocator => "long_locator",
            Self::Misbehaving => "misbehaving",
            Self::Banned => "banned",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::PongTimeout => "pong_timeout",
            Self::Full => "full",
            Self::Cut => "cut",
            Self::Away => "away",
        }
    }
}
