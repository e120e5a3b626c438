//! The writer task: from the lane to the socket.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpStream, tcp::OwnedWriteHalf},
    time::{sleep, timeout},
};

use crate::{Closed, Connection, Host, Packet, Plan, progress::Progress, socket};

/// How often `TCP_INFO` is read while written bytes are unacknowledged: from the first to the second value, doubling.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));

pub(crate) struct Writer {
    half: OwnedWriteHalf,
    connection: Connection,
    host: Arc<dyn Host>,
    progress: Progress,
}

impl Writer {
    pub(crate) fn new(half: OwnedWriteHalf, connection: Connection, host: Arc<dyn Host>) -> Self {
        let base = socket::bytes_acked(half.as_ref()).unwrap_or(0);
        Self { progress: Progress::new(base, Instant::now()), half, connection, host }
    }

    /// Writes whatever the lane holds until it is closed, the socket fails or the peer is stuck.
    pub(crate) async fn run(mut self) -> Closed {
        let mut poll = POLL.0;
        loop {
            let next = self.connection.lane.next();
            let plan = if self.progress.is_waiting() {
                tokio::select! {
                    biased;
                    plan = next => plan,
                    () = sleep(poll) => {
                        poll = (poll * 2).min(POLL.1);
                        if self.observe(false) { return Closed::Stuck } else { continue }
                    }
                }
            } else {
                next.await
            };
            let Some(plan) = plan else { return Closed::Asked };
            if let Err(closed) = self.write(&plan).await {
                return closed;
            }
            self.connection.lane.finished(&plan);
            poll = POLL.0;
        }
    }

    async fn write(&mut self, plan: &Plan) -> Result<(), Closed> {
        for (place, packet) in plan.packets.iter().enumerate() {
            let handed = self.write_packet(packet).await?;
            if let Some(block) = plan.block.filter(|_| place == 0) {
                self.progress.wrote_block(block);
                self.host.written(self.connection.id, block, handed, Instant::now());
            }
        }
        Ok(())
    }

    /// Writes header and payload; returns when the call began that took the last byte.
    async fn write_packet(&mut self, packet: &Packet) -> Result<Instant, Closed> {
        let (header, payload) = (&packet.header[..], &packet.payload[..]);
        let mut done = 0;
        loop {
            let slices = [
                IoSlice::new(&header[done.min(header.len())..]),
                IoSlice::new(&payload[done.saturating_sub(header.len())..]),
            ];
            let handed = Instant::now();
            match self.half.as_ref().try_write_vectored(&slices) {
                Ok(0) => return Err(Closed::Io(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    done += written;
                    self.progress.wrote(written, Instant::now());
                    self.host.sent(written);
                    if done == packet.len() {
                        return Ok(handed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) => return Err(Closed::Io(error)),
            }
        }
    }

    /// Waits until the kernel takes more, as long as the peer's takes something.
    async fn writable(&mut self) -> Result<(), Closed> {
        loop {
            let ready = timeout(POLL.1, self.half.as_ref().writable()).await;
            let stuck = self.observe(true);
            match ready {
                Ok(ready) => return ready.map_err(Closed::Io),
                Err(_) if stuck => return Err(Closed::Stuck),
                Err(_) if self.connection.lane.is_closed() => return Err(Closed::Asked),
                Err(_) => {}
            }
        }
    }

    /// Reads `TCP_INFO`, reports acknowledged blocks, and says whether the peer is stuck.
    fn observe(&mut self, blocked: bool) -> bool {
        let stream: &TcpStream = self.half.as_ref();
        let now = Instant::now();
        let acked = self.progress.observe(socket::bytes_acked(stream), now);
        for block in acked {
            self.host.acked(self.connection.id, block, now);
        }
        self.progress.is_stuck(blocked, now)
    }
}
