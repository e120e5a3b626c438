//! The `RpcEndpoint`: keeps watch over one node.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, WrapFuture};
use relay::Node;
use tokio::task::JoinHandle;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use crate::{ChainHandle, discovery, peer_book::PeerBook};

/// How often a node is asked for its tip. Announcements over P2P bring it sooner; this is what notices a node's death.
const POLL: Duration = Duration::from_secs(1);

/// How often a node is asked for its peers while there are enough of them, and while there are not.
pub const REFRESH: (Duration, Duration) = (Duration::from_secs(1800), Duration::from_secs(60));

/// Keeps watch over one node.
pub(crate) struct RpcEndpoint {
    chain: Arc<ChainHandle>,
    node: Arc<Node>,
    book: Addr<PeerBook>,
    alive: CancellationToken,
    /// Dropped with the actor, also by a panic: then the chain's other actors go too, and all are rebuilt.
    _guard: DropGuard,
    /// The last question; while it is on its way, the next waits.
    question: Option<JoinHandle<()>>,
    /// Keeps a connection ready for submits; ends with this actor.
    warm: Option<AbortOnDropHandle<()>>,
    /// Keeps asking for what is final, on a chain that has that; ends with this actor.
    finality: Option<AbortOnDropHandle<()>>,
    /// The last question for peers.
    discovery: Option<JoinHandle<()>>,
    refreshed: Option<Instant>,
}

impl RpcEndpoint {
    pub(crate) fn new(
        chain: Arc<ChainHandle>,
        node: Arc<Node>,
        book: Addr<PeerBook>,
        alive: CancellationToken,
    ) -> Self {
        let guard = alive.clone().drop_guard();
        Self {
            chain,
            node,
            book,
            alive,
            _guard: guard,
            question: None,
            warm: None,
            finality: None,
            discovery: None,
            refreshed: None,
        }
    }

    fn poll(&mut self) {
        if self.question.as_ref().is_some_and(|question| !question.is_finished()) {
            return;
        }
        let (chain, node) = (self.chain.clone(), self.node.clone());
        self.question = Some(tokio::spawn(async move { chain.relay.poll_node(&node).await }));
        self.discover();
    }

    /// Asks for peers when it is time. In a task of its own: a long list must not keep the tip waiting.
    fn discover(&mut self) {
        if self.discovery.as_ref().is_some_and(|discovery| !discovery.is_finished()) {
            return;
        }
        let sources = self.due_sources();
        if sources.is_empty() {
            return;
        }
        let (chain, node, book) = (self.chain.clone(), self.node.clone(), self.book.clone());
        self.discovery = Some(tokio::spawn(async move {
            if sources.contains(&config::Discovery::Chain) {
                discovery::ask_source(&chain, &node, &book).await;
            }
            if sources.contains(&config::Discovery::Node) {
                discovery::ask(&chain, &node, &book).await;
            }
        }));
    }

    /// The sources of peers that the node is to be asked for now.
    fn due_sources(&mut self) -> Vec<config::Discovery> {
        let peers = &self.chain.config.peers;
        if !peers.enabled || peers.discovery.is_empty() {
            return Vec::new();
        }
        let connected = self.chain.relay.ready_peers().iter().filter(|peer| !peer.kind.is_own()).count();
        let interval = if connected >= peers.min { REFRESH.0 } else { REFRESH.1 };
        let due = self.refreshed.is_none_or(|refreshed| refreshed.elapsed() >= interval);
        if !due {
            return Vec::new();
        }
        self.refreshed = Some(Instant::now());
        peers.discovery.clone()
    }
}

impl Actor for RpcEndpoint {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let client = self.node.client().clone();
        self.warm = Some(AbortOnDropHandle::new(tokio::spawn(async move { client.keep_warm().await })));
        let watch = self.chain.relay.clone().watch_finality(self.node.clone());
        let alive = self.alive.clone();
        self.finality = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // Should it crash, all are rebuilt, as with an actor.
            let guard = alive.drop_guard();
            watch.await;
            guard.disarm();
        })));
        self.poll();
        ctx.run_interval(POLL, |endpoint, _| endpoint.poll());
        let alive = self.alive.clone();
        ctx.spawn(actix::fut::ActorFutureExt::map(
            async move { alive.cancelled().await }.into_actor(self),
            |(), _, ctx: &mut Self::Context| ctx.stop(),
        ));
    }
}
