//! The `ChainBroadcaster`: one chain's actors, and what joins them.

use std::{collections::HashMap, sync::Arc};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use protocol::{PeerId, book::Kind};
use relay::PeerSpec;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    ChainHandle,
    handle::configured,
    peer_book::{Candidates, PeerBook},
    peer_connection::PeerConnection,
    rpc_endpoint::RpcEndpoint,
};

/// Owns the actors of one chain. When it is gone, they go.
pub(crate) struct ChainBroadcaster {
    chain: Arc<ChainHandle>,
    alive: CancellationToken,
    /// Dropped with the actor, also by a panic: cancels `alive`.
    _guard: DropGuard,
    book: Option<Addr<PeerBook>>,
    connections: HashMap<PeerId, Addr<PeerConnection>>,
    endpoints: Vec<Addr<RpcEndpoint>>,
}

impl ChainBroadcaster {
    pub(crate) fn new(chain: Arc<ChainHandle>, alive: CancellationToken) -> Self {
        let guard = alive.clone().drop_guard();
        Self { chain, alive, _guard: guard, book: None, connections: HashMap::new(), endpoints: Vec::new() }
    }
}

impl Actor for ChainBroadcaster {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // What an earlier incarnation connected to is in the book from the beginning, or it would be dialled again.
        let live = self.chain.relay.peers();
        let book = PeerBook::new(self.chain.clone(), ctx.address().downgrade(), self.alive.clone(), &live);
        let book = book.start();
        book.do_send(Candidates(configured(&self.chain.config)));
        for peer in live {
            let connection = PeerConnection::adopt(peer.clone(), book.clone(), self.alive.clone());
            self.connections.insert(peer.id, connection);
        }
        let endpoints = self.chain.relay.nodes().iter();
        self.endpoints = endpoints
            .map(|node| {
                RpcEndpoint::new(self.chain.clone(), node.clone(), book.clone(), self.alive.clone()).start()
            })
            .collect();
        self.book = Some(book);
        #[cfg(test)]
        self.chain.crash.lock().replace(ctx.address().recipient());
        tracing::info!(chain = self.chain.name(), network = %self.chain.config.network, "chain is running");
    }
}

/// Connect to these.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Dial(pub(crate) Vec<(String, Kind, u32)>);

impl Handler<Dial> for ChainBroadcaster {
    type Result = ();

    fn handle(&mut self, Dial(candidates): Dial, _: &mut Self::Context) {
        let Some(book) = &self.book else { return };
        self.connections.retain(|_, connection| connection.connected());
        for (address, kind, score) in candidates {
            let spec = PeerSpec { address, kind, score };
            let (id, connection) =
                PeerConnection::dial(&self.chain.relay, spec, book.clone(), self.alive.clone());
            self.connections.insert(id, connection);
        }
    }
}

/// For tests of what a crash does: this one of the chain's actors is to panic.
#[cfg(test)]
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) enum Crash {
    Broadcaster,
    Book,
    Connection,
}

#[cfg(test)]
impl Handler<Crash> for ChainBroadcaster {
    type Result = ();

    fn handle(&mut self, crash: Crash, _: &mut Self::Context) {
        match crash {
            Crash::Broadcaster => panic!("a test asked for it"),
            Crash::Book => self.book.iter().for_each(|book| book.do_send(crash)),
            Crash::Connection => self.connections.values().for_each(|connection| connection.do_send(crash)),
        }
    }
}
