//! What differs from chain to chain in how its daemon behaves.
//!
//! The rules of blocks are a [`Chain`]'s; a [`Profile`] adds the daemon: its identity, what it says and in which order,
//! what it calls a fault and how it punishes it. Each chain's profile is a module of its own, with the recording or the
//! fact sheet behind every value; nothing else in this crate knows which chain it simulates.

pub mod dash;
pub mod dogecoin;
pub mod litecoin;

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use chain::{Chain, Finding};
use serde_json::Value;
use wire::{BlockHash, Command, Header, RejectCode, Services};

use crate::{
    Node, Verdict,
    mint::{ParentBlock, Tree},
    rpc::Fault,
};

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
    /// What it says to each further `verack`, in order.
    pub again: &'static [Step],
    /// How many points a message costs that comes before the handshake is done.
    pub early: u32,
    /// What it says some time later, unasked.
    pub afterthought: Option<Afterthought>,
    /// What it says behind the `relay` flag of its `version`.
    pub version_tail: Tail,
    /// Compact blocks (BIP152), if it knows them.
    pub compact: Option<Compact>,
    /// The longest payload that it accepts, in bytes; whoever announces more is hung up on.
    pub max_payload: usize,
    /// Whether it takes a stream that does not begin with the magic for an encrypted one (BIP324), and waits. What comes
    /// then is not understood here.
    pub may_encrypt: bool,
    /// Whether it asks a peer with these services for its headers in the handshake.
    pub asks: fn(Services) -> bool,
    /// Whether it asks a peer with these services for blocks that it announces.
    pub fetches_from: fn(Services) -> bool,
    /// How long it asks a peer for no more headers while a question about them is open; `None`: it asks at any time.
    pub patience: Option<Duration>,
    /// After how many seconds `getaddr` is answered; `None`: at once.
    pub address_delay: Option<Range<f64>>,
    /// Whether it answers questions about headers in initial block download.
    pub serves_in_download: bool,
    /// How what it sends is late now and then.
    pub stall: Option<Stall>,
    /// How far above the tip a block may be that nobody asked for.
    pub lead: u32,
    /// Whether a block is invalid whose coinbase does not begin with its height.
    pub tells_height: bool,
    /// How it tells why it refuses a block, if it does (`reject`, BIP61): the code and the reason. Then it also tells that
    /// a message cannot be read, and the like.
    pub rejects: Option<Rejects>,
    /// Its word for a block whose parent it does not know.
    pub orphan: &'static str,
    /// How many points a refused block costs its sender; 100 end the connection. An orphan goes by the name
    /// [`UNKNOWN_PARENT`], whatever the daemon calls it.
    pub points: fn(word: &str) -> u32,
    /// For how long it refuses connections from an address that has earned 100 points, if it does that; its own machine's
    /// it never refuses.
    pub ban: Option<Duration>,
    /// The daemon's word for what a chain's inspection found.
    pub word: fn(&Finding, &Header) -> String,
    /// How it handles the objects that make a block final, if the chain has [such](chain::Finality).
    pub locking: Option<Locking>,
    /// How it makes blocks.
    pub mining: Mining,
    /// What its RPC has of its own.
    pub rpc: Rpc,
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
    /// `getheaders` from below its best header on, to peers that [have something](Profile::asks).
    GetHeaders,
    /// `feefilter`, in base units per 1000 bytes
    FeeFilter(u64),
    /// A message of the chain's own with a payload that never changes.
    Fixed(Command, &'static [u8]),
}

/// What a daemon says some time after the handshake, unasked.
#[derive(Debug, Clone, Copy)]
pub struct Afterthought {
    /// At the latest so long after the handshake; when, is a matter of chance.
    pub within: Duration,
    /// What is said, in order.
    pub say: &'static [Say],
}

/// What stands behind the `relay` flag of a `version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// So many random bytes,
    pub random: usize,
    /// and then these.
    pub fixed: &'static [u8],
}

/// How what a daemon sends is late now and then: it says something, and its sockets get to know of it by chance or in
/// their next round. What is said meanwhile on the same connection waits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// How often: of what is said at different times, one in so many is late.
    pub one_in: u32,
    /// How late.
    pub by: Duration,
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
    /// The script that a coinbase pays to.
    pub payout: &'static [u8],
    /// Whether the coinbase commits to witnesses (BIP141).
    pub witness_commitment: bool,
    /// What a coinbase of this height carries behind its lock time, if anything.
    pub payload: fn(height: u32) -> Option<Payload>,
    /// How blocks get their work from another chain's, if they can.
    pub merged: Option<Merged>,
    /// Whether it gives templates without a peer, and in initial block download.
    pub alone: bool,
    /// What it says behind its name when it gives none in initial block download.
    pub downloading: &'static str,
    /// The rules that a caller of `getblocktemplate` must know.
    pub required_rules: &'static [&'static str],
    /// The rules that a template names.
    pub template_rules: &'static [&'static str],
    /// The error message for a caller that does not know them.
    pub rules_message: &'static str,
}

