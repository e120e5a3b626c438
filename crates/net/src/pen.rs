//! The writing end of a connection.

use std::{
    io::{self, IoSlice},
    net::TcpStream,
    sync::Arc,
    time::Instant,
};

use protocol::PeerId;
use socket2::SockRef;
use wire::BlockHash;

use crate::{Host, Plan, progress::Progress, socket, stream};

/// How many slices one call hands to the kernel: a block, the question behind it and the ping, each with its header.
const SLICES: usize = 6;

/// A payload above this length, in bytes, goes to the kernel without what follows it: measured, that is faster for a
/// large block, and slower for a small one.
const LARGE: usize = 64 * 1024;

/// The writing end of a connection. Whoever holds it writes: the peer's writer task, or the thread that fans out a block
/// and does not want to wait for that task.
#[derive(Debug)]
pub(crate) struct Pen {
    stream: stream::Shared,
    progress: Progress,
    current: Option<InFlight>,
    written: Vec<Written>,
    /// Bytes that were written since somebody asked.
    sent: usize,
    failed: Option<io::Error>,
}

/// A plan of which a part is written.
#[derive(Debug)]
struct InFlight {
    plan: Arc<Plan>,
    /// Bytes of it that the kernel has.
    done: usize,
}

/// A block's last byte was handed to the kernel, by a call that began at `handed`.
#[derive(Debug, Clone, Copy)]
struct Written {
    block: BlockHash,
    handed: Instant,
    at: Instant,
}

/// What was written, to be told to the host by someone who does not hold the pen.
#[derive(Debug)]
pub(crate) struct Account {
    written: Vec<Written>,
    /// Bytes.
    sent: usize,
}

impl Account {
    pub(crate) fn tell(self, host: &dyn Host, peer: PeerId) {
        for Written { block, handed, at } in self.written {
            host.written(peer, block, handed, at);
        }
        if self.sent > 0 {
            host.sent(self.sent);
        }
    }
}

impl Pen {
    pub(crate) fn new(stream: stream::Shared) -> Self {
        let base = socket::bytes_acked(&stream).unwrap_or(0);
        Self {
            progress: Progress::new(base, Instant::now()),
            stream,
            current: None,
            written: Vec::new(),
            sent: 0,
            failed: None,
        }
    }

    /// Writes what `next` yields until that is nothing or the kernel takes no more; `done` is told of each plan whose
    /// last byte it has. Never waits. A failure is kept for [`failure`](Self::failure).
    pub(crate) fn write(&mut self, mut next: impl FnMut() -> Option<Arc<Plan>>, mut done: impl FnMut(&Plan)) {
        while self.failed.is_none() {
            if self.current.is_none() {
                self.current = next().map(|plan| InFlight { plan, done: 0 });
            }
            let Some(current) = &mut self.current else { return };
            let handed = Instant::now();
            match current.write(&self.stream) {
                Ok(0) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let at = Instant::now();
                    let before = current.done;
                    current.done += written;
                    // The block is the first packet: its end lies so far into the plan.
                    let block = current.plan.block.zip(current.plan.packets.first());
                    if let Some((block, packet)) = block
                        && before < packet.len()
                        && current.done >= packet.len()
                    {
                        self.progress.wrote(packet.len() - before, at);
                        self.progress.wrote_block(block);
                        self.progress.wrote(current.done - packet.len(), at);
                        self.written.push(Written { block, handed, at });
                    } else {
                        self.progress.wrote(written, at);
                    }
                    self.sent += written;
                    if current.done >= current.plan.len() {
                        done(&current.plan);
                        self.current = None;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// If the kernel has taken only a part of a plan: the socket, to wait until it takes more. Nobody waits for one that
    /// has failed.
    pub(crate) fn blocked(&self) -> Option<stream::Shared> {
        (self.current.is_some() && self.failed.is_none()).then(|| self.stream.clone())
    }

    /// Whether written bytes are unacknowledged.
    pub(crate) fn is_waiting(&self) -> bool {
        self.progress.is_waiting()
    }

    /// What was written since this was last asked.
    pub(crate) fn account(&mut self) -> Account {
        Account { written: std::mem::take(&mut self.written), sent: std::mem::take(&mut self.sent) }
    }

    /// Why writing failed, if it did.
    pub(crate) fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Reads `TCP_INFO`: the blocks that are acknowledged now, and whether the peer is stuck.
    pub(crate) fn observe(&mut self, now: Instant) -> (Vec<BlockHash>, bool) {
        let acked = self.progress.observe(socket::bytes_acked(&self.stream), now);
        (acked, self.progress.is_stuck(self.blocked().is_some(), now))
    }
}

impl InFlight {
    /// Hands what is left of the plan to the kernel in one call, as far as that takes it.
    fn write(&self, stream: &TcpStream) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let mut skip = self.done;
        let parts = self.plan.packets.iter().flat_map(|packet| [&packet.header[..], &packet.payload[..]]);
        for part in parts {
            let left = &part[skip.min(part.len())..];
            skip = skip.saturating_sub(part.len());
            if left.is_empty() {
                continue;
            }
            slices[used] = IoSlice::new(left);
            used += 1;
            if used == SLICES || left.len() > LARGE {
                break;
            }
        }
        SockRef::from(stream).send_vectored(&slices[..used])
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        stream::hang_up(&self.stream);
    }
}
