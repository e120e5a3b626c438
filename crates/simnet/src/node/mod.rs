//! One simulated node, without its sockets.
//!
//! A [`Node`] is told what happens (a connection was made, bytes or a message came, time has passed) and says what it
//! does, as a queue of [`Output`]s: send this, hang up on that one, I have a new block. It is the side that is dialled;
//! nodes hear of one another's blocks through [`Node::hear_of`].
//!
//! # Time
//!
//! Like the daemons, a node does one thing at a time: what comes waits until what came before is done. A block takes
//! as long as the [profile](crate::Profile::validation) says, everything else no time at all (but see
//! [`Temperament::Slow`]). So an answer is not the outcome of the call that brought the question: drive the node with
//! [`tick`](Node::tick) whenever [`next_due`](Node::next_due) says so, and take what it put out.
//!
//! # Security
//!
//! Whatever comes over a connection is treated as a stranger's: lengths before allocations, a bounded number of
//! connections and of waiting messages, no panic on any bytes.

mod announce;
mod compact;
mod connection;
mod converse;
mod desk;
mod gossip;
mod handshake;
mod intake;
mod lock;
mod merged;
mod output;
mod refuse;
mod serve;
mod timers;
mod tongue;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use tokio_util::codec::Encoder;
use wire::{BlockHash, Command, Frame, FrameCodec, Message};

use crate::{ChainState, Inspections, Profile, Temperament};
use connection::{Connection, Phase};
use desk::{Desk, Work};
use gossip::Gossip;
use intake::Heard;
use lock::Locks;
use merged::Issued;
use refuse::Bans;
use timers::{Timer, Timers};

pub use connection::{ConnectionId, PeerInfo};
pub use merged::Solution;
pub use output::{HangUp, Output};
pub use refuse::Ban;

/// How many connections a node takes. litecoind: 125 less 11 of its own (protocol.md §2.4).
const MAX_CONNECTIONS: usize = 114;

/// A simulated node. See the module's front page.
pub struct Node {
    profile: Arc<Profile>,
    chain: ChainState,
    temperament: Temperament,
    rng: Box<dyn RngCore + Send>,
    connections: BTreeMap<ConnectionId, Connection>,
    desk: Desk,
    timers: Timers,
    outbox: VecDeque<Output>,
    /// Blocks that were asked for, and of whom.
    requested: HashMap<BlockHash, ConnectionId>,
    /// Peers that were asked to push compact blocks, the latest last.
    pushers: VecDeque<ConnectionId>,
    gossip: Gossip,
    locks: Locks,
    /// Addresses from which nothing is taken.
    bans: Bans,
    /// Work for merged mining that it has issued.
    issued: Issued,
    /// What is a matter of chance about when it speaks, if the profile leaves any of that to chance.
    whims: Option<StdRng>,
    /// Away, if [`Temperament::Flapping`].
    away: bool,
    initial_download: bool,
    warm_up: Option<String>,
    addresses: Vec<SocketAddr>,
}

impl Node {
    /// A node that has nothing but genesis, at the network's start. `epoch` is the Unix time of that start, in seconds.
    pub fn new(
        profile: Arc<Profile>,
        inspections: Inspections,
        temperament: Temperament,
        epoch: u32,
        rng: impl RngCore + Send + 'static,
    ) -> Self {
        let mut rng: Box<dyn RngCore + Send> = Box::new(rng);
        let whimsical = profile.stall.is_some() || profile.afterthought.is_some();
        let whims = whimsical.then(|| StdRng::seed_from_u64(rng.next_u64()));
        let mut node = Self {
            chain: ChainState::new(profile.clone(), inspections, epoch),
            profile,
            temperament,
            rng,
            whims,
            connections: BTreeMap::new(),
            desk: Desk::default(),
            timers: Timers::default(),
            outbox: VecDeque::new(),
            requested: HashMap::new(),
            pushers: VecDeque::new(),
            gossip: Gossip::default(),
            locks: Locks::default(),
            bans: Bans::default(),
            issued: Issued::default(),
            away: false,
            initial_download: false,
            warm_up: None,
            addresses: Vec::new(),
        };
        if let Temperament::Flapping { up, .. } = temperament {
            // Not all at the same moment.
            let first = up.mul_f64(node.rng.random_range(0.5..1.5));
            node.timers.set(first, Timer::Leave);
        }
        node
    }

    /// What it knows of the chain.
    pub fn chain(&self) -> &ChainState {
        &self.chain
    }

    /// What it knows of the chain, to set the scene before it is talked to.
    pub fn chain_mut(&mut self) -> &mut ChainState {
        &mut self.chain
    }

    /// How it behaves.
    pub fn temperament(&self) -> Temperament {
        self.temperament
    }

    /// The daemon that it plays.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Whether it is away, which only a [flapping](Temperament::Flapping) one ever is.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// Tells it other nodes' addresses: it gives them to whoever sends `getaddr`, and calls them peers of its own in
    /// `getpeerinfo`.
    pub fn know_addresses(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses;
    }

    /// The addresses that it was told.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Puts it into initial block download, or out of it: then `getheaders` gets no answer, and `getblocktemplate`
    /// fails (ibd_behaviour.json).
    pub fn set_initial_download(&mut self, on: bool) {
        self.initial_download = on;
    }

    /// Whether it is in initial block download.
    pub fn initial_download(&self) -> bool {
        self.initial_download
    }

    /// Makes RPC answer that the node is starting (-28), in these words, or makes it answer again.
    pub fn set_warm_up(&mut self, message: Option<String>) {
        self.warm_up = message;
    }

