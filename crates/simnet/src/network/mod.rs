//! A whole network in one thread and no time: a discrete-event simulation.
//!
//! A [`Network`] holds simulated [`Node`]s, each behind its [`Link`], and one relay: our own
//! [`Session`](protocol::session::Session)s and delivery [`Tracker`]s, driven as the real relay drives them. Time is a
//! number that jumps from event to event; randomness comes from one seed. So a test can push a block to fifty peers and
//! look at what they said a minute later, or live through a day, in milliseconds, and a run that failed can be run
//! again, event by event: the same seed gives the same [`trace`](Network::trace).
//!
//! ```
//! use std::time::{Duration, Instant};
//! use simnet::{Order, Temperament, network::{Network, Setup}, profile};
//!
//! let setup = Setup::of([Temperament::Honest, Temperament::Zombie, Temperament::Deaf]);
//! let mut network = Network::new(profile::litecoin::regtest(), setup, Instant::now());
//! network.connect_all();
//! network.run(Duration::from_secs(2));
//!
//! let block = network.mint(&Order::default());
//! let push = network.push(&block);
//! network.run(Duration::from_secs(90));
//! let outcomes: Vec<_> = (0..3).map(|peer| network.outcome(push, peer).map(|outcome| outcome.kind())).collect();
//! assert_eq!(outcomes, [Some("accepted"), Some("processed_unproven"), Some("timed_out")]);
//! ```
//!
//! # What is simplified
//!
//! Between the relay and a node, messages travel whole, over a [`Pipe`] each way; TCP's windows and losses are not
//! modelled. What a deaf node does not read counts as written, as it is when a kernel takes it. Between nodes blocks
//! gossip without messages: a neighbour has a block three crossings of both lines and one transfer after its giver.

mod event;
mod pusher;
mod setup;
mod trace;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use protocol::delivery::{Outcome, Tracker};
use rand::{Rng, SeedableRng, rngs::StdRng};
use wire::{BlockHash, Message};

use crate::{
    ChainState, ConnectionId, Inspections, Link, Mint, Minted, Node, Order, Output, Pipe, Profile,
    Temperament,
    quorum::{Ballot, Roster},
    topology::{Topology, gossip_delay},
};
use event::{Event, Queue};
use pusher::{Act, Pusher};

pub use setup::Setup;
pub use trace::{Happening, Trace};

/// Unix time at the start of every simulated network: late in 2026.
const EPOCH: u32 = 1_795_000_000;

/// How long the relay waits until it dials again.
const REDIAL: Duration = Duration::from_secs(5);

/// How often the relay's sessions are told the time.
const TICK: Duration = Duration::from_secs(1);

/// The relay's address, as the nodes see it.
const RELAY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

struct Member {
    node: Node,
    link: Link,
    /// The connection with the relay, if there is one, and the pipes to and from the node.
    line: Option<Line>,
    /// When the node is to be ticked next, as far as it is in the queue.
    due: Option<Duration>,
}

struct Line {
    id: ConnectionId,
    to_node: Pipe,
    to_relay: Pipe,
}

/// The simulation.
pub struct Network {
    now: Duration,
    queue: Queue,
    members: Vec<Member>,
    topology: Topology,
    relay: Pusher,
    mint: Mint,
    ballot: Option<Ballot>,
    connections: BTreeMap<ConnectionId, usize>,
    dialled: u64,
    trace: Vec<Trace>,
}

impl Network {
    /// A network at its start. `base` stands for that moment where the relay's code wants an [`Instant`]; which one it
    /// is makes no difference.
    pub fn new(profile: Profile, setup: Setup, base: Instant) -> Self {
        let profile = Arc::new(profile);
        let mut rng = StdRng::seed_from_u64(setup.seed);
        let inspections = Inspections::new(profile.chain.clone());
        let mut mint = Mint::new(&profile, rng.random());
        let mut origin = ChainState::new(profile.clone(), inspections.clone(), EPOCH);
        let history = mint.history(&origin.next(), setup.history, EPOCH);
        let headers: Vec<_> = history.iter().map(|block| block.header.clone()).collect();
        origin.adopt(&headers);

        let temperaments: Vec<Temperament> =
            setup.members.iter().map(|(temperament, _)| *temperament).collect();
        let topology = Topology::random(&temperaments, setup.neighbours, &mut rng);
        // Nobody here has an address.
        let roster = Arc::new(Roster::new(setup.seed, Vec::new(), Vec::new()));
        let ballot = setup.quorum.zip(profile.locking);
        let ballot = ballot.map(|(quorum, locking)| Ballot::new(quorum, roster.clone(), locking));
        let member = |(temperament, link)| {
            let rng = StdRng::seed_from_u64(rng.random());
            let mut node = Node::new(profile.clone(), inspections.clone(), temperament, EPOCH, rng);
            node.chain_mut().adopt(&headers);
            if ballot.is_some() {
                node.join(roster.clone());
            }
            Member { node, link, line: None, due: None }
        };
        let members: Vec<Member> = setup.members.into_iter().map(member).collect();
        let relay = Pusher::new(profile, &origin, base);
        let mut network = Self {
            now: Duration::ZERO,
            queue: Queue::default(),
            members,
            topology,
            relay,
            mint,
            ballot,
            connections: BTreeMap::new(),
            dialled: 0,
            trace: Vec::new(),
        };
        (0..network.members.len()).for_each(|index| network.schedule(index));
        network.queue.put(TICK, Event::Tick);
        network
    }

