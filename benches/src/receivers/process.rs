//! The receivers' side: one thread, one epoll.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    io::{self, BufRead, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
};

use anyhow::Context;
use chain::Chain;
use rustix::{
    event::{Timespec, epoll},
    fd::OwnedFd,
};
use wire::Header;

use super::{
    Expecting, Listening, Manner, Order, Waiting,
    connection::{Connection, Summit, Turn, Until},
    round::{Course, Round},
};
use crate::{clock, rules};

/// The events that are not a connection's.
const LISTENER: u64 = 1 << 32;
const ORDERS: u64 = 1 << 33;

/// How long nobody goes to sleep behind the last bytes of a round's block, in nanoseconds. Waking a thread of the same
/// machine costs the sender more than a small block does, and no remote peer costs it that.
const AWAKE: u64 = 1_000_000;

/// How long to wait for events when nothing is due, in nanoseconds: what matters comes as an event, except that a
/// round's time is up.
const PAUSE: u64 = 1_000_000_000;

/// Receives until standard input ends.
pub(crate) fn run() -> anyhow::Result<()> {
    let (wake, woken) = UnixStream::pair()?;
    woken.set_nonblocking(true)?;
    let (sender, orders) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() || (&wake).write_all(&[1]).is_err() {
                break;
            }
        }
    });
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &woken, epoll::EventData::new_u64(ORDERS), epoll::EventFlags::IN)?;
    let mut receivers = Process {
        poll,
        stirred: 0,
        listeners: Vec::new(),
        connections: Vec::new(),
        ready: VecDeque::new(),
        due: BTreeSet::new(),
        round: None,
        course: Course::default(),
        awaited: None,
        summit: Summit::default(),
        orders,
        magic: rules().params().magic,
    };
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        let wait = receivers.wait();
        let limit =
            Timespec { tv_sec: (wait / 1_000_000_000) as i64, tv_nsec: (wait % 1_000_000_000) as i64 };
        match epoll::wait(&receivers.poll, rustix::buffer::spare_capacity(&mut events), Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match event.data.u64() {
                ORDERS => {
                    // The orders themselves come by the channel.
                    let mut ignored = [0; 64];
                    while (&woken).read(&mut ignored).is_ok_and(|read| read > 0) {}
                }
                listener if listener & LISTENER != 0 => receivers.accept((listener & !LISTENER) as usize)?,
                connection => receivers.is_ready(connection as usize),
            }
        }
        receivers.read();
        receivers.answer_late();
        if !receivers.take_orders()? {
            return Ok(());
        }
        receivers.judge()?;
        receivers.tell_of_awaited()?;
    }
}

struct Process {
    poll: OwnedFd,
    /// When bytes of a round's block were last read.
    stirred: u64,
    listeners: Vec<Listener>,
    connections: Vec<Connection>,
    /// Connections with something to read, each once.
    ready: VecDeque<usize>,
    /// Connections that have something to say later.
    due: BTreeSet<(u64, usize)>,
    round: Option<Round>,
    course: Course,
    /// Somebody waits for so many of these connections.
    awaited: Option<(Waiting, usize)>,
    /// What newcomers have.
    summit: Summit,
    orders: Receiver<String>,
    magic: [u8; 4],
}

/// An open port.
struct Listener {
    socket: TcpListener,
    port: u16,
    /// The ports that were opened together with it have the same number.
    group: usize,
    manner: Manner,
}

impl Process {
    /// How long to wait for events, in nanoseconds.
    fn wait(&self) -> u64 {
        let (now, in_round) = (clock::now(), self.round.is_some());
        if !self.ready.is_empty() || in_round && now.saturating_sub(self.stirred) < AWAKE {
            return 0;
        }
        self.due.first().map_or(PAUSE, |(due, _)| due.saturating_sub(now).min(PAUSE))
    }

