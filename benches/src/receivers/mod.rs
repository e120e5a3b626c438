//! The far ends: another process with one socket per peer, which looks at every byte once the clock has stopped.
//!
//! All contestants send to the same program in the same way: P2P frames, of which the receiver reads the header first
//! and the payload into a buffer of the connection. It greets whoever says `version`, pings it as daemons do, and
//! answers `getheaders` and `ping` as a peer answers that has taken the block. It shares nothing with a sender but the
//! machine's monotonic clock.
//!
//! Ports that were opened together are a group, named by any of them, and have one [`Manner`]: an engine knows its peers by
//! their addresses, so each needs one of its own. What an honest receiver does with blocks depends on what it was told to expect: one
//! block whose arrival is timed ([`Receivers::expect`], [`Receivers::arrived`]), after which the answers follow, or a
//! chain of blocks that are looked at and answered for as they come ([`Receivers::follow`], [`Receivers::followed`]).

mod connection;
mod process;
mod round;

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::part::Part;
pub(crate) use process::run;

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manner {
    /// Takes what it is sent and answers.
    Honest {
        /// Its answers leave so much later.
        late: Duration,
    },
    /// Never reads again once the handshake is done. Its kernel takes a little, and nobody ever takes that from it.
    Deaf,
    /// Hangs up when it has half of a block.
    Cutting,
}

impl Manner {
    /// Honest, and as quick as it can be.
    pub(crate) const PROMPT: Self = Self::Honest { late: Duration::ZERO };
}

/// What the receivers are told, one line of JSON each.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Order {
    /// Listen on so many ports of the system's choice, which are a group; answered by [`Listening`].
    Listen { ip: IpAddr, ports: usize, manner: Manner },
    /// The next block frame on each connection to this port's group is this one; answered by [`Expecting`], and by [`Arrived`]
    /// once all have it, or some have not had it for a long time.
    Expect { port: u16, connections: usize, block_file: PathBuf },
    /// Each connection to this port's group is sent these blocks; answered by [`Expecting`].
    Follow { port: u16, connections: usize, block_files: Vec<PathBuf> },
    /// What came of that so far; answered by [`Followed`].
    Count,
    /// Answered by [`Expecting`], once so many connections are open and waited for.
    Await { whom: Waiting, connections: usize },
    /// Whoever connects from now on has this block, at this height; answered by [`Expecting`], with 0.
    Rise { height: u32, block_file: PathBuf },
    /// Close the connections to this port's group; answered by [`Expecting`]: how many were open.
    Dismiss { port: u16 },
}

/// Which connections are waited for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Waiting {
    /// Those to this port's group.
    To(u16),
    /// Those that have introduced themselves and have answered the ping that they were sent behind it.
    Greeted,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listening {
    at: Vec<SocketAddr>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Expecting {
    connections: usize,
}

/// How a block arrived, connection by connection in the order in which they were accepted. Nanoseconds of the monotonic
/// clock.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Arrived {
    /// When the first bytes of each were read.
    pub(crate) first: Vec<u64>,
    /// When the last byte of each was read.
    pub(crate) last: Vec<u64>,
    /// How many of them had every byte of the block, and no other.
    pub(crate) intact: usize,
    /// How many never had a whole block.
    pub(crate) missing: usize,
}

/// How a chain of blocks has arrived so far, all connections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Followed {
    /// How many blocks arrived on how many connections, each once and with every byte.
    pub(crate) whole: usize,
    /// How many of those arrived another time.
    pub(crate) repeated: usize,
    /// How many block frames held something else.
    pub(crate) foreign: usize,
    /// How many of the connections are open still.
    pub(crate) open: usize,
}

/// The receivers' process. It ends when this is dropped, or when whoever has started it ends.
#[derive(Debug)]
pub(crate) struct Receivers {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Receivers {
    /// Starts the process: this very program, in another part.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::run(Part::Receivers.command()?)
    }

