//! The `PeerConnection`: looks after one connection, and tells the book how it does.

use std::sync::Arc;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use protocol::PeerId;
use relay::{Peer, PeerNotice, PeerSpec, Relay};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::peer_book::{News, PeerBook};

/// Looks after one connection. The socket itself is the relay's and outlives this actor.
pub(crate) struct PeerConnection {
    book: Addr<PeerBook>,
    alive: CancellationToken,
    /// Cancels `alive` when the actor is dropped by a panic; taken out before it stops on its own.
    guard: Option<DropGuard>,
    peer: Option<Arc<Peer>>,
}

impl PeerConnection {
    fn new(book: Addr<PeerBook>, alive: CancellationToken) -> Self {
        let guard = Some(alive.clone().drop_guard());
        Self { book, alive, guard, peer: None }
    }

    /// Makes a new connection.
    pub(crate) fn dial(
        relay: &Arc<Relay>,
        spec: PeerSpec,
        book: Addr<PeerBook>,
        alive: CancellationToken,
    ) -> (PeerId, Addr<Self>) {
        let connection = Self::new(book, alive).start();
        let peer = relay.connect(spec, listener(&connection));
        connection.do_send(LookAfter(peer.clone()));
        (peer.id, connection)
    }

    /// Takes over a connection that an earlier incarnation made.
    pub(crate) fn adopt(peer: Arc<Peer>, book: Addr<PeerBook>, alive: CancellationToken) -> Addr<Self> {
        let connection = Self::new(book, alive).start();
        connection.do_send(LookAfter(peer.clone()));
        peer.listen(listener(&connection));
        connection
    }
}

fn listener(connection: &Addr<PeerConnection>) -> impl Fn(PeerNotice) + Send + Sync + 'static {
    let connection = connection.clone();
    move |notice| connection.do_send(Notice(notice))
}

impl Actor for PeerConnection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let alive = self.alive.clone();
        ctx.spawn(actix::fut::ActorFutureExt::map(
            async move { alive.cancelled().await }.into_actor(self),
            |(), _, ctx: &mut Self::Context| ctx.stop(),
        ));
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct LookAfter(Arc<Peer>);

impl Handler<LookAfter> for PeerConnection {
    type Result = ();

    fn handle(&mut self, LookAfter(peer): LookAfter, _: &mut Self::Context) {
        self.peer = Some(peer);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Notice(PeerNotice);

impl Handler<Notice> for PeerConnection {
    type Result = ();

    fn handle(&mut self, Notice(notice): Notice, ctx: &mut Self::Context) {
        // The connection may fail before `LookAfter` is here; then it comes next.
        let Some(peer) = &self.peer else { return ctx.notify(Notice(notice)) };
        if matches!(notice, PeerNotice::Ended(_)) {
            self.guard.take().map(DropGuard::disarm);
            ctx.stop();
        }
        self.book.do_send(News { peer: peer.clone(), notice });
    }
}

#[cfg(test)]
impl Handler<crate::broadcaster::Crash> for PeerConnection {
    type Result = ();

    fn handle(&mut self, _: crate::broadcaster::Crash, _: &mut Self::Context) {
        panic!("a test asked for it");
    }
}
