//! What differs from chain to chain in how its daemon behaves.
//!
//! The rules of blocks are a [`Chain`]'s; a [`Profile`] adds the daemon: its identity, what it says and in which order,
//! what it calls a fault and how it punishes it. Each chain's profile is a module of its own, with the recording or the
//! fact sheet behind every value; nothing else in this crate knows which chain it simulates.

pub mod litecoin;

use std::{sync::Arc, time::Duration};

use chain::{Chain, Finding};
use wire::{Command, Header, Services};

/// A daemon of one chain on one network.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The chain's rules.
    pub chain: Arc<dyn Chain>,
    /// The first block's header; its hash is that of [`Params::genesis`](chain::Params::genesis).
    pub genesis: Header,
    /// Who it says it is.
    pub identity: Identity,
    /// What it answers to a `version`, in order.
    pub greeting: &'static [Step],
    /// What it says once it got a `verack`, in order.
    pub welcome: &'static [Step],
    /// Compact blocks (BIP152), if it knows them.
    pub compact: Option<Compact>,
    /// The longest payload that it accepts, in bytes; whoever announces more is hung up on.
    pub max_payload: usize,
    /// Whether it asks a peer with these services for headers and blocks.
    pub fetches_from: fn(Services) -> bool,
    /// Whether it tells why it refuses a block (`reject`, BIP61).
    pub rejects: bool,
    /// How many points a refused block costs its sender; 100 end the connection.
    pub points: fn(word: &str) -> u32,
    /// The daemon's word for what a chain's inspection found.
    pub word: fn(&Finding, &Header) -> String,
    /// How it makes blocks.
    pub mining: Mining,
    /// How long it takes to validate a block.
    pub validation: Validation,
}

/// Who a daemon says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its protocol version.
    pub protocol: i32,
    /// The lowest protocol version that it talks to.
    pub least_protocol: i32,
    /// What it offers.
    pub services: Services,
    /// The names of these services in RPC, in the order of their bits.
    pub service_names: &'static [&'static str],
    /// Its `version` message's user agent, which RPC calls `subversion`.
    pub user_agent: &'static str,
    /// Its version as RPC tells it: 210201 is 0.21.2.1.
    pub version: u32,
    /// Its name in RPC's error messages: "Litecoin Core".
    pub name: &'static str,
}

/// One message of the handshake.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Said only to peers of at least this protocol version.
    pub from: i32,
    /// What is said.
    pub say: Say,
}

/// What a daemon says in the handshake.
#[derive(Debug, Clone, Copy)]
pub enum Say {
    /// Its own `version`.
    Version,
    /// `verack`
    Verack,
    /// `wtxidrelay`
    WtxidRelay,
    /// `sendaddrv2`
    SendAddrV2,
    /// `sendheaders`
    SendHeaders,
    /// `sendcmpct` with low bandwidth, in this format
    SendCompact(u64),
    /// A first `ping`.
    Ping,
    /// `getheaders` from below its best header on, to peers that [have something](Profile::fetches_from).
    GetHeaders,
    /// `feefilter`, in base units per 1000 bytes
    FeeFilter(u64),
    /// A message of the chain's own with a payload that never changes.
    Fixed(Command, &'static [u8]),
}

/// How a daemon handles compact blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compact {
    /// The only format in which it takes a block; a `sendcmpct` of another is not an offer to it.
    pub usable: u64,
    /// The first format that names transactions by their hash with witness, and holds witnesses.
    pub witness_from: u64,
    /// The first format that holds what follows a block's last transaction.
    pub tail_from: Option<u64>,
    /// What stands in that place when there is nothing.
    pub no_tail: &'static [u8],
}

/// How blocks of the chain are made.
#[derive(Debug, Clone, Copy)]
pub struct Mining {
    /// The version in a header.
    pub version: i32,
    /// What a coinbase may claim besides fees, in base units.
    pub subsidy: fn(height: u32) -> i64,
    /// Whether the coinbase commits to witnesses (BIP141).
    pub witness_commitment: bool,
    /// The rules that a caller of `getblocktemplate` must know.
    pub required_rules: &'static [&'static str],
    /// The rules that a template names.
    pub template_rules: &'static [&'static str],
    /// The error message for a caller that does not know them.
    pub rules_message: &'static str,
}

/// How long a daemon takes to validate a block, from the arrival of its last byte to the new tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    /// For any block.
    pub base: Duration,
    /// For each kilobyte.
    pub per_kilobyte: Duration,
}

impl Profile {
    /// The network's four bytes before every message.
    pub fn magic(&self) -> [u8; 4] {
        self.chain.params().magic
    }

    /// How long a block of that many bytes takes.
    pub fn validation_of(&self, bytes: usize) -> Duration {
        let kilobytes = u32::try_from(bytes / 1000).unwrap_or(u32::MAX);
        self.validation.base + self.validation.per_kilobyte.saturating_mul(kilobytes)
    }
}
