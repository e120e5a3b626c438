//! The hot path: from a found block to every node and every peer, without waiting for a mailbox, a disk or another
//! peer.
//!
//! One [`Relay`] serves one chain. It is plain tokio, knows no actor, and outlives the actors that look after it: when
//! a chain's actors crash and are rebuilt, sockets and running deliveries go on.
//!
//! # What happens to a submission
//!
//! [`Relay::submit`] returns at once with a [`Delivery`], a handle to everything that becomes known. Meanwhile, all at
//! the same time:
//!
//! 1. the caller's bytes, unchecked, leave for **every node** by `submitblock`, each on its own warm connection;
//! 2. the block goes into the **journal**, whose sync runs beside the sends;
//! 3. the block is **inspected** on a thread for such work, and, if a peer would welcome it, its canonical form is
//!    framed once, put into the lane of **every peer** in the order of their scores, and written to their sockets by
//!    that very thread. While no peer is connected, the nodes have the processors to themselves first.
//!
//! A node of ours that is also a P2P peer is pushed to when its `submitblock` has answered or failed, or after 250 ms:
//! the push would destroy its verdict.
//!
//! Whoever must answer the pool waits with [`Delivery::acknowledgement`]: for the journal and for a verdict, at most
//! four seconds. The delivery itself goes on until every node and peer has answered.
//!
//! # Modules
//!
//! [`Submission`] comes in at whatever door; [`Relay`] carries it out, with its parts in `fanout` (to peers), `nodes`
//! (to nodes, and their verdicts), `chainwatch` (which headers exist, which peer has them), `finality` (the chain's last
//! word on them, where it has one), `host` (what connections tell), `tips` (blocks of others), `upkeep` (what time does), `aux` (the way back of solved
//! aux work) and `memo` (what the journal keeps beside blocks). [`Delivery`] collects what happens, [`Report`] says it. [`Metrics`] counts it.

mod aux;
mod chainwatch;
mod delivery;
mod events;
mod fanout;
mod finality;
mod follow;
mod followed;
mod host;
mod memo;
mod metrics;
mod node;
mod nodes;
mod peers;
mod proxy;
mod relay;
mod report;
mod shelf;
mod submission;
mod tips;
mod upkeep;
mod whereabouts;

pub use aux::{AuxAnswer, AuxDelivery};
pub use delivery::{Acknowledge, Acknowledgement, Delivery, Goal};
pub use events::{Event, Events};
pub use finality::answer_of;
pub use ledger::{EchoReport, FinalityReport, MergedReport, NodeReport, PeerReport, Report, Source};
pub use metrics::{ChainMetrics, Metrics};
pub use node::{Node, NodeHealth, NodeStatus, NodeTip};
pub use peers::{Ended, Ending, Peer, PeerInfo, PeerNotice, PeerSpec, Refusal};
pub use relay::{Facilities, Relay, RelaySettings};
pub use report::told;
pub use submission::{Submission, Trust};
