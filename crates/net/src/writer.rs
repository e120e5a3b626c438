//! The writer task: it writes what nobody else has written, and watches what becomes of it.

use std::{
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
    /// Bytes are unacknowledged; for how long already, the poll's interval tells.
    Acknowledgement,
    /// Nothing but more to write.
    Plan,
}

impl Writer {
    pub(crate) fn new(connection: Connection, host: Arc<dyn Host>) -> Self {
        Self { connection, host }
    }

    /// Writes whatever the lane holds until it is closed, the socket fails or the peer is stuck.
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
                    if timeout(poll, lane.pushed()).await.is_ok() {
                        poll = POLL.0;
                        continue;
                    }
                    poll = (poll * 2).min(POLL.1);
                    if self.observe() {
                        return Closed::Stuck;
                    }
                }
                Next::Room(stream) => {
                    let outgoing = match &mut outgoing {
                        Some(outgoing) => outgoing,
                        none => match Outgoing::new(&stream) {
                            Ok(new) => none.insert(new),
                            Err(error) => return Closed::Io(error),
                        },
                    };
                    let room = tokio::select! {
                        ready = outgoing.writable() => Some(ready),
                        () = lane.pushed() => continue,
                        () = sleep(POLL.1) => None,
                    };
                    let stuck = self.observe();
                    match room {
                        Some(Ok(())) => {}
                        Some(Err(error)) => return Closed::Io(error),
                        None if stuck => return Closed::Stuck,
                        None => {}
                    }
                }
            }
        }
    }

    /// Writes as much as the kernel takes, and tells the host what was written since it was last told, by whomever.
    fn write(&self) -> Result<Next, Closed> {
        let lane = &self.connection.lane;
        if lane.is_closed() {
            return Err(Closed::Asked);
        }
        lane.write();
        let told = lane.with_pen(|pen| {
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
        let Some(((written, sent), failure, next)) = told else { return Err(Closed::Asked) };
        for note in written {
            self.host.written(self.connection.id, note.block, note.handed, note.at);
        }
        if sent > 0 {
            self.host.sent(sent);
        }
        failure.map_or(Ok(next), |error| Err(Closed::Io(error)))
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
