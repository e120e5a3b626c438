//! What happens when nothing happens.

use std::{collections::BTreeMap, time::Duration};

use rand::Rng;
use wire::Message;

use super::{ConnectionId, HangUp, Node};
use crate::Temperament;

/// How long a handshake may take (protocol.md §2.4).
pub(super) const HANDSHAKE: Duration = Duration::from_secs(60);

/// How long after a ping the next one is due.
const PING_INTERVAL: Duration = Duration::from_secs(120);

/// How long a pong may take.
const PONG_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// What a node has put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The handshake should be done by now.
    Handshake(ConnectionId),
    /// Another ping is due.
    Ping(ConnectionId),
    /// The peer is to be told of new blocks.
    Announce(ConnectionId),
    /// The peer has asked for addresses a while ago.
    Addresses(ConnectionId),
    /// What the daemon says unasked is due.
    Afterthought(ConnectionId),
    /// [`Temperament::Flapping`]: off it goes.
    Leave,
    /// It is back.
    Return,
}

/// Timers in the order in which they are due; of those that are due together, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeMap<(Duration, u64), Timer>,
    count: u64,
}

impl Timers {
    pub(super) fn set(&mut self, due: Duration, timer: Timer) {
        self.count += 1;
        self.queue.insert((due, self.count), timer);
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn pop(&mut self) -> Option<Timer> {
        self.queue.pop_first().map(|(_, timer)| timer)
    }
}

impl Node {
    pub(super) fn alarm(&mut self, timer: Timer, at: Duration) {
        match timer {
            Timer::Handshake(id) => {
                if self.connections.get(&id).is_some_and(|connection| !connection.is_ready()) {
                    self.hang_up(id, HangUp::HandshakeTimeout, at);
                }
            }
            Timer::Ping(id) => self.ping(id, at),
            Timer::Announce(id) => self.announce(id, at),
            Timer::Addresses(id) => self.tell_addresses(id, at),
            Timer::Afterthought(id) => self.tell_afterthought(id, at),
            Timer::Leave => self.leave(at),
            Timer::Return => {
                self.away = false;
                if let Temperament::Flapping { up, .. } = self.temperament {
                    self.timers.set(at + up, Timer::Leave);
                }
                self.catch_up(at);
            }
        }
    }

    /// Pings a peer, unless the last ping is still open.
    pub(super) fn ping(&mut self, id: ConnectionId, at: Duration) {
        let Some(open) = self.peer(id).map(|peer| peer.ping) else { return };
        match open {
            Some((_, since)) if at.saturating_sub(since) >= PONG_TIMEOUT => {
                return self.hang_up(id, HangUp::PongTimeout, at);
            }
            Some(_) => {}
            None => {
                let nonce = self.rng.random();
                if let Some(peer) = self.peer_mut(id) {
                    peer.ping = Some((nonce, at));
                }
                self.send(id, Message::Ping(nonce), at);
            }
        }
        self.timers.set(at + PING_INTERVAL, Timer::Ping(id));
    }

    fn leave(&mut self, at: Duration) {
        let Temperament::Flapping { down, .. } = self.temperament else { return };
        self.away = true;
        self.drop_work(at);
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in all {
            self.hang_up(id, HangUp::Away, at);
        }
        self.timers.set(at + down, Timer::Return);
    }
}
