//! What is going to happen, in order.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use wire::Message;

use crate::ConnectionId;

pub(super) enum Event {
    /// The relay's clock.
    Tick,
    /// The relay dials a node.
    Dial(usize),
    /// A dialled node sees the connection.
    Connected { connection: ConnectionId },
    /// The relay learns that the node has taken the connection.
    Established { connection: ConnectionId },
    /// A node has something to do by itself.
    Due(usize),
    /// A message of the relay has arrived.
    ToNode { connection: ConnectionId, message: Message },
    /// Half of a block has arrived at a node that cuts connections.
    Cut { connection: ConnectionId },
    /// A message of a node has arrived.
    ToRelay { connection: ConnectionId, message: Message },
    /// The relay notices that a node has hung up.
    HungUp { connection: ConnectionId },
    /// A neighbour's block has arrived.
    Gossip { to: usize, block: Bytes },
    /// A lock has arrived: a neighbour's, or one that the node's own quorum has made.
    Lock { to: usize, object: Bytes },
}

/// Events by time; of those at the same time, the first that was put in comes first.
#[derive(Default)]
pub(super) struct Queue {
    events: BTreeMap<(Duration, u64), Event>,
    count: u64,
}

impl Queue {
    pub(super) fn put(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    /// The next event that is not after `end`.
    pub(super) fn pop_until(&mut self, end: Duration) -> Option<(Duration, Event)> {
        let ((at, _), _) = self.events.first_key_value()?;
        if *at > end {
            return None;
        }
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
