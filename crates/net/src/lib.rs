//! Sockets to peers.
//!
//! A connection is dialled ([`dial`], through a [`Proxy`] if there is one; [`seeds`] knows whom), tuned ([`socket`]) and then run ([`run`]): a reader task cuts the stream into
//! messages and drives the sans-IO [`Session`](protocol::session::Session); a writer task empties the peer's
//! [`Lane`]. What the session and the writer have to tell goes to the [`Host`], which is the relay.
//!
//! A found block does not wait for a hundred writer tasks to wake up: the thread that has it loads the lanes of all
//! peers and sends them itself, in order ([`volley`]). The tasks write what is left, and watch what becomes of it.
//!
//! # Lanes
//!
//! A lane is where bulk bytes wait for one peer. Pushing into it never waits and never copies: it takes an
//! [`Arc<Plan>`](Plan), a short list of ready-made frames that all peers share, and writes header and payload vectored.
//! It is bounded by bytes, not by messages; a lane without room refuses the push and says so, and the peer stays. What
//! ends a connection is standstill, as TCP tells it: five seconds in which bytes are waiting and the peer's kernel
//! acknowledges none.
//!
//! # What "written" means here
//!
//! Nothing, for the delivery. The writer reports when a block's last byte was handed to the kernel and when the peer's
//! kernel had acknowledged it (`TCP_INFO`), because operators need to see where time goes; what the peer made of the
//! block is for [`protocol::delivery`] to find out.

mod connection;
mod dial;
mod lane;
mod pen;
mod plan;
mod progress;
mod proxy;
pub mod seeds;
pub mod socket;
mod stream;
mod volley;
mod writer;

pub use connection::{Closed, Connection, Host, run};
pub use dial::{DialError, dial};
pub use lane::{Lane, LaneFull, Withdrawn};
pub use plan::{Packet, Plan};
pub use proxy::{Answer, Proxy, ProxyFault};
pub use volley::volley;
