//! What the engine is held against: bare senders of one thread and one epoll, without sessions, lanes or accounts.

use std::{
    io::{self, IoSlice, Write},
    net::TcpStream,
};

use rustix::{event::epoll, fd::OwnedFd};
use wire::{Command, FrameHeader, HEADER_LEN};

/// Connections to some receivers, with the engine's own socket options.
#[derive(Debug)]
pub(super) struct Crowd {
    streams: Vec<TcpStream>,
    poll: OwnedFd,
}

/// A frame on its way to one peer.
struct Progress<'a> {
    header: &'a [u8; HEADER_LEN],
    payload: &'a [u8],
    done: usize,
}

impl Crowd {
    /// # Errors
    /// When the kernel refuses to watch one of them.
    pub(super) fn new(streams: Vec<TcpStream>) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (place, stream) in streams.iter().enumerate() {
            // Edge-triggered: whoever is not being written to costs nothing.
            let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&poll, stream, epoll::EventData::new_u64(place as u64), flags)?;
        }
        Ok(Self { streams, poll })
    }

    /// **The floor**: a ready-made frame, peer after peer in order, each as far as its socket takes it; whoever can take
    /// more gets it, the first in order first.
    pub(super) fn in_order(&self, header: &[u8; HEADER_LEN], payload: &[u8]) -> io::Result<()> {
        let mut frames: Vec<_> = self.streams.iter().map(|_| Progress { header, payload, done: 0 }).collect();
        self.send(&mut frames, usize::MAX)
    }

    /// The same, 64 KiB at a time: all peers finish late rather than some early.
    pub(super) fn round_robin(&self, header: &[u8; HEADER_LEN], payload: &[u8]) -> io::Result<()> {
        let mut frames: Vec<_> = self.streams.iter().map(|_| Progress { header, payload, done: 0 }).collect();
        self.send(&mut frames, 64 * 1024)
    }

    /// As p2pool's broadcasters do: the block is packed and hashed for each peer anew.
    pub(super) fn packed_per_peer(&self, magic: [u8; 4], payload: &[u8]) -> io::Result<()> {
        let packed: Vec<_> = self
            .streams
            .iter()
            .map(|_| {
                let payload = payload.to_vec();
                (FrameHeader::of(magic, Command::BLOCK, &payload).to_wire(), payload)
            })
            .collect();
        let mut frames: Vec<_> =
            packed.iter().map(|(header, payload)| Progress { header, payload, done: 0 }).collect();
        self.send(&mut frames, usize::MAX)
    }

    /// Sends every frame, at most `turn` bytes of one before the next has its turn.
    fn send(&self, frames: &mut [Progress<'_>], turn: usize) -> io::Result<()> {
        let mut ready = vec![true; frames.len()];
        let mut events = Vec::with_capacity(frames.len());
        loop {
            let mut left = false;
            let mut moved = false;
            for (place, frame) in frames.iter_mut().enumerate() {
                if frame.is_done() {
                    continue;
                }
                if ready[place] {
                    moved = true;
                    ready[place] = frame.write(&self.streams[place], turn)?;
                }
                left |= !frame.is_done();
            }
            if !left {
                return Ok(());
            }
            if moved && ready.iter().zip(&*frames).any(|(ready, frame)| *ready && !frame.is_done()) {
                continue;
            }
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), None)?;
            for event in &events {
                ready[event.data.u64() as usize] = true;
            }
        }
    }
}

impl Progress<'_> {
    fn is_done(&self) -> bool {
        self.done == HEADER_LEN + self.payload.len()
    }

    /// Writes at most `turn` bytes; says whether the socket might take more.
    fn write(&mut self, mut stream: &TcpStream, turn: usize) -> io::Result<bool> {
        let mut left = turn;
        while left > 0 && !self.is_done() {
            let header = &self.header[self.done.min(HEADER_LEN)..];
            let start = self.done.saturating_sub(HEADER_LEN);
            let end = self.payload.len().min(start.saturating_add(left));
            match stream.write_vectored(&[IoSlice::new(header), IoSlice::new(&self.payload[start..end])]) {
                Ok(written) => {
                    self.done += written;
                    left = left.saturating_sub(written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Copies the block once per peer within this process: less than that, no sender does.
pub(super) fn copy(peers: &mut [Vec<u8>], payload: &[u8]) {
    for peer in peers {
        peer.clear();
        peer.extend_from_slice(payload);
        std::hint::black_box(&peer);
    }
}
