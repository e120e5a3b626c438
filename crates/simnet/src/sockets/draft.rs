//! Members before they start: where each of them listens, or does not.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use rand::Rng;
use tokio::net::{TcpListener, TcpSocket};

use super::{NodePlan, PeerPlan, RpcAddress, WorldError};
use crate::Temperament;

/// How much the kernel takes for a node that stops reading, in bytes; Linux doubles it.
const DEAF_BUFFER: u32 = 4096;

/// How many connections may wait to be taken.
const BACKLOG: u32 = 128;

/// What is made of one entry of a plan.
pub(super) struct Draft {
    pub(super) plan: PeerPlan,
    pub(super) port: Port,
    pub(super) rpc: Option<(Port, RpcAddress)>,
    pub(super) p2p: SocketAddr,
}

/// A port of a member.
pub(super) enum Port {
    Open(TcpListener),
    /// Bound, so that nobody else gets it, and without a listener, so that it refuses.
    Shut(TcpSocket),
}

/// Gives every entry of a plan its ports.
pub(super) fn drafts(peers: Vec<PeerPlan>, nodes: Vec<NodePlan>) -> Result<Vec<Draft>, WorldError> {
    let mut names = HashSet::new();
    let peers = peers.into_iter().map(|plan| (plan, None));
    let nodes = nodes.into_iter().map(|node| {
        let plan = PeerPlan { name: node.name, temperament: node.temperament, link: node.link };
        (plan, Some(node.cookie_file))
    });
    let draft = |(plan, rpc): (PeerPlan, Option<Option<PathBuf>>)| {
        if !names.insert(plan.name.clone()) {
            return Err(WorldError::SameName(plan.name));
        }
        let bind = |source| WorldError::Bind { member: plan.name.clone(), source };
        let is_down = plan.temperament == Temperament::Down;
        let (port, p2p) = port(is_down, plan.temperament == Temperament::Deaf).map_err(bind)?;
        let rpc = rpc.map(|cookie_file| {
            let (port, address) = self::port(is_down, false)?;
            let user = if cookie_file.is_some() { "__cookie__" } else { "pool" }.into();
            let secret: [u8; 32] = rand::rng().random();
            Ok((port, RpcAddress { address, user, password: faster_hex::hex_string(&secret), cookie_file }))
        });
        let rpc = rpc.transpose().map_err(bind)?;
        Ok(Draft { plan, port, rpc, p2p })
    };
    peers.chain(nodes).map(draft).collect()
}

/// A port that the system chooses.
fn port(is_down: bool, is_deaf: bool) -> io::Result<(Port, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    if is_deaf {
        socket.set_recv_buffer_size(DEAF_BUFFER)?;
    }
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = socket.local_addr()?;
    let port = if is_down { Port::Shut(socket) } else { Port::Open(socket.listen(BACKLOG)?) };
    Ok((port, address))
}
