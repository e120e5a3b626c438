//! One peer's connection: the reader task, and what surrounds it.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use protocol::{
    PeerId,
    session::{Disconnect, Event, Output, Session, Shelf},
};
use tokio::{
    net::TcpStream,
    time::{MissedTickBehavior, interval},
};
use tokio_util::{codec::FramedRead, task::AbortOnDropHandle};
use wire::{BlockHash, Dialect, Frame, FrameCodec, FrameError, Message};

use crate::{Lane, Plan, pen::Pen, stream::Incoming, writer::Writer};

/// Whoever owns the blocks and wants to know what becomes of them: the relay. Its methods are called on the
/// connection's tasks and must not block.
pub trait Host: Shelf + Send + Sync {
    /// The peer said something.
    fn event(&self, peer: PeerId, event: Event, now: Instant);
    /// A block's last byte was handed to the kernel by a call that began at `handed`.
    fn written(&self, peer: PeerId, block: BlockHash, handed: Instant, now: Instant);
    /// The peer's kernel has acknowledged a block's last byte.
    fn acked(&self, peer: PeerId, block: BlockHash, now: Instant);
    /// That many bytes were sent.
    fn sent(&self, bytes: usize);
    /// A frame with that many bytes was received.
    fn received(&self, bytes: usize);
    /// The shelf that the session asks.
    fn as_shelf(&self) -> &dyn Shelf;
}

/// What a connection is called and where its bulk waits.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its number.
    pub id: PeerId,
    /// Its lane.
    pub lane: Lane,
    /// The network's magic.
    pub magic: [u8; 4],
}

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    ByPeer,
    /// We asked for it, by closing the lane.
    #[error("closed by us")]
    Asked,
    /// Bytes waited for five seconds and the peer's kernel took none.
    #[error("no TCP progress for 5 s with bytes waiting")]
    Stuck,
    /// The session hung up.
    #[error(transparent)]
    Session(#[from] Disconnect),
    /// What came cannot be cut into messages.
    #[error(transparent)]
    Frame(FrameError),
    /// The socket failed.
    #[error("socket: {0}")]
    Io(io::Error),
}

impl Closed {
    /// A stable word for metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ByPeer => "by_peer",
            Self::Asked => "by_us",
            Self::Stuck => "stuck",
            Self::Session(reason) => reason.kind(),
            Self::Frame(error) => error.kind(),
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset",
                io::ErrorKind::TimedOut => "tcp_timeout",
                _ => "io",
            },
        }
    }
}

impl From<FrameError> for Closed {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => Self::Io(error),
            other => Self::Frame(other),
        }
    }
}

/// How often the session is told the time.
const TICK: Duration = Duration::from_secs(1);

/// Runs a connection until it ends, and says why it did. Dropping the future ends it too.
///
/// # Correctness
/// Reader and writer are tasks of their own, so that neither waits for the other: two peers that send each other a
/// full-sized block at the same moment both succeed. Only when half of the lane is in use, or 1 MiB of answers waits,
/// does the reader pause; a standstill that comes of it ends as [`Closed::Stuck`].
pub async fn run(
    stream: TcpStream,
    connection: Connection,
    mut session: Session,
    dialect: Arc<dyn chain::Chain>,
    host: Arc<dyn Host>,
) -> Closed {
    let incoming = match Incoming::new(stream) {
        Ok(incoming) => incoming,
        Err(error) => return Closed::Io(error),
    };
    connection.lane.attach(Pen::new(incoming.shared()));
    // Dropped with this future, however it ends: nobody writes to the peer after that.
    let attached = Attached { connection: connection.clone(), host: host.clone() };
    let writer = Writer::new(connection.clone(), host.clone());
    let mut writer = AbortOnDropHandle::new(tokio::spawn(writer.run()));
    let mut reader = Reader {
        frames: FramedRead::new(incoming, FrameCodec::new(connection.magic)),
        connection: &connection,
        session: &mut session,
        dialect: dialect.dialect(),
        host: &host,
    };
    let closed = tokio::select! {
        closed = reader.run() => closed,
        ended = &mut writer => ended.unwrap_or_else(|panic| Closed::Io(io::Error::other(panic))),
    };
    match attached.failure() {
        // Whoever writes to a socket that was reset is told; whoever reads from it afterwards just finds its end.
        Some(error) if matches!(closed, Closed::ByPeer) => Closed::Io(error),
        _ => closed,
    }
}

/// A lane that has its connection's writing end. When this is dropped the lane is closed and the connection ended, and the
/// host has been told all that was written, by whomever: the writer task may have had no time for it.
struct Attached {
    connection: Connection,
    host: Arc<dyn Host>,
}

impl Attached {
    fn failure(&self) -> Option<io::Error> {
        self.connection.lane.with_pen(Pen::failure).flatten()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.connection.lane.close();
        if let Some(mut pen) = self.connection.lane.detach() {
            pen.account().tell(&*self.host, self.connection.id);
        }
    }
}

struct Reader<'a> {
    frames: FramedRead<Incoming, FrameCodec>,
    connection: &'a Connection,
    session: &'a mut Session,
    dialect: &'a dyn Dialect,
    host: &'a Arc<dyn Host>,
}

impl Reader<'_> {
    async fn run(&mut self) -> Closed {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(closed) = self.carry_out() {
                return closed;
            }
            tokio::select! {
                frame = self.frames.next() => match frame {
                    Some(Ok(frame)) => self.take(frame),
                    Some(Err(error)) => return error.into(),
                    None => return Closed::ByPeer,
                },
                _ = ticks.tick() => self.session.tick(self.host.as_shelf(), Instant::now()),
            }
            self.connection.lane.has_room().await;
        }
    }

    fn take(&mut self, frame: Frame) {
        let now = Instant::now();
        match frame {
            Frame::Intact { command, payload } => {
                self.host.received(wire::HEADER_LEN + payload.len());
                match Message::decode(command, payload, self.dialect) {
                    Ok(message) => self.session.handle(message, self.host.as_shelf(), now),
                    Err(error) => {
                        tracing::debug!(peer = %self.connection.id, %command, %error, "not a message");
                        self.session.handle_undecodable(&error, now);
                    }
                }
            }
            Frame::Damaged(damage) => self.session.handle_damaged(damage, now),
        }
    }

    fn carry_out(&mut self) -> Result<(), Closed> {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send(message) => {
                    let plan = Arc::new(Plan::control(self.connection.magic, &message));
                    if let Err(full) = self.connection.lane.push(plan) {
                        // Only blocks that the peer asked for are that large; it may ask again.
                        tracing::warn!(peer = %self.connection.id, command = %message.command(), %full, "not sent");
                    }
                }
                Output::RaiseLimit(limit) => self.frames.decoder_mut().set_limit(limit),
                Output::Event(event) => self.host.event(self.connection.id, event, Instant::now()),
                Output::Disconnect(reason) => return Err(Closed::Session(reason)),
            }
        }
        Ok(())
    }
}