    fn take_orders(&mut self) -> anyhow::Result<bool> {
        loop {
            let line = match self.orders.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            };
            match serde_json::from_str(&line)? {
                Order::Listen { ip, ports, manner } => {
                    let group = self.listeners.len();
                    let at = (0..ports).map(|_| self.listen((ip, 0).into(), group, manner));
                    tell(&Listening { at: at.collect::<anyhow::Result<_>>()? })?;
                }
                Order::Expect { port, connections, block_file } => {
                    let block = fs::read(&block_file).context("cannot read the block")?;
                    let members = self.members(port, connections);
                    members.iter().for_each(|&member| self.connections[member].prepare(block.len()));
                    tell(&Expecting { connections: members.len() })?;
                    self.round = Some(Round::new(members, block, clock::now()));
                }
                Order::Follow { port, connections, block_files } => {
                    let members = self.members(port, connections);
                    members.iter().for_each(|&member| self.connections[member].taken.clear());
                    let connections = members.len();
                    self.course = Course::new(members, &block_files)?;
                    tell(&Expecting { connections })?;
                }
                Order::Count => tell(&self.course.count(&self.connections))?,
                Order::Await { whom, connections } => self.awaited = Some((whom, connections)),
                Order::Rise { height, block_file } => {
                    let block = fs::read(&block_file).context("cannot read the block")?;
                    let header = block.first_chunk().context("a block without a header")?;
                    self.summit = Summit { height, tip: Some(Header::new(*header)) };
                    tell(&Expecting { connections: 0 })?;
                }
                Order::Dismiss { port } => {
                    let members = self.members(port, usize::MAX);
                    members.iter().for_each(|&member| self.close(member));
                    tell(&Expecting { connections: members.len() })?;
                }
            }
        }
    }

    /// The places of the first so many open connections to a port's group.
    fn members(&self, port: u16, connections: usize) -> Vec<usize> {
        let group = self.group(port);
        let of_this = |(_, peer): &(usize, &Connection)| Some(peer.group) == group && peer.is_open();
        self.connections
            .iter()
            .enumerate()
            .filter(of_this)
            .map(|(place, _)| place)
            .take(connections)
            .collect()
    }

    fn group(&self, port: u16) -> Option<usize> {
        self.listeners.iter().find(|listener| listener.port == port).map(|listener| listener.group)
    }

    fn listen(&mut self, at: SocketAddr, group: usize, manner: Manner) -> anyhow::Result<SocketAddr> {
        let socket = TcpListener::bind(at)?;
        socket.set_nonblocking(true)?;
        let at = socket.local_addr()?;
        let event = epoll::EventData::new_u64(LISTENER | self.listeners.len() as u64);
        epoll::add(&self.poll, &socket, event, epoll::EventFlags::IN)?;
        self.listeners.push(Listener { socket, port: at.port(), group, manner });
        Ok(at)
    }

    fn accept(&mut self, listener: usize) -> anyhow::Result<()> {
        let Listener { socket, group, manner, .. } = &self.listeners[listener];
        loop {
            let (stream, _) = match socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let event = epoll::EventData::new_u64(self.connections.len() as u64);
            epoll::add(&self.poll, &stream, event, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
            self.connections.push(Connection::new(stream, *group, *manner, &self.summit, self.magic));
        }
    }

    fn is_ready(&mut self, place: usize) {
        if !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
    }

    /// A closed socket leaves the epoll by itself.
    fn close(&mut self, place: usize) {
        self.connections[place].close();
    }

    /// Gives everyone with something to read a turn. Who has the block that the round is about is left alone until it is
    /// over: what some contestants send behind it must not cost the others' peers time.
    fn read(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.pop_front() else { break };
            let busy = self.round.as_ref().is_some_and(|round| round.members.contains(&place));
            if busy {
                self.stirred = clock::now();
            }
            let connection = &mut self.connections[place];
            if !connection.is_open() || busy && connection.arrival.is_some() {
                continue;
            }
            match connection.take_in(if busy { Until::Block } else { Until::Dry }) {
                Ok(Turn::More) => self.ready.push_back(place),
                Ok(Turn::Done) => {}
                Ok(Turn::Block(length)) => {
                    if self.course.members.contains(&place) {
                        self.course.note(&connection.body[..length], &mut connection.taken);
                    }
                    self.ready.push_back(place);
                }
                Err(_) => self.close(place),
            }
            if !busy {
                self.answer(place);
            }
        }
    }

    fn answer(&mut self, place: usize) {
        let connection = &mut self.connections[place];
        if connection.answer(clock::now()).is_err() {
            return self.close(place);
        }
        if let Some(due) = connection.due() {
            self.due.insert((due, place));
        }
    }

    fn answer_late(&mut self) {
        let now = clock::now();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, place)) = self.due.pop_first() {
                self.answer(place);
            }
        }
    }

    /// Ends the round when all have their block: compares every byte, tells the times, and lets the peers answer.
    fn judge(&mut self) -> anyhow::Result<()> {
        if !self.round.as_ref().is_some_and(|round| round.is_over(&self.connections, clock::now())) {
            return Ok(());
        }
        let Some(round) = self.round.take() else { return Ok(()) };
        tell(&round.judge(&mut self.connections))?;
        // What came behind the block was not looked at yet.
        round.members.iter().for_each(|&member| self.is_ready(member));
        self.read();
        Ok(())
    }

    fn tell_of_awaited(&mut self) -> anyhow::Result<()> {
        let Some((whom, wanted)) = self.awaited else { return Ok(()) };
        let group = match whom {
            Waiting::To(port) => self.group(port),
            Waiting::Greeted => None,
        };
        let is_meant = |connection: &&Connection| match whom {
            Waiting::To(_) => Some(connection.group) == group,
            Waiting::Greeted => connection.is_greeted,
        };
        let open = self.connections.iter().filter(|connection| connection.is_open());
        let connections = open.filter(is_meant).count();
        if connections >= wanted {
            self.awaited = None;
            tell(&Expecting { connections })?;
        }
        Ok(())
    }
}

fn tell(line: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}
