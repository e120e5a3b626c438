//! The manners that a chain's daemons expect of a peer.

use std::time::Duration;

use wire::{Command, Services};

/// How a session behaves on one chain. Each value has its source in the chain's own crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    /// The protocol version that we speak.
    pub protocol: i32,
    /// The lowest version of a peer that is of use.
    pub min_peer_protocol: i32,
    /// What we say we offer.
    pub services: Services,
    /// What a peer must offer for us to stay.
    pub required_services: Services,
    /// Bytes that the chain's `version` carries behind the `relay` flag.
    pub version_extension: &'static [u8],
    /// Whether `wtxidrelay` may be sent between `version` and `verack`. We do not want transactions, so we never send
    /// it; a peer that does is not at fault.
    pub wtxid_relay: bool,
    /// Whether `sendaddrv2` may be sent between `version` and `verack`.
    pub addr_v2: bool,
    /// The compact block format to offer in `sendcmpct(0, _)` after the handshake, if the chain has one. The first
    /// acceptable offer locks the format in, so only the best is offered.
    pub compact_version: Option<u64>,
    /// The largest payload that a daemon accepts, in bytes.
    pub max_payload: usize,
    /// Messages that only ever come as the answer to a question of a kind that we never ask: whoever sends one is no
    /// honest daemon.
    pub never_asked_for: &'static [Command],
    /// Whether a daemon takes an unasked block only if it has strictly more work than its tip.
    pub strictly_more_work: bool,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
    /// How long after a pong the next ping is due.
    pub ping_interval: Duration,
    /// How long a pong may take. The daemons themselves allow 20 minutes and may stall for seconds while they validate.
    pub pong_timeout: Duration,
    /// How long after a block was written its delivery stays open for an answer.
    pub delivery_timeout: Duration,
}