    /// What RPC says while the node is starting.
    pub fn warm_up(&self) -> Option<&str> {
        self.warm_up.as_deref()
    }

    /// How the node's peers look in `getpeerinfo`.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.connections.iter().filter_map(|(id, connection)| connection.info(*id)).collect()
    }

    /// Someone has connected, from `address`. The number must not have been used before.
    pub fn connect(&mut self, id: ConnectionId, address: SocketAddr, now: Duration) {
        self.tick(now);
        let reason = if self.away || self.temperament == Temperament::Down {
            Some(HangUp::Away)
        } else if self.bans.holds(&address.ip(), now) {
            Some(HangUp::Banned)
        } else {
            (self.connections.len() >= MAX_CONNECTIONS).then_some(HangUp::Full)
        };
        if let Some(reason) = reason {
            return self.outbox.push_back(Output::HangUp { connection: id, reason, at: now });
        }
        self.connections.insert(id, Connection::new(address, &self.profile, now));
        self.timers.set(now + timers::HANDSHAKE, Timer::Handshake(id));
    }

    /// The other side has hung up.
    pub fn disconnect(&mut self, id: ConnectionId, now: Duration) {
        self.tick(now);
        self.forget(id);
    }

    /// Whether it still reads from a connection. A [deaf](Temperament::Deaf) node does not, once the handshake is
    /// done; whoever has the socket must stop reading then.
    pub fn listens(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !(self.is_deaf() && connection.is_ready()))
    }

    /// After how many bytes of a frame, its header included, the node hangs up because of its temperament.
    pub fn patience(&self, id: ConnectionId, command: Command, payload: usize) -> Option<usize> {
        let ready = self.connections.get(&id).is_some_and(Connection::is_ready);
        let cuts = self.temperament == Temperament::Cutting && ready && command == Command::BLOCK;
        cuts.then_some(wire::HEADER_LEN + payload / 2)
    }

    /// Bytes have come over a connection.
    pub fn read(&mut self, id: ConnectionId, bytes: &[u8], now: Duration) {
        self.tick(now);
        let cuts = self.temperament == Temperament::Cutting;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.received += bytes.len() as u64;
        connection.intake.put(bytes);
        while let Some(connection) = self.connections.get_mut(&id) {
            let cuts = cuts && connection.is_ready();
            let Some(heard) = connection.intake.next(cuts) else { break };
            match heard {
                Heard::Frame(Frame::Intact { command, payload }) => {
                    match Message::decode(command, payload, self.profile.chain.dialect()) {
                        Ok(message) => self.handle(id, message, now),
                        Err(error) => self.put(Work::Undecodable(id, command, error.kind()), now),
                    }
                }
                // The daemons drop such a message and go on (disconnect_cases.json, "bad checksum").
                Heard::Frame(Frame::Damaged(_)) => {}
                Heard::Broken(reason) => self.hang_up(id, reason, now),
                Heard::Enough => self.hang_up(id, HangUp::Cut, now),
            }
        }
    }

    /// A message has come over a connection.
    pub fn handle(&mut self, id: ConnectionId, message: Message, now: Duration) {
        if !self.listens(id) {
            return;
        }
        self.put(Work::Message(id, message), now);
    }

    /// The connection ends in the middle of a block that is on its way, because of the node's temperament: for those
    /// who [do without bytes](Self::patience).
    pub fn cut(&mut self, id: ConnectionId, now: Duration) {
        self.tick(now);
        self.hang_up(id, HangUp::Cut, now);
    }

    /// How many bytes of blocks wait to be looked at. The daemons stop reading from a peer beyond 5 MB; so should whoever
    /// has the sockets.
    pub fn backlog(&self) -> usize {
        self.desk.backlog()
    }

    /// When [`tick`](Self::tick) is to be called next.
    pub fn next_due(&self) -> Option<Duration> {
        self.desk.due().into_iter().chain(self.timers.next()).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        loop {
            let done = self.desk.due().filter(|due| *due <= now);
            let timer = self.timers.next().filter(|due| *due <= now);
            match (done, timer) {
                (Some(done), timer) if timer.is_none_or(|timer| done <= timer) => self.finish(),
                (_, Some(due)) => {
                    if let Some(timer) = self.timers.pop() {
                        self.alarm(timer, due);
                    }
                }
                (_, None) => return,
            }
        }
    }

    /// The next thing that the node does.
    pub fn poll(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// A message as it goes over the wire.
    pub fn frame(&self, message: &Message) -> Bytes {
        frame(self.profile.magic(), message)
    }

    fn hear(&mut self, id: ConnectionId, message: Message, at: Duration) {
        let Some(connection) = self.connections.get(&id) else { return };
        match connection.phase {
            Phase::AwaitingVersion => self.await_version(id, message, at),
            Phase::AwaitingVerack(_) => self.await_verack(id, message, at),
            Phase::Ready(_) => self.converse(id, message, at),
        }
    }

    /// Whether the connection was there.
    fn forget(&mut self, id: ConnectionId) -> bool {
        self.requested.retain(|_, from| *from != id);
        self.pushers.retain(|pusher| *pusher != id);
        self.connections.remove(&id).is_some()
    }

    fn is_deaf(&self) -> bool {
        self.temperament == Temperament::Deaf
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("temperament", &self.temperament)
            .field("tip", &self.chain.tip())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// A message as it goes over the wire of a network with this magic.
pub fn frame(magic: [u8; 4], message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    FrameCodec::new(magic)
        .encode((message.command(), message.encode()), &mut bytes)
        .expect("the codec writes any message into a growing buffer");
    bytes.freeze()
}