    /// Starts the process by a command that runs [`Part::Receivers`] in surroundings of its own.
    pub(crate) fn run(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the receivers")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the receivers have no pipes");
        };
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Opens a port for prompt receivers on this machine; every contestant has its own.
    pub(crate) fn listen(&mut self) -> anyhow::Result<SocketAddr> {
        self.listen_for(1)?.pop().context("the receivers named no port")
    }

    /// Opens ports for so many prompt receivers on this machine.
    pub(crate) fn listen_for(&mut self, peers: usize) -> anyhow::Result<Vec<SocketAddr>> {
        self.listen_at(Ipv4Addr::LOCALHOST.into(), peers, Manner::PROMPT)
    }

    /// Opens ports for so many receivers, at an address of the machine or namespace in which they are.
    pub(crate) fn listen_at(
        &mut self,
        ip: IpAddr,
        ports: usize,
        manner: Manner,
    ) -> anyhow::Result<Vec<SocketAddr>> {
        self.order(&Order::Listen { ip, ports, manner })?;
        Ok(self.answer::<Listening>()?.at)
    }

    /// Announces a round. When it returns, the receivers have forgotten the last one and are waiting.
    pub(crate) fn expect(
        &mut self,
        at: SocketAddr,
        connections: usize,
        block_file: &Path,
    ) -> anyhow::Result<()> {
        self.order(&Order::Expect { port: at.port(), connections, block_file: block_file.into() })?;
        self.has_all(connections)
    }

    /// Waits until every connection has its block.
    ///
    /// # Errors
    /// When one got other bytes, or none: nothing that was measured counts then.
    pub(crate) fn arrived(&mut self) -> anyhow::Result<Arrived> {
        let arrived: Arrived = self.answer()?;
        let all = arrived.last.len() + arrived.missing;
        ensure!(
            arrived.intact == all,
            "{} of {all} blocks are intact, {} never came",
            arrived.intact,
            arrived.missing
        );
        Ok(arrived)
    }

    /// Announces blocks that are to be taken as they come.
    pub(crate) fn follow(
        &mut self,
        at: SocketAddr,
        connections: usize,
        block_files: &[PathBuf],
    ) -> anyhow::Result<()> {
        self.order(&Order::Follow { port: at.port(), connections, block_files: block_files.into() })?;
        self.has_all(connections)
    }

    /// What has come of these.
    pub(crate) fn followed(&mut self) -> anyhow::Result<Followed> {
        self.order(&Order::Count)?;
        self.answer()
    }

    /// Waits until so many connections have introduced themselves and answered a ping: until nothing is on its way.
    pub(crate) fn greeted(&mut self, connections: usize) -> anyhow::Result<()> {
        self.order(&Order::Await { whom: Waiting::Greeted, connections })?;
        self.has_all(connections)
    }

    /// Waits until so many connections to a group are accepted.
    pub(crate) fn connected(&mut self, at: SocketAddr, connections: usize) -> anyhow::Result<()> {
        self.order(&Order::Await { whom: Waiting::To(at.port()), connections })?;
        self.has_all(connections)
    }

    /// Lets whoever connects from now on have this block, at this height, and say so.
    pub(crate) fn rise(&mut self, height: u32, block_file: &Path) -> anyhow::Result<()> {
        self.order(&Order::Rise { height, block_file: block_file.into() })?;
        self.has_all(0)
    }

    /// The congestion control of the engine's sockets to receivers nearby.
    pub(crate) async fn congestion_control(&mut self) -> anyhow::Result<String> {
        Ok(net::socket::tune(&tokio::net::TcpStream::connect(self.listen()?).await?))
    }

    /// Closes the connections to a group; says how many were open.
    pub(crate) fn dismiss(&mut self, at: SocketAddr) -> anyhow::Result<usize> {
        self.order(&Order::Dismiss { port: at.port() })?;
        Ok(self.answer::<Expecting>()?.connections)
    }

    fn has_all(&mut self, wanted: usize) -> anyhow::Result<()> {
        let Expecting { connections } = self.answer()?;
        ensure!(connections == wanted, "{connections} of {wanted} are connected");
        Ok(())
    }

    fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)?;
        writeln!(self.orders, "{line}").context("the receivers are gone")
    }

    fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the receivers ended: {:?}", self.child.wait()?);
        serde_json::from_str(&line).with_context(|| format!("the receivers said {line}"))
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
