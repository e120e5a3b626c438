//! What a node remembers of a connection.

use std::{net::SocketAddr, time::Duration};

use wire::{BlockHash, SendCompact, Services, VersionMessage};

use super::{compact::Partial, intake::Intake};
use crate::Profile;

/// A connection's number: unique for as long as its node lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: SocketAddr,
    pub(super) since: Duration,
    pub(super) intake: Intake,
    pub(super) phase: Phase,
    /// What it has been punished with.
    pub(super) points: u32,
    /// The nonce of the `version` that we sent.
    pub(super) nonce: Option<u64>,
    pub(super) received: u64,
    pub(super) sent: u64,
    /// When something was last said, and until when what is said is late.
    pub(super) spoke_at: Option<Duration>,
    pub(super) late_until: Duration,
}

#[derive(Debug)]
pub(super) enum Phase {
    AwaitingVersion,
    AwaitingVerack(Box<Peer>),
    Ready(Box<Peer>),
}

/// Who is at the other end, and what it is known to have.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) version: VersionMessage,
    pub(super) wants_addrv2: bool,
    pub(super) prefers_headers: bool,
    /// Its first acceptable offer of compact blocks; only the flag may change later.
    pub(super) compact: Option<SendCompact>,
    /// The best block that it said it has, and we know.
    pub(super) best_known: Option<BlockHash>,
    /// The last block that it said it has, and we do not know.
    pub(super) last_unknown: Option<BlockHash>,
    /// The best header that we told it.
    pub(super) best_sent: Option<BlockHash>,
    /// Headers messages in a row that did not connect.
    pub(super) unconnected: u32,
    pub(super) ping: Option<(u64, Duration)>,
    pub(super) ping_time: Option<Duration>,
    pub(super) addressed: bool,
    /// A compact block that lacks transactions.
    pub(super) partial: Option<Partial>,
    /// Blocks of ours that it is still to be told of.
    pub(super) to_announce: Vec<BlockHash>,
    /// The last lock that it said it has, or was told of.
    pub(super) known_lock: Option<[u8; 32]>,
    /// Since when it owes an answer about headers, if that keeps the daemon from asking again.
    pub(super) questioned: Option<Duration>,
}

/// How a peer looks in `getpeerinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The connection.
    pub id: ConnectionId,
    /// Where it comes from.
    pub address: SocketAddr,
    /// When it connected, since the network's start.
    pub since: Duration,
    /// What it offers.
    pub services: Services,
    /// Its protocol version.
    pub protocol: i32,
    /// Its user agent.
    pub user_agent: String,
    /// The height that it claimed when it connected; -1 if none.
    pub start_height: i64,
    /// What it has been punished with: 100 are the end.
    pub points: u32,
    /// The last measured round trip.
    pub ping_time: Option<Duration>,
    /// Bytes received from it.
    pub received: u64,
    /// Bytes sent to it.
    pub sent: u64,
}

impl Connection {
    pub(super) fn new(address: SocketAddr, profile: &Profile, now: Duration) -> Self {
        Self {
            address,
            since: now,
            intake: Intake::new(profile.magic(), profile.max_payload, profile.may_encrypt),
            phase: Phase::AwaitingVersion,
            points: 0,
            nonce: None,
            received: 0,
            sent: 0,
            spoke_at: None,
            late_until: Duration::ZERO,
        }
    }

    /// Whether the handshake is done.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    /// The peer, once it has introduced itself.
    pub(super) fn peer(&self) -> Option<&Peer> {
        match &self.phase {
            Phase::AwaitingVersion => None,
            Phase::AwaitingVerack(peer) | Phase::Ready(peer) => Some(peer),
        }
    }

    pub(super) fn info(&self, id: ConnectionId) -> Option<PeerInfo> {
        let peer = self.peer()?;
        Some(PeerInfo {
            id,
            address: self.address,
            since: self.since,
            services: peer.version.services,
            protocol: peer.version.protocol,
            user_agent: peer.version.user_agent(),
            start_height: peer.version.start_height().map_or(-1, i64::from),
            points: self.points,
            ping_time: peer.ping_time,
            received: self.received,
            sent: self.sent,
        })
    }
}

impl Peer {
    pub(super) fn new(version: VersionMessage) -> Self {
        Self {
            version,
            wants_addrv2: false,
            prefers_headers: false,
            compact: None,
            best_known: None,
            last_unknown: None,
            best_sent: None,
            unconnected: 0,
            ping: None,
            ping_time: None,
            addressed: false,
            partial: None,
            to_announce: Vec::new(),
            known_lock: None,
            questioned: None,
        }
    }
}
