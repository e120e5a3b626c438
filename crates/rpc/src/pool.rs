//! Idle connections, waiting for the next request of one kind.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connection::Connection;

/// Idle connections, in the order in which they were used. A request takes one out and has it to itself, so that no request ever waits behind
/// another; when there is none, the caller dials.
pub(crate) struct Pool {
    idle: Mutex<VecDeque<Connection>>,
    capacity: usize,
    max_idle: Duration,
}

impl Pool {
    /// A pool that keeps at most `capacity` connections, none idle for longer than `max_idle`.
    pub(crate) fn new(capacity: usize, max_idle: Duration) -> Self {
        Self { idle: Mutex::new(VecDeque::new()), capacity, max_idle }
    }

    /// The connection that was used last, because it is the likeliest to be alive still. The others are not looked at: a
    /// block waits for this.
    pub(crate) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        while let Some(mut connection) = idle.pop_back() {
            if connection.is_usable(self.max_idle) {
                return Some(connection);
            }
        }
        None
    }

    /// The connection that has been idle longest, if it has not been used after `moment`.
    pub(crate) fn take_unused_since(&self, moment: Instant) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain_mut(|connection| connection.is_usable(self.max_idle));
        if idle.front()?.last_used() > moment { None } else { idle.pop_front() }
    }

    /// How many idle connections there are to take.
    pub(crate) fn len(&self) -> usize {
        let mut idle = self.idle.lock();
        idle.retain_mut(|connection| connection.is_usable(self.max_idle));
        idle.len()
    }

    /// Closes all that are idle.
    pub(crate) fn clear(&self) {
        self.idle.lock().clear();
    }

    /// Gives a connection back after a complete exchange. A full pool lets its oldest go, and any pool those that have
    /// ended meanwhile.
    pub(crate) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        idle.retain_mut(|connection| connection.is_usable(self.max_idle));
        idle.push_back(connection);
        while idle.len() > self.capacity {
            idle.pop_front();
        }
    }
}
