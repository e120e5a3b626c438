//! The actors: lifecycle and policy, and nothing else.
//!
//! ```text
//! Supervisor
//!  └─ ChainBroadcaster (one per chain)
//!       ├─ PeerBook                 who exists, how good, whom to dial next
//!       ├─ PeerConnection × M       one per live peer; reports outcomes to the PeerBook
//!       └─ RpcEndpoint × K          one per node
//! ```
//!
//! Blocks do not pass through here. They go through the [`Relay`](relay::Relay), which is plain tokio and outlives
//! every actor; what the actors do is to decide who is connected to, to keep watch over nodes, and to put things
//! together again after a crash. Each of them carries messages between the relay and a piece of pure code.
//!
//! # Crashes
//!
//! An actor that panics just disappears: actix tells nobody. So each incarnation of a chain's actors shares a
//! cancellation token, and each holds a guard of it. When one goes that was not to go, the token is cancelled, the
//! others stop, and the [`Supervisor`](supervisor::Supervisor) builds the next incarnation, after a
//! pause that grows, and only so often in a while. The new one adopts the live connections; deliveries never noticed.
//! A chain whose budget is used up stays without actors; its relay still submits to nodes and to the peers that are
//! left, and `/readyz` says what happened.
//!
//! # What was learnt about actix
//!
//! `do_send` ignores a mailbox's capacity and drops silently when the actor is gone, so only small control messages go
//! that way, and none whose loss would matter to a block. An actor with an interval stays alive after its last address
//! is dropped, so children watch the token. `System::stop` abandons whatever runs, so shutting down is done with
//! the relay's own deadline first.

mod atlas;
mod broadcaster;
mod discovery;
mod engine;
mod handle;
mod peer_book;
mod peer_connection;
mod rpc_endpoint;
pub mod rules;
mod seeds;
mod store;
pub mod supervisor;
#[cfg(test)]
mod tests;

pub use atlas::AtlasError;
pub use engine::{Engine, StartError};
pub use handle::{BanError, BookEntry, BookSummary, ChainHandle, DialStatistics, Readiness};
pub use rpc_endpoint::REFRESH;
pub use rules::{KNOWN_CHAINS, RulesError, UnknownChain};
