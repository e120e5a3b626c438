//! One thing at a time.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use wire::{Command, Header, Message};

use super::{ConnectionId, Node, connection::Connection};

/// How many messages may wait until one is dropped. The daemons stop reading then; whoever keeps to a conversation
/// never gets there.
const MAX_WAITING: usize = 10_000;

/// Something to be dealt with.
#[derive(Debug)]
pub(super) enum Work {
    Message(ConnectionId, Message),
    Undecodable(ConnectionId, Command, &'static str),
    Gossip(Bytes),
}

impl Work {
    /// The block in it, if there is one.
    fn block(&self) -> Option<&Bytes> {
        match self {
            Self::Message(_, Message::Block(block)) | Self::Gossip(block) => Some(block),
            _ => None,
        }
    }
}

/// What a node is busy with and what waits: first come, first served.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// What came, with the time.
    waiting: VecDeque<(Duration, Work)>,
    /// What is being dealt with, and when that is done.
    current: Option<(Duration, Work)>,
    free_at: Duration,
    /// Bytes of the blocks that wait.
    backlog: usize,
}

impl Desk {
    /// When the current work is done.
    pub(super) fn due(&self) -> Option<Duration> {
        self.current.as_ref().map(|(due, _)| *due)
    }

    /// Bytes of the blocks that wait.
    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    /// Takes everything off at `now`, from old to new.
    pub(super) fn clear(&mut self, now: Duration) -> Vec<Work> {
        let Self { waiting, current, .. } = std::mem::replace(self, Self { free_at: now, ..Self::default() });
        current.into_iter().chain(waiting).map(|(_, work)| work).collect()
    }
}

impl Node {
    /// Puts work on the desk.
    pub(super) fn put(&mut self, work: Work, now: Duration) {
        self.tick(now);
        let waiting = self.desk.waiting.len();
        if waiting >= MAX_WAITING {
            return tracing::warn!(waiting, "a simulated node is swamped; a message is dropped");
        }
        self.desk.backlog += work.block().map_or(0, Bytes::len);
        self.desk.waiting.push_back((now, work));
        self.begin();
        self.tick(now);
    }

    /// Does what is due on the desk.
    pub(super) fn finish(&mut self) {
        let Some((at, work)) = self.desk.current.take() else { return };
        self.desk.free_at = at;
        match work {
            Work::Message(id, message) => self.hear(id, message, at),
            Work::Undecodable(id, command, kind) => self.hear_nonsense(id, command, kind, at),
            Work::Gossip(block) => self.take_gossip(block, at),
        }
        self.begin();
    }

    /// Begins with what has waited longest, if the desk is free.
    fn begin(&mut self) {
        if self.desk.current.is_some() {
            return;
        }
        let Some((arrived, work)) = self.desk.waiting.pop_front() else { return };
        self.desk.backlog -= work.block().map_or(0, Bytes::len);
        // What it costs depends on what the node knows when it begins: the second copy of a block costs nothing.
        let cost = self.cost(&work);
        self.desk.current = Some((arrived.max(self.desk.free_at) + cost, work));
    }

    /// How long a piece of work takes.
    fn cost(&self, work: &Work) -> Duration {
        let is_ready = |id| self.connections.get(id).is_some_and(Connection::is_ready);
        match work {
            Work::Message(id, message) if !is_ready(id) || self.disregards(message) => Duration::ZERO,
            Work::Undecodable(..) => Duration::ZERO,
            Work::Message(..) | Work::Gossip(_) => match work.block().filter(|block| !self.has_body(block)) {
                Some(block) => self.profile.validation_of(block.len()) + self.temperament.delay(true),
                None => self.temperament.delay(false),
            },
        }
    }

    fn has_body(&self, block: &Bytes) -> bool {
        let hash = block.first_chunk().map(|fixed| self.profile.chain.block_hash(&Header::new(*fixed)));
        hash.is_some_and(|hash| self.chain.block(&hash).is_some())
    }
}
