//! One receiver's connection: frames in, answers out.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
};

use bytes::Bytes;
use wire::{
    Command, FrameHeader, HEADER_LEN, Header, Message, NetworkAddress, SendCompact, Services, VersionDetails,
    VersionMessage,
};

use super::Manner;
use crate::clock;

/// At most so much is read from a connection before the others have their turn: independent machines would not wait for
/// one another either.
const TURN: usize = 256 * 1024;

/// The nonce of the ping behind the handshake.
const GREETING: u64 = 0x6772_6565_7469_6e67;

/// When to stop reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// At the end of the next block: somebody wants to know when that was, and nothing is to be done before.
    Block,
    /// When there is nothing more.
    Dry,
}

/// What a turn at a connection has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There may be more to read.
    More,
    /// There is nothing more for now, or nothing more is wanted.
    Done,
    /// A block lies in `body`, this long.
    Block(usize),
}

/// A block whose arrival is timed; nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) length: usize,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// How far a receiver's chain goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Summit {
    pub(super) height: u32,
    /// The block there, unless that is genesis.
    pub(super) tip: Option<Header>,
}

pub(super) struct Connection {
    stream: Option<TcpStream>,
    /// The group of the port that accepted it.
    pub(super) group: usize,
    pub(super) manner: Manner,
    magic: [u8; 4],
    header: [u8; HEADER_LEN],
    /// How much of the frame was read, its header included.
    done: usize,
    /// When its first bytes were.
    began: u64,
    /// Where a block goes, and where all other payloads go: what follows a block must not overwrite it.
    pub(super) body: Vec<u8>,
    other: Vec<u8>,
    /// The block that the round is about.
    pub(super) arrival: Option<Arrival>,
    /// Which blocks of a course it has.
    pub(super) taken: Vec<bool>,
    /// The height that it names when it introduces itself.
    height: u32,
    /// The block that it took last.
    pub(super) tip: Option<Header>,
    /// Whether it has answered the ping behind the handshake.
    pub(super) is_greeted: bool,
    /// It does not read any more.
    is_deaf: bool,
    /// What it has to say, and when.
    answers: VecDeque<(u64, Vec<u8>)>,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        group: usize,
        manner: Manner,
        summit: &Summit,
        magic: [u8; 4],
    ) -> Self {
        Self {
            stream: Some(stream),
            group,
            manner,
            magic,
            header: [0; HEADER_LEN],
            done: 0,
            began: 0,
            body: Vec::new(),
            other: Vec::new(),
            arrival: None,
            taken: Vec::new(),
            height: summit.height,
            tip: summit.tip.clone(),
            is_greeted: false,
            is_deaf: false,
            answers: VecDeque::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Hangs up, with whatever is unread.
    pub(super) fn close(&mut self) {
        self.stream = None;
        (self.body, self.other) = (Vec::new(), Vec::new());
        self.answers.clear();
    }

    /// Forgets the last block, and makes room for one of this length: the clock is not to run while the kernel looks for
    /// pages.
    pub(super) fn prepare(&mut self, length: usize) {
        self.arrival = None;
        self.body.clear();
        self.body.resize(length, 0xa5);
    }

    /// Reads one turn's worth.
    ///
    /// # Errors
    /// When the sender is gone, or this receiver's manner is to leave now.
    pub(super) fn take_in(&mut self, until: Until) -> io::Result<Turn> {
        let mut left = TURN;
        while left > 0 && !self.is_deaf {
            let Some(mut stream) = self.stream.as_ref() else { return Ok(Turn::Done) };
            let (length, is_block) = (self.length(), self.command() == Some(Command::BLOCK));
            let target = if self.done < HEADER_LEN {
                &mut self.header[self.done..]
            } else {
                let payload = if is_block { &mut self.body } else { &mut self.other };
                if payload.len() < length {
                    payload.resize(length, 0);
                }
                let end = length.min(self.done - HEADER_LEN + left);
                &mut payload[self.done - HEADER_LEN..end]
            };
            let read = match stream.read(target) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Turn::Done),
                Err(error) => return Err(error),
            };
            if self.done == 0 {
                self.began = clock::now();
            }
            self.done += read;
            left = left.saturating_sub(read);
            if self.done < HEADER_LEN {
                continue;
            }
            let (length, is_block) = (self.length(), self.command() == Some(Command::BLOCK));
            if self.manner == Manner::Cutting && is_block && self.done - HEADER_LEN >= length / 2 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if self.done == HEADER_LEN + length {
                self.done = 0;
                if !is_block {
                    self.listen();
                } else if until == Until::Block {
                    self.arrival = Some(Arrival { length, first: self.began, last: clock::now() });
                    return Ok(Turn::Done);
                } else {
                    self.tip = self.body.first_chunk::<{ Header::LEN }>().map(|fixed| Header::new(*fixed));
                    return Ok(Turn::Block(length));
                }
            }
        }
        Ok(if self.is_deaf { Turn::Done } else { Turn::More })
    }

    fn length(&self) -> usize {
        FrameHeader::from_wire(&self.header).length as usize
    }

    fn command(&self) -> Option<Command> {
        Command::from_wire(FrameHeader::from_wire(&self.header).command)
    }

    /// A message that is no block is complete.
    fn listen(&mut self) {
        match self.command() {
            Some(Command::VERSION) => self.say(&[version(self.height), Message::Verack]),
            Some(Command::VERACK) if self.manner == Manner::Deaf => self.is_deaf = true,
            // What daemons say then.
            Some(Command::VERACK) => {
                let compact = SendCompact { announce: false, version: 3 };
                self.say(&[Message::SendHeaders, Message::SendCompact(compact), Message::Ping(GREETING)]);
            }
            Some(Command::GETHEADERS) => self.say(&[Message::Headers(self.tip.iter().cloned().collect())]),
            Some(Command::PING) => self.say(&[Message::Pong(self.nonce())]),
            Some(Command::PONG) => self.is_greeted |= self.nonce() == GREETING,
            _ => {}
        }
    }

    fn nonce(&self) -> u64 {
        self.other.first_chunk().map_or(0, |nonce| u64::from_le_bytes(*nonce))
    }

    fn say(&mut self, messages: &[Message]) {
        let mut frames = Vec::new();
        for message in messages {
            let payload = message.encode();
            frames.extend(FrameHeader::of(self.magic, message.command(), &payload).to_wire());
            frames.extend_from_slice(&payload);
        }
        let late = match self.manner {
            Manner::Honest { late } => late.as_nanos() as u64,
            Manner::Deaf | Manner::Cutting => 0,
        };
        self.answers.push_back((clock::now() + late, frames));
    }

    /// When the next answer is due.
    pub(super) fn due(&self) -> Option<u64> {
        self.answers.front().map(|(due, _)| *due)
    }

    /// Says what is due. It fits into the socket's buffer: these are a few hundred bytes.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(super) fn answer(&mut self, now: u64) -> io::Result<()> {
        while self.due().is_some_and(|due| due <= now) {
            let (Some((_, frames)), Some(mut stream)) = (self.answers.pop_front(), self.stream.as_ref())
            else {
                return Ok(());
            };
            stream.write_all(&frames)?;
        }
        Ok(())
    }
}

fn version(height: u32) -> Message {
    Message::Version(VersionMessage {
        protocol: 70_017,
        services: Services(0x100_0409),
        timestamp: 0,
        receiver: (Services::default(), NetworkAddress::UNSPECIFIED),
        details: Some(VersionDetails {
            sender: (Services::default(), NetworkAddress::UNSPECIFIED),
            nonce: 1,
            user_agent: Bytes::from_static(b"/Receivers:1/"),
            start_height: height as i32,
            relay: Some(true),
            extension: Bytes::new(),
        }),
    })
}
