//! The same nodes with real sockets, on the loopback interface.
//!
//! A [`World`] starts peers and nodes as a [`Plan`] says, each on a port of its own that the system chooses. A *peer*
//! speaks P2P; a *node* speaks P2P and answers JSON-RPC over HTTP, as a pool's own daemon does. All of them behave by
//! their [`Temperament`](crate::Temperament)s, behind their [`Link`](crate::Link)s: what is sent to them arrives a
//! latency later and at their pace, and what they say takes a latency to arrive. Blocks that one of them accepts gossip
//! to its neighbours, so that also those announce a block that nobody pushed to them.
//!
//! # How it is built
//!
//! The behaviour is that of [`Node`](crate::Node), untouched. A `Host` holds one node, tells it the time, and hands
//! what the node says to the connection's writer; a `Line` is one TCP connection: a reader that keeps the link's pace, a
//! feeder that delays, a writer that delays; the HTTP server is hyper's. Every task is tracked and ends when the world
//! is [shut down](World::shutdown) or dropped.
//!
//! # Security
//!
//! All sockets are bound to 127.0.0.1. Still, whoever can connect is a stranger: HTTP wants a password, bodies, frames,
//! queues and numbers of connections are bounded, and reads and writes have timeouts.

mod draft;
mod error;
mod gossip;
mod host;
mod http;
mod line;
mod member;
mod plan;
mod world;

pub use error::WorldError;
pub use member::{Member, RpcAddress};
pub use plan::{NodePlan, PeerPlan, Plan};
pub use world::{Tip, Truth, World};