/// What a coinbase carries behind its lock time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What stands in place of the transaction's version, which says that something follows.
    pub version: u32,
    /// What follows, without its length.
    pub bytes: Bytes,
}

/// How a chain's blocks get their work from another chain's: whoever mines that one puts a mark into a coinbase there, and
/// a proof into the header here.
#[derive(Debug, Clone, Copy)]
pub struct Merged {
    /// The first height at which that is allowed. From there on blocks are made so.
    pub from: u32,
    /// The version in the header of such a block.
    pub version: i32,
    /// What the script of a coinbase must hold, so that the work of its block counts for this one: this block's place in
    /// the tree of chains is behind it.
    pub commitment: fn(&Tree, &BlockHash) -> Bytes,
    /// What stands behind the header when that block has been found.
    pub proof: fn(&Tree, &ParentBlock) -> Bytes,
    /// What must meet this chain's target: a hash of the other block's header.
    pub work: fn(&[u8; Header::LEN]) -> [u8; 32],
}

/// How a daemon handles the objects that make a block final. What they are called, and how they are read, the
/// [chain](chain::Finality) knows.
#[derive(Debug, Clone, Copy)]
pub struct Locking {
    /// Makes the object that a [quorum](crate::Quorum) with this key makes of this block: always the same, so that
    /// whoever knows the key can tell a genuine one from any other. What a signature is, no node here knows.
    pub make: fn(key: &[u8; 32], height: u32, block: &BlockHash) -> Bytes,
    /// The daemon's word for a block on one that a lock forbids.
    pub on_forbidden: &'static str,
    /// How many points an object costs its sender that the quorum did not make. (A dashd cannot even read one whose
    /// signature is not a point of BLS's curve, and lets it pass; here every signature can be read.)
    pub forged: u32,
}

/// The code and the reason of a `reject`.
pub type Rejects = fn(&Verdict) -> (RejectCode, &str);

/// What becomes of a call.
pub type Answer = Result<Value, Fault>;

/// What the RPC of a daemon has of its own.
#[derive(Debug, Clone, Copy)]
pub struct Rpc {
    /// Answers a method that only this daemon has, or answers in its own way; `None`: as all daemons do.
    pub answer: fn(&mut Node, method: &str, params: &[Value], now: Duration) -> Option<Answer>,
    /// Makes a result of the common form one of the daemon's.
    pub amend: fn(&Node, method: &str, result: &mut Value),
}

/// How long a daemon takes to validate a block, from the arrival of its last byte to the new tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    /// For any block.
    pub base: Duration,
    /// For each kilobyte.
    pub per_kilobyte: Duration,
}

/// What a block's fault is called, in [`Profile::points`], whose parent is not known.
pub const UNKNOWN_PARENT: &str = "prev-blk-not-found";

/// A script that pays to a key hash of 20 bytes to which nobody has the key.
const PAYOUT: &[u8] = b"\x76\xa9\x14simulated-pool's-key\x88\xac";

/// The header of a first block of version 1 on a regtest, whose bits are 207fffff (protocol.md §1.4).
fn genesis(root: &[u8; 32], time: u32, nonce: u32) -> Header {
    let mut fixed = [0; Header::LEN];
    fixed[0] = 1;
    fixed[36..68].copy_from_slice(root);
    fixed[68..72].copy_from_slice(&time.to_le_bytes());
    fixed[72..76].copy_from_slice(&0x207f_ffff_u32.to_le_bytes());
    fixed[76..80].copy_from_slice(&nonce.to_le_bytes());
    Header::new(fixed)
}

/// The word for a finding where the daemons of Bitcoin's family say something else than the chains' inspections.
fn family_word(finding: &Finding, header: &Header) -> String {
    match finding.check {
        // A target that is none, or above the limit, fails the same check as a hash above its target (pow.cpp,
        // CheckProofOfWork).
        "bad-diffbits" => "high-hash".into(),
        "bad-version" => format!("bad-version({:#010x})", header.version()),
        other => other.into(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genesis_headers_have_the_names_that_the_chains_know() {
        for profile in [litecoin::regtest(), dash::regtest(), dogecoin::regtest()] {
            assert_eq!(profile.chain.block_hash(&profile.genesis), profile.chain.params().genesis);
            assert_eq!(profile.chain.check_work(&profile.genesis), Ok(()));
        }
    }
}
