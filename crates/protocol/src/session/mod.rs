//! One connection's conversation, from our `version` to the end.
//!
//! [`Session`] is told what arrives and how late it is, and fills a queue of [`Output`]s: messages to send, events to
//! report, and at last a reason to hang up. It is the outbound side: we dial, so the daemon sees an inbound peer and
//! owes us nothing. What keeps us welcome is therefore built in: nothing before it is allowed, every ping answered at
//! once, and what we announced is served when it is asked for.
//!
//! # The handshake
//!
//! `version` →, ← `version`, (`sendaddrv2` →), `verack` →, ← `verack`. Then, once: the offer of the best compact format
//! with low bandwidth (`sendcmpct(0, best)`, of which a daemon lets only the first count), `sendheaders`, and a
//! `getheaders` whose answer tells the peer's tip (as soon as we know a chain ourselves), and, if the peer's gossip is
//! wanted, `getaddr`, which a daemon answers only once per connection.
//!
//! # Security
//!
//! A peer cannot make a session hold memory: it keeps counters, timestamps and a few names only. It cannot make it send much
//! either: per message it asks for, it gets at most a bounded number of answers, and blocks that are not on our shelf are
//! never served.

mod gossip;
mod handshake;
mod objects;
mod outcome;
mod serve;
mod steady;
#[cfg(test)]
mod tests;

pub use gossip::GossipAddress;
pub use outcome::{Disconnect, Event, Output, Via};

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::Bytes;
use chain::{Chain, IndexedBlock, ObjectKind, SessionPolicy};
use wire::{BlockHash, DamageKind, DecodeError, Header, Message, NetworkAddress, VersionMessage};

use steady::Steady;

/// What we have to offer and to answer with. The session asks; the relay, which holds the blocks, answers.
pub trait Shelf {
    /// A block that peers were given or told of, if it is still held.
    fn block(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>>;
    /// The answer to a `getheaders`.
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header>;
    /// The locator for our own `getheaders`; empty while we know no chain.
    fn locator(&self) -> Vec<BlockHash>;
    /// Whether a block's header is known.
    fn knows(&self, hash: &BlockHash) -> bool;
    /// An object of the [chain's own kind](chain::Finality::object) that may be passed on, by its name in wire order.
    fn object(&self, _id: &[u8; 32]) -> Option<Bytes> {
        None
    }
    /// Whether this peer was asked for a block that has not come yet. Any other block that comes is not looked at.
    fn awaits(&self, _block: &BlockHash) -> bool {
        false
    }
}

/// What a session must be told about itself.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// Random, and remembered by whoever opens connections: a peer that says it is us.
    pub nonce: u64,
    /// E.g. `/Blockcast:0.1.0/`.
    pub user_agent: String,
    /// Our clock, Unix seconds.
    pub timestamp: i64,
    /// The peer's address as we dialled it.
    pub receiver: NetworkAddress,
    /// The height of our header view. Zero is always fine; a value far above the peer's makes daemons keep their
    /// announcements from us (L net_processing.cpp:1410).
    pub start_height: u32,
    /// Whether to ask the peer for the addresses of others, once, and to report those that it tells. Without it
    /// nothing is asked, and what is told goes no further.
    pub gossip: bool,
}

enum State {
    AwaitingVersion,
    AwaitingVerack(VersionMessage),
    Ready(Steady),
    Over,
}

/// The state of one conversation.
pub struct Session {
    policy: SessionPolicy,
    /// The kind of object that is fetched and served besides blocks, if the chain has one.
    object: Option<ObjectKind>,
    dialect: Arc<dyn Chain>,
    introduction: Introduction,
    opened: Instant,
    last_heard: Instant,
    state: State,
    outbox: VecDeque<Output>,
}

impl Session {
    /// Begins a conversation on a fresh connection; the first output is our `version`.
    pub fn new(chain: Arc<dyn Chain>, introduction: Introduction, now: Instant) -> Self {
        let mut session = Self {
            policy: chain.session_policy().clone(),
            object: chain.finality().map(|finality| finality.object()),
            dialect: chain,
            introduction,
            opened: now,
            last_heard: now,
            state: State::AwaitingVersion,
            outbox: VecDeque::new(),
        };
        let version = session.our_version();
        session.send(version);
        session
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// Whether the handshake is done and the conversation goes on.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// A message has arrived.
    pub fn handle(&mut self, message: Message, shelf: &dyn Shelf, now: Instant) {
        self.last_heard = now;
        match &mut self.state {
            State::AwaitingVersion => self.await_version(message),
            State::AwaitingVerack(_) => self.await_verack(message, shelf, now),
            State::Ready(_) => self.converse(message, shelf, now),
            State::Over => {}
        }
    }

    /// A message has arrived that cannot be understood. The daemons log that and go on; so do we, until it becomes a
    /// habit.
    pub fn handle_undecodable(&mut self, error: &DecodeError, now: Instant) {
        self.garbage(error.kind(), now);
    }

    /// A frame has arrived damaged.
    pub fn handle_damaged(&mut self, damage: DamageKind, now: Instant) {
        self.garbage(damage.kind(), now);
    }

    fn garbage(&mut self, kind: &'static str, now: Instant) {
        let too_much = match &mut self.state {
            // A stranger's first words are no place for mistakes.
            State::AwaitingVersion | State::AwaitingVerack(_) => true,
            State::Ready(steady) => steady.count_garbage(),
            State::Over => return,
        };
        self.last_heard = now;
        self.emit(Event::Garbage { kind });
        if too_much {
            self.hang_up(Disconnect::Garbage { kind });
        }
    }

    /// The peer does what no honest daemon does.
    fn fault(&mut self, kind: &'static str, now: Instant) {
        let State::Ready(steady) = &mut self.state else { return };
        let borne = steady.faults.take(now);
        self.emit(Event::Fault { kind });
        if !borne {
            self.hang_up(Disconnect::Faults { kind });
        }
    }

    /// Time has passed. To be called about once a second.
    pub fn tick(&mut self, shelf: &dyn Shelf, now: Instant) {
        match &self.state {
            State::AwaitingVersion | State::AwaitingVerack(_) => {
                if now.saturating_duration_since(self.opened) >= self.policy.handshake_timeout {
                    self.hang_up(Disconnect::HandshakeTimeout);
                }
            }
            State::Ready(_) => self.keep_alive(shelf, now),
            State::Over => {}
        }
    }

    fn send(&mut self, message: Message) {
        self.outbox.push_back(Output::Send(message));
    }

    fn emit(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn hang_up(&mut self, reason: Disconnect) {
        self.state = State::Over;
        self.outbox.push_back(Output::Disconnect(reason));
    }
}
