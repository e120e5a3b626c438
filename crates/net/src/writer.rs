//! The writer task: it writes what nobody else has written, and watches what becomes of it.

use std::{
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::{
    Closed, Connection, Host,
    stream::{self, Outgoing},
};

/// How often `TCP_INFO` is read while written bytes are unacknowledged: from the first to the second value, doubling.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));

pub(crate) struct Writer {
    connection: Connection,
    host: Arc<dyn Host>,
}

/// What there is to wait for.
enum Next {
    /// The kernel takes no more for now.
    Room(stream::Shared),
    /// Bytes are unacknowledged.
    Acknowledgement,
    /// Nothing but more to write.
    Plan,
}

impl Writer {
    pub(crate) fn new(connection: Connection, host: Arc<dyn Host>) -> Self {
        Self { connection, host }
    }

    /// Writes whatever the lane holds until it is closed, the socket fails or the peer is stuck.
    ///
    /// # Correctness
    /// TCP's account is read each time round, whatever woke the task: a peer that reads nothing and keeps us awake with
    /// pings is stuck all the same.
    pub(crate) async fn run(self) -> Closed {
        let lane = &self.connection.lane;
        let mut poll = POLL.0;
        let mut outgoing = None;
        loop {
            let next = match self.write() {
                Ok(next) => next,
                Err(closed) => return closed,
            };
            match next {
                Next::Plan => {
                    outgoing = None;
                    poll = POLL.0;
                    lane.pushed().await;
                }
                Next::Acknowledgement => {
                    if self.observe() {
                        return Closed::Stuck;
                    }
                    poll = match timeout(poll, lane.pushed()).await {
                        Ok(()) => POLL.0,
                        Err(_) => (poll * 2).min(POLL.1),
                    };
                }
                Next::Room(stream) => {
                    if self.observe() {
                        return Closed::Stuck;
                    }
                    let watched = outgoing.get_or_insert_with(|| self.watch(&stream));
                    let room = async {
                        match watched {
                            Some(outgoing) => outgoing.writable().await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        ready = room => if let Err(error) = ready { return Closed::Io(error) },
                        () = lane.pushed() => {}
                        () = sleep(POLL.1) => {}
                    }
                }
            }
        }
    }

    /// Has the socket's room watched. Where that takes more than the process may have (descriptors), the clock stands in:
    /// a slower connection is better than none.
    fn watch(&self, stream: &TcpStream) -> Option<Outgoing> {
        Outgoing::new(stream)
            .inspect_err(|error| {
                tracing::warn!(peer = %self.connection.id, %error, "room in the socket is looked for four times a second only");
            })
            .ok()
    }

    /// Writes as much as the kernel takes, and tells the host what was written since it was last told, by whomever.
    fn write(&self) -> Result<Next, Closed> {
        let lane = &self.connection.lane;
        let told = lane.with_pen(|pen| {
            lane.write_with(pen);
            let next = if let Some(stream) = pen.blocked() {
                Next::Room(stream)
            } else if pen.is_waiting() {
                Next::Acknowledgement
            } else {
                Next::Plan
            };
            (pen.account(), pen.failure(), next)
        });
        // Without a pen the connection is over.
        let Some((account, failure, next)) = told else { return Err(Closed::Asked) };
        account.tell(&*self.host, self.connection.id);
        match failure {
            Some(error) => Err(Closed::Io(error)),
            None if lane.is_closed() => Err(Closed::Asked),
            None => Ok(next),
        }
    }

    /// Reads `TCP_INFO`, reports acknowledged blocks, and says whether the peer is stuck.
    fn observe(&self) -> bool {
        let now = Instant::now();
        let observed = self.connection.lane.with_pen(|pen| pen.observe(now));
        let Some((acked, stuck)) = observed else { return false };
        for block in acked {
            self.host.acked(self.connection.id, block, now);
        }
        stuck
    }
}
