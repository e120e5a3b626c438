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
        Self { chain, node, book, alive, _guard: guard, question: None, warm: None, refreshed: None }
    }

    fn poll(&mut self) {
        if self.question.as_ref().is_some_and(|question| !question.is_finished()) {
            return;
        }
        let (chain, node, book) = (self.chain.clone(), self.node.clone(), self.book.clone());
        let discover = self.is_refresh_due();
        self.question = Some(tokio::spawn(async move {
            chain.relay.poll_node(&node).await;
            if discover {
                discovery::ask(&chain, &node, &book).await;
            }
        }));
    }

    fn is_refresh_due(&mut self) -> bool {
        let peers = &self.chain.config.peers;
        if !peers.enabled || !peers.discovery.contains(&config::Discovery::Node) {
            return false;
        }
        let connected = self.chain.relay.ready_peers().iter().filter(|peer| !peer.kind.is_own()).count();
        let interval = if connected >= peers.min { REFRESH.0 } else { REFRESH.1 };
        let due = self.refreshed.is_none_or(|refreshed| refreshed.elapsed() >= interval);
        if due {
            self.refreshed = Some(Instant::now());
        }
        due
    }
}

impl Actor for RpcEndpoint {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let client = self.node.client().clone();
        self.warm = Some(AbortOnDropHandle::new(tokio::spawn(async move { client.keep_warm().await })));
        self.poll();
        ctx.run_interval(POLL, |endpoint, _| endpoint.poll());
        let alive = self.alive.clone();
        ctx.spawn(actix::fut::ActorFutureExt::map(
            async move { alive.cancelled().await }.into_actor(self),
            |(), _, ctx: &mut Self::Context| ctx.stop(),
        ));
    }
}
