//! One node among its sockets.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::BlockHash;

use super::line::{self, Line, Mouth};
use crate::{ConnectionId, Link, Node, Output, Temperament};

/// Something of which a member's neighbours are to hear.
#[derive(Debug)]
pub(super) struct News {
    pub(super) member: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A block became part of its active chain.
    Accepted { hash: BlockHash, block: Bytes },
    /// It learned of a lock.
    Locked { object: Bytes },
}

/// A simulated node, its clock, and its connections.
///
/// # Correctness
/// Whoever touches the node holds its lock until what it said is in the writers' queues, so that messages leave in the
/// order in which the node said them.
pub(super) struct Host {
    pub(super) index: usize,
    pub(super) link: Link,
    pub(super) temperament: Temperament,
    magic: [u8; 4],
    start: Instant,
    inner: Mutex<Inner>,
    /// The node's next deed may be due earlier than thought.
    changed: Notify,
    news: mpsc::UnboundedSender<News>,
}

struct Inner {
    node: Node,
    mouths: HashMap<ConnectionId, Mouth>,
    connections: u64,
}

impl Host {
    pub(super) fn new(
        index: usize,
        link: Link,
        node: Node,
        start: Instant,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        Self {
            index,
            link,
            temperament: node.temperament(),
            magic: node.profile().magic(),
            start,
            inner: Mutex::new(Inner { node, mouths: HashMap::new(), connections: 0 }),
            changed: Notify::new(),
            news,
        }
    }

    /// The time since the world's start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Does something with the node, and what the node says to it.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Node, Duration) -> T) -> T {
        let mut inner = self.inner.lock();
        let result = act(&mut inner.node, self.now());
        self.pump(&mut inner);
        drop(inner);
        self.changed.notify_one();
        result
    }

    /// Looks at the node.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Node) -> T) -> T {
        look(&self.inner.lock().node)
    }

    /// Hands what the node said to the writers.
    fn pump(&self, inner: &mut Inner) {
        while let Some(output) = inner.node.poll() {
            match output {
                Output::Send { to, message, at } => {
                    if let Some(mouth) = inner.mouths.get(&to) {
                        mouth.say(crate::node::frame(self.magic, &message), self.arrival(at));
                    }
                }
                Output::HangUp { connection, reason, at } => {
                    tracing::debug!(member = self.index, %reason, "a simulated node hangs up");
                    if let Some(mouth) = inner.mouths.remove(&connection) {
                        mouth.close(self.arrival(at));
                    }
                }
                Output::Accepted { hash, block, .. } => {
                    self.tell(What::Accepted { hash, block });
                }
                Output::Locked { object, .. } => self.tell(What::Locked { object }),
            }
        }
    }

    fn tell(&self, what: What) {
        // Nobody listens any more once the world is ending.
        let _ = self.news.send(News { member: self.index, what });
    }

    fn arrival(&self, at: Duration) -> Instant {
        self.start + at + self.link.latency
    }

    /// Lets the node do what it does by itself, until the world ends.
    pub(super) async fn keep_time(self: Arc<Self>, ending: CancellationToken) {
        loop {
            let next = self.look(Node::next_due).map(|due| self.start + due);
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ending.cancelled() => return,
                () = self.changed.notified() => continue,
                () = due => {}
            }
            // Not `with`: it would wake this very loop again.
            let mut inner = self.inner.lock();
            inner.node.tick(self.now());
            self.pump(&mut inner);
        }
    }

    /// Takes connections until the world ends.
    pub(super) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        tasks: TaskTracker,
        ending: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                () = ending.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (line, mouth) = Line::new(stream, self.link, self.temperament);
                    let id = self.connect(address, mouth);
                    tasks.spawn(line.run(id, self.clone(), ending.clone()));
                }
                // Out of file descriptors, most likely: it passes, and must not become a busy loop.
                Err(error) => {
                    tracing::warn!(member = self.index, %error, "a connection could not be taken");
                    tokio::select! {
                        () = ending.cancelled() => return,
                        () = tokio::time::sleep(line::PAUSE) => {}
                    }
                }
            }
        }
    }

    fn connect(&self, address: SocketAddr, mouth: Mouth) -> ConnectionId {
        let mut inner = self.inner.lock();
        inner.connections += 1;
        let id = ConnectionId(inner.connections);
        inner.mouths.insert(id, mouth);
        inner.node.connect(id, address, self.now());
        self.pump(&mut inner);
        drop(inner);
        self.changed.notify_one();
        id
    }

    /// Bytes have arrived. Whether the node goes on listening.
    pub(super) fn hear(&self, id: ConnectionId, bytes: &[u8]) -> bool {
        self.with(|node, now| {
            node.read(id, bytes, now);
            node.listens(id)
        })
    }

    /// The other side has gone, or is to be.
    pub(super) fn ended(&self, id: ConnectionId) {
        self.inner.lock().mouths.remove(&id);
        self.with(|node, now| node.disconnect(id, now));
    }
}