    /// The time since the network's start.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A node.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn node(&self, index: usize) -> &Node {
        &self.members[index].node
    }

    /// Everything that has happened so far, in order.
    pub fn trace(&self) -> &[Trace] {
        &self.trace
    }

    /// The relay dials every node. From now on it keeps redialling whoever hangs up.
    pub fn connect_all(&mut self) {
        (0..self.members.len()).for_each(|index| self.queue.put(self.now, Event::Dial(index)));
    }

    /// Makes a block on the best tip among nodes that gossip; nobody has it yet.
    pub fn mint(&mut self, order: &Order) -> Minted {
        let honest = self.members.iter().filter(|member| member.node.temperament().gossips());
        let best = honest.map(|member| member.node.chain()).max_by_key(|chain| chain.work());
        // A network of nodes that take no blocks still has its past to build on.
        let chain = best.or_else(|| self.members.first().map(|member| member.node.chain()));
        let Some(chain) = chain else { return self.mint.mint(&self.relay.past(), EPOCH, order) };
        let (parent, time) = (chain.next(), chain.unix(self.now));
        self.mint.mint(&parent, time, order)
    }

    /// The pool has found a block: the relay pushes it to everybody. Gives the push's number.
    pub fn push(&mut self, block: &Minted) -> usize {
        let push = self.relay.push(block, self.now);
        self.flush();
        push
    }

    /// Someone else has found a block: it appears at a node, and gossips from there.
    pub fn appear(&mut self, index: usize, block: &Bytes) {
        let now = self.now;
        self.members[index].node.hear_of(block, now);
        self.collect(index);
    }

    /// Makes a node say something to the relay, whatever it is.
    pub fn say(&mut self, index: usize, message: &Message) {
        let now = self.now;
        self.members[index].node.say(message, now);
        self.collect(index);
    }

    /// When the first node learned that a block is final. `None`: none knows that.
    pub fn locked(&self, block: &BlockHash) -> Option<Duration> {
        self.members.iter().filter_map(|member| member.node.chain().locked_at(block)).min()
    }

    /// What the relay knows of a push.
    pub fn deliveries(&self, push: usize) -> &Tracker {
        self.relay.tracker(push)
    }

    /// What became of a push at a node. Of several connections, over each of which it was offered the block, one that
    /// was a success counts, else the last that has an outcome. `None`: nothing yet, or the node was not connected.
    pub fn outcome(&self, push: usize, index: usize) -> Option<&Outcome> {
        let name = pusher::name(index);
        let deliveries = self.deliveries(push).deliveries().iter().filter(|delivery| delivery.name == name);
        let outcomes: Vec<&Outcome> = deliveries.filter_map(|delivery| delivery.outcome.as_ref()).collect();
        outcomes.iter().find(|outcome| outcome.is_success()).or(outcomes.last()).copied()
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, event)) = self.queue.pop_until(end) {
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => {
                self.relay.tick(self.now);
                self.queue.put(self.now + TICK, Event::Tick);
                self.flush();
            }
            Event::Dial(index) => self.dial(index),
            Event::Connected { connection } => {
                let Some(index) = self.connections.get(&connection).copied() else { return };
                self.members[index].node.connect(connection, RELAY, self.now);
                self.collect(index);
            }
            Event::Established { connection } => {
                let Some(index) = self.connections.get(&connection).copied() else { return };
                self.relay.dialled(connection, index, self.now);
                self.flush();
            }
            Event::Due(index) => {
                self.members[index].due = None;
                self.members[index].node.tick(self.now);
                self.collect(index);
            }
            Event::ToNode { connection, message } => {
                let Some(index) = self.connections.get(&connection).copied() else { return };
                self.note(index, Happening::Received(message.command()));
                self.members[index].node.handle(connection, message, self.now);
                self.collect(index);
            }
            Event::Cut { connection } => {
                let Some(index) = self.connections.get(&connection).copied() else { return };
                self.members[index].node.cut(connection, self.now);
                self.collect(index);
            }
            Event::ToRelay { connection, message } => {
                self.relay.hear(connection, message, self.now);
                self.flush();
            }
            Event::HungUp { connection } => {
                if let Some(index) = self.connections.remove(&connection) {
                    self.queue.put(self.now + REDIAL, Event::Dial(index));
                }
                self.relay.ended(connection, self.now);
                self.flush();
            }
            Event::Gossip { to, block } => {
                self.members[to].node.hear_of(&block, self.now);
                self.collect(to);
            }
            Event::Lock { to, object } => {
                self.members[to].node.hear_of_lock(&object, self.now);
                self.collect(to);
            }
        }
    }

    fn dial(&mut self, index: usize) {
        if self.connections.values().any(|other| *other == index) {
            return;
        }
        self.dialled += 1;
        let id = ConnectionId(self.dialled);
        let member = &mut self.members[index];
        let local = Link { bandwidth: None, ..member.link };
        member.line = Some(Line { id, to_node: Pipe::new(member.link), to_relay: Pipe::new(local) });
        self.connections.insert(id, index);
        // The TCP handshake: one crossing until the node sees it, a second until the relay may speak.
        let latency = member.link.latency;
        self.queue.put(self.now + latency, Event::Connected { connection: id });
        self.queue.put(self.now + latency * 2, Event::Established { connection: id });
        self.note(index, Happening::Dialled);
    }

    /// Carries out what a node did.
    fn collect(&mut self, index: usize) {
        while let Some(output) = self.members[index].node.poll() {
            match output {
                Output::Send { to, message, at } => {
                    self.note(index, Happening::Sent(message.command()));
                    let size = size(&message);
                    let line = self.members[index].line.as_mut().filter(|line| line.id == to);
                    if let Some(line) = line {
                        let arrival = line.to_relay.send(at, size);
                        self.queue.put(arrival, Event::ToRelay { connection: to, message });
                    }
                }
                Output::HangUp { connection, reason, at } => {
                    self.note(index, Happening::HungUp(reason));
                    let member = &mut self.members[index];
                    let arrival = match member.line.take_if(|line| line.id == connection) {
                        Some(mut line) => line.to_relay.send(at, 0),
                        None => at + member.link.latency,
                    };
                    self.queue.put(arrival, Event::HungUp { connection });
                }
                Output::Accepted { hash, block, at } => {
                    self.note(index, Happening::Accepted(hash));
                    let from = self.members[index].link;
                    for to in self.topology.of(index) {
                        let arrival = at + gossip_delay(from, self.members[to].link, block.len());
                        self.queue.put(arrival, Event::Gossip { to, block: block.clone() });
                    }
                    self.sign(index, hash, at);
                }
                Output::Locked { object, at } => {
                    self.note(index, Happening::Locked);
                    let from = self.members[index].link;
                    for to in self.topology.of(index) {
                        let arrival = at + gossip_delay(from, self.members[to].link, object.len());
                        self.queue.put(arrival, Event::Lock { to, object: object.clone() });
                    }
                }
            }
        }
        self.schedule(index);
    }

    /// A member of the quorum signs what it has accepted.
    fn sign(&mut self, index: usize, block: BlockHash, at: Duration) {
        let Some(height) = self.members[index].node.chain().height_of(&block) else { return };
        let decision = self.ballot.as_mut().and_then(|ballot| ballot.accepted(index, height, block));
        let Some(decision) = decision else { return };
        for to in decision.signers {
            self.queue.put(at + decision.delay, Event::Lock { to, object: decision.object.clone() });
        }
    }

    /// Carries out what the relay did.
    fn flush(&mut self) {
        while let Some(act) = self.relay.poll() {
            match act {
                Act::Send { connection, message } => self.carry(connection, message),
                Act::Close { connection } => {
                    if let Some(index) = self.connections.remove(&connection) {
                        self.note(index, Happening::Dropped);
                        self.members[index].node.disconnect(connection, self.now);
                        self.collect(index);
                        self.queue.put(self.now + REDIAL, Event::Dial(index));
                    }
                }
            }
        }
    }

    fn carry(&mut self, connection: ConnectionId, message: Message) {
        let Some(index) = self.connections.get(&connection).copied() else { return };
        let member = &mut self.members[index];
        let Some(line) = member.line.as_mut().filter(|line| line.id == connection) else { return };
        let size = size(&message);
        if !member.node.listens(connection) {
            return;
        }
        let patience = member.node.patience(connection, message.command(), size - wire::HEADER_LEN);
        let event = match patience {
            Some(_) => Event::Cut { connection },
            None => Event::ToNode { connection, message },
        };
        let arrival = line.to_node.send(self.now, patience.unwrap_or(size));
        self.queue.put(arrival, event);
    }

    /// Puts a node's next own deed into the queue, unless it is there or something earlier is.
    fn schedule(&mut self, index: usize) {
        let member = &mut self.members[index];
        let Some(next) = member.node.next_due() else { return };
        if member.due.is_none_or(|due| next < due) {
            member.due = Some(next);
            self.queue.put(next.max(self.now), Event::Due(index));
        }
    }

    fn note(&mut self, node: usize, what: Happening) {
        self.trace.push(Trace { at: self.now, node, what });
    }
}

fn size(message: &Message) -> usize {
    let payload = match message {
        Message::Block(bytes) => bytes.len(),
        other => other.encode().len(),
    };
    wire::HEADER_LEN + payload
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("now", &self.now)
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}
