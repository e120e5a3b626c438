//! Simulated nodes and networks, for tests, for figures, and for `blockcast demo`.
//!
//! A relay's reports are only worth something if they can be held against the truth, and real networks do not tell it.
//! Here is one that does: nodes that behave as real daemons were measured and recorded to behave, in whatever number,
//! at whatever distance, some of them broken in the ways in which peers are broken; and afterwards each of them says
//! whether and when it really took a block.
//!
//! # Two layers
//!
//! The lower one is pure: no I/O, no clock (time is a [`Duration`](std::time::Duration) since the network's start), and
//! no randomness but that of a generator that is passed in.
//!
//! | module | what it is |
//! |---|---|
//! | [`mint`] | makes valid blocks of any size, and flawed ones |
//! | [`chainstate`] | one node's chain: takes blocks, gives verdicts in the daemon's words, remembers when it took what |
//! | [`node`] | one node's P2P conversations: bytes or messages in, messages and hang-ups out |
//! | [`rpc`] | its JSON-RPC: a request's body in, a reply's out |
//! | [`profile`] | what is a daemon's own: identity, handshake, formats, punishments; one module for each chain |
//! | [`Temperament`], [`Link`] | how a node behaves, and how far away it is |
//! | [`Quorum`] | who makes blocks final together, on a chain that knows such a thing |
//! | [`network`] | many of them in simulated time, with our own sessions against them |
//!
//! The upper one, [`sockets`], gives the same nodes real sockets: a [`World`](sockets::World) of peers and nodes in one
//! process, each on a port of its own.
//!
//! ```
//! use std::time::Duration;
//! use simnet::{Link, Order, Temperament, profile, sockets::{PeerPlan, Plan, World}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let peer = |name: &str, temperament| PeerPlan { name: name.into(), temperament, link: Link::LOCAL };
//! let peers = vec![peer("good", Temperament::Honest), peer("bad", Temperament::Zombie)];
//! let plan = Plan { seed: 7, history: 3, neighbours: 2, peers, ..Plan::default() };
//! let world = World::start(profile::litecoin::regtest(), plan).await?;
//! assert!(world.member("good")?.p2p().ip().is_loopback());
//!
//! let block = world.mint(&Order { size: 50_000, flaw: None });
//! world.inject("good", &block.bytes)?;
//! tokio::time::timeout(Duration::from_secs(5), world.everyone_has(&block.hash)).await.expect("in time");
//! let has = |name: &str| world.truth(&block.hash).iter().any(|truth| truth.member == name && truth.active);
//! assert!(has("good") && !has("bad"));
//! world.shutdown().await;
//! # Ok::<(), simnet::sockets::WorldError>(())
//! # }).unwrap();
//! ```
//!
//! # How faithful it is
//!
//! The crate's tests replay the recordings of a real litecoind, dashd and dogecoind (`tests/fixtures/`): a recorded
//! handshake gives the recorded bytes; what made the daemon hang up makes a simulated node hang up; the same spoiled
//! blocks get the same reaction over P2P and the same word over RPC; announcements, echoes and RPC replies have the
//! recorded forms. Of Dash's ChainLocks there is no recording: they follow the daemon's source.
//!
//! What a node does *not* do is said where it is left out; above all it has no coins (so it cannot check scripts, nor
//! fees beyond an [allowance](chainstate::FEE_ALLOWANCE)), no transactions outside of blocks, and it never dials: blocks
//! pass between simulated nodes by gossip, which is a delay and not a conversation.
//!
//! # Adding a chain
//!
//! A module under [`profile`], with a recording or the fact sheet behind each value, and an entry in the tables of the
//! tests; the [`Mint`] makes blocks of the common form (height, optional witness commitment, optional payload of the
//! coinbase, optional [work of another chain's](profile::Merged)) and is to be taught what else a block needs.
//!
//! # A network with a quorum
//!
//! ```
//! use std::time::Duration;
//! use simnet::{Order, Quorum, Temperament, profile, sockets::{PeerPlan, Plan, World}, Link};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let peer = |index| PeerPlan { name: format!("mn-{index}"), temperament: Temperament::Honest, link: Link::LOCAL };
//! let peers = (0..5).map(peer).collect();
//! // The first three of the world's members, peers first; two of them are 60 %.
//! let plan = Plan { history: 3, neighbours: 2, peers, quorum: Some(Quorum::of(0..3)), ..Plan::default() };
//! let world = World::start(profile::dash::regtest(), plan).await?;
//! let block = world.mint(&Order::default());
//! world.inject("mn-4", &block.bytes)?;
//! tokio::time::timeout(Duration::from_secs(5), world.everyone_locked(&block.hash)).await.expect("in time");
//! assert!(world.locked(&block.hash) >= Some(Quorum::of([]).delay));
//! world.shutdown().await;
//! # Ok::<(), simnet::sockets::WorldError>(())
//! # }).unwrap();
//! ```
//!
//! # One find for two chains
//!
//! Where a chain has merged mining, blocks rest on a parent that the mint makes up; or on a block of another simulated
//! network. (By hand: [`AuxBlock`]; over RPC: `createauxblock` and `submitauxblock`.)
//!
//! ```
//! use simnet::{Link, Order, Temperament, profile, sockets::{NodePlan, Plan, World}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let node = |name: &str| {
//!     vec![NodePlan { name: name.into(), temperament: Temperament::Honest, link: Link::LOCAL, cookie_file: None }]
//! };
//! let parents = World::start(profile::litecoin::regtest(), Plan { nodes: node("l"), ..Plan::default() }).await?;
//! // From height 20 on a regtest has merged mining.
//! let plan = Plan { history: 19, nodes: node("d"), ..Plan::default() };
//! let world = World::start(profile::dogecoin::regtest(), plan).await?;
//! let (block, parent) = world.mint_merged(&Order::default(), &parents, &Order::default()).expect("at height 20");
//! assert!(parents.inject("l", &parent.bytes)?.is_connected());
//! assert!(world.inject("d", &block.bytes)?.is_connected());
//! # Ok::<(), simnet::sockets::WorldError>(())
//! # }).unwrap();
//! ```

pub mod chainstate;
mod inspections;
mod link;
pub mod mint;
pub mod network;
pub mod node;
pub mod profile;
mod quorum;
pub mod rpc;
mod siphash;
pub mod sockets;
mod temperament;
mod topology;

pub use chainstate::{ChainState, Door, Verdict};
pub use inspections::{Inspections, Judgement};
pub use link::{Link, Pipe};
pub use mint::{AuxBlock, Flaw, Mint, Minted, Order, Parent, ParentBlock};
pub use node::{ConnectionId, HangUp, Node, Output};
pub use profile::Profile;
pub use quorum::{Quorum, Roster};
pub use temperament::{Promise, Temperament};
