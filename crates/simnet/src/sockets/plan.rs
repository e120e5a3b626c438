//! What a world is made of.

use std::path::PathBuf;

use crate::{Link, Quorum, Temperament};

/// A world to be started.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Where links between members, nonces and transactions come from. What happens when still depends on the machine.
    pub seed: u64,
    /// How many blocks on genesis everybody has at the start.
    pub history: u32,
    /// How many neighbours each member gossips with at least, if there are so many.
    pub neighbours: usize,
    /// Members with a P2P port.
    pub peers: Vec<PeerPlan>,
    /// Members with a P2P port and JSON-RPC.
    pub nodes: Vec<NodePlan>,
    /// Who makes blocks final, on a chain that knows such a thing.
    pub quorum: Option<Quorum>,
}

/// A peer to be started.
#[derive(Debug, Clone)]
pub struct PeerPlan {
    /// Its name, unlike everybody else's.
    pub name: String,
    /// How it behaves.
    pub temperament: Temperament,
    /// Its line.
    pub link: Link,
}

/// A node to be started.
///
/// Its RPC shares its temperament and its line: a slow one answers late, a mute or deaf one never, one that cuts
/// connections does so in the middle of each submission, one that is away closes them, one that is down refuses them, and a
/// zombie finds every block `inconclusive`.
#[derive(Debug, Clone)]
pub struct NodePlan {
    /// Its name, unlike everybody else's.
    pub name: String,
    /// How it behaves.
    pub temperament: Temperament,
    /// Its line, for P2P and RPC alike.
    pub link: Link,
    /// Where to write user and password, as the daemons do at each start. Without one they are only told by
    /// [`RpcAddress`](super::RpcAddress).
    pub cookie_file: Option<PathBuf>,
}
